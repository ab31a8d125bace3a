package gbdt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cppMain predicts rows of standard input, each model its own.
const cppMain = `
#include <cstdio>
#include <vector>

typedef void (*Function)(const double*, double*);

static void predict(int rows, int features, int classes, Function raw, Function transformed) {
	std::vector<double> x(features), p(classes);
	for (int i = 0; i < rows; ++i) {
		if (std::fread(x.data(), sizeof(double), x.size(), stdin) != x.size()) {
			return;
		}
		raw(x.data(), p.data());
		std::fwrite(p.data(), sizeof(double), p.size(), stdout);
		transformed(x.data(), p.data());
		std::fwrite(p.data(), sizeof(double), p.size(), stdout);
	}
}

int main() {
`

// compiler finds a C++ compiler, or says that there is none.
func compiler(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CXX"), "c++", "g++", "clang++"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// TestWriteCpp: the source compiles as C++11 without a warning, and gives raw scores that are the model's to the bit, on the
// fixtures' rows and on random ones with NaN, zeros, what is about zero, infinities and categories that nobody saw.
func TestWriteCpp(t *testing.T) {
	cxx := compiler(t)
	if cxx == "" {
		t.Log("there is no C++ compiler: generated C++ was not compiled in this run")
	}
	names := []string{"obj_multiclass", "obj_multiclassova", "obj_sqrt", "obj_poisson", "obj_cross_entropy_lambda", "obj_lambdarank", "var_cat_many",
		"var_cat_onehot", "var_missing_nan", "var_zero_as_missing", "var_rf_binary", "var_constant", "var_linear_tree", "var_linear_tree_missing", "var_big_leaf"}
	dir := t.TempDir()
	var includes, calls strings.Builder
	var input bytes.Buffer
	var want []float64
	type part struct {
		name            string
		from, to, width int // of its numbers
	}
	var parts []part
	for _, name := range names {
		f := openFixture(t, name)
		m, err := OpenText(filepath.Join(f.ModelDir(), "model.txt"))
		must(t, err)
		var source bytes.Buffer
		must(t, m.WriteCpp(&source, name))
		write(t, filepath.Join(dir, name+".cpp"), source.String())
		fmt.Fprintf(&includes, "#include \"%s.cpp\"\n", name)
		width, k := m.NumFeatures(), m.NumClasses()
		x := append(f.x, oddRows(300, width)...)
		rows, from := len(x)/width, len(want)
		fmt.Fprintf(&calls, "\tpredict(%d, %[2]s::num_features, %[2]s::num_classes, %[2]s::PredictRaw, %[2]s::Predict);\n", rows, name)
		must(t, binary.Write(&input, binary.LittleEndian, x))
		p := make([]float64, k)
		for i := range rows {
			for _, raw := range []bool{true, false} {
				must(t, m.PredictRow(p, x[i*width:(i+1)*width], PredictOptions{Raw: raw}))
				want = append(want, p...)
			}
		}
		parts = append(parts, part{name, from, len(want), k})
	}
	if cxx == "" {
		return
	}
	got := make([]float64, len(want))
	must(t, binary.Read(runCpp(t, cxx, dir, includes.String()+cppMain+calls.String()+"}\n", &input), binary.LittleEndian, got))
	for _, p := range parts {
		for i := p.from; i < p.to; i++ {
			raw := (i-p.from)/p.width%2 == 0
			// exp of two libraries differs in the last bit, and a softmax adds some of them up
			if !sameFloat(got[i], want[i]) && (raw || !(math.Abs(got[i]-want[i]) <= 4e-16*max(1, math.Abs(want[i])))) {
				t.Errorf("%s: row %d (raw %t) gives %v, want %v", p.name, (i-p.from)/p.width/2, raw, got[i], want[i])
				break
			}
		}
	}
}

// runCpp compiles a program and gives what it writes.
func runCpp(t *testing.T, cxx, dir, source string, input *bytes.Buffer) *bytes.Reader {
	t.Helper()
	write(t, filepath.Join(dir, "main.cpp"), source)
	program := filepath.Join(dir, "main.exe")
	cmd := exec.Command(cxx, "-std=c++11", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-pedantic", "-Werror", "-o", program, "main.cpp")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%.3000s", cxx, err, out)
	}
	cmd = exec.Command(program)
	cmd.Stdin = input
	out, err := cmd.Output()
	must(t, err)
	return bytes.NewReader(out)
}

// oddRows holds ordinary numbers, categories nobody saw, and all that is neither.
func oddRows(rows, width int) []float64 {
	odd := []float64{math.NaN(), 0, math.Copysign(0, -1), 1e-35, 1.0000000180025095e-35, -1.0000000180025095e-35, 2e-35, -2e-35, math.Inf(1), math.Inf(-1),
		-0.5, -1, -7, 31, 32, 1e9, 2147483647.5, 2147483648, 1e300, math.SmallestNonzeroFloat64}
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float64, rows*width)
	for i := range x {
		switch r.IntN(3) {
		case 0:
			x[i] = odd[r.IntN(len(odd))]
		case 1:
			x[i] = float64(r.IntN(80))
		default:
			x[i] = r.NormFloat64()
		}
	}
	return x
}

// TestSourceNesting: a tree that is one long chain to the left nests no deeper than a chain to the right.
func TestSourceNesting(t *testing.T) {
	const n = 2000
	chain := &tree{numLeaves: n, leafValue: make([]float64, n), shrinkage: 1}
	for i := range int32(n - 1) {
		left := i + 1
		if i == n-2 {
			left = ^int32(n - 1)
		}
		chain.left, chain.right = append(chain.left, left), append(chain.right, ^i)
		chain.splitFeature, chain.threshold, chain.decisionType = append(chain.splitFeature, 0), append(chain.threshold, -float64(i)), append(chain.decisionType, 0)
	}
	for i := range chain.leafValue {
		chain.leafValue[i] = float64(i)
	}
	m := &Model{numClass: 1, treesPerIter: 1, trees: []*tree{chain}}
	var b bytes.Buffer
	must(t, m.WriteCpp(&b, "chain"))
	if strings.Contains(b.String(), "\t\t\t") || strings.Count(b.String(), "x[0]") != n-1 {
		t.Errorf("nested blocks, or %d conditions", strings.Count(b.String(), "x[0]"))
	}
}

// TestCppText: nothing in an objective's words gets out of its string.
func TestCppText(t *testing.T) {
	if got := cppText("a:\"1\\ \n??/é"); got != `"a:_1_ ___/_"` {
		t.Errorf("%s", got)
	}
}
