package gbdt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWriteGo: the source is formatted, compiles, and predicts what the model predicts, to the bit on this processor.
func TestWriteGo(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles Go")
	}
	names := []string{"obj_multiclass", "obj_sqrt", "obj_poisson", "obj_cross_entropy_lambda", "obj_lambdarank",
		"var_cat_many", "var_cat_onehot", "var_missing_nan", "var_zero_as_missing", "var_rf_binary", "var_constant", "var_linear_tree_missing"}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module m\n\ngo 1.26\n")
	var imports, calls strings.Builder
	var want [][]float64
	var input bytes.Buffer
	for _, name := range names {
		f := openFixture(t, name)
		m, err := OpenText(filepath.Join(f.ModelDir(), "model.txt"))
		must(t, err)
		var source bytes.Buffer
		must(t, m.WriteGo(&source, name))
		formatted, err := format.Source(source.Bytes())
		must(t, err)
		if !bytes.Equal(formatted, source.Bytes()) {
			t.Errorf("%s: gofmt would change the source", name)
		}
		must(t, os.Mkdir(filepath.Join(dir, name), 0o777))
		write(t, filepath.Join(dir, name, "model.go"), source.String())
		p, raw := make([]float64, f.rows*m.NumClasses()), make([]float64, f.rows*m.NumClasses())
		must(t, m.Predict(p, f.x, PredictOptions{}))
		must(t, m.Predict(raw, f.x, PredictOptions{Raw: true}))
		want = append(want, p, raw)
		must(t, binary.Write(&input, binary.LittleEndian, f.x))
		fmt.Fprintf(&imports, "\t%q\n", "m/"+name)
		fmt.Fprintf(&calls, "\tpredict(%d, %[2]s.NumFeatures, %[2]s.NumClasses, %[2]s.Predict, %[2]s.PredictRaw)\n", f.rows, name)
	}
	write(t, filepath.Join(dir, "main.go"), `package main

import (
	"bytes"
	"encoding/binary"
	"os"

`+imports.String()+`)

func main() {
`+calls.String()+`}

func predict(rows, features, classes int, fs ...func(dst, x []float64)) {
	x := make([]float64, rows*features)
	if err := binary.Read(os.Stdin, binary.LittleEndian, x); err != nil {
		panic(err)
	}
	for _, f := range fs {
		p := make([]float64, rows*classes)
		for i := range rows {
			f(p[i*classes:(i+1)*classes], x[i*features:(i+1)*features])
		}
		var b bytes.Buffer
		binary.Write(&b, binary.LittleEndian, p)
		os.Stdout.Write(b.Bytes())
	}
}
`)
	cmd := exec.Command("go", "run", ".")
	cmd.Dir, cmd.Stdin = dir, &input
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	r := bytes.NewReader(out)
	for i, w := range want {
		got := make([]float64, len(w))
		must(t, binary.Read(r, binary.LittleEndian, got))
		for j := range w {
			if !sameFloat(got[j], w[j]) {
				t.Errorf("%s: number %d is %v, want %v", names[i/2], j, got[j], w[j])
				break
			}
		}
	}
}
