package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/internal/par"
)

// TestBoostExamples: LightGBM's own examples, run as its command would be, end with the metrics that it prints (4.6.0;
// the linear example with those that it gives from arrays, see gbdt's test of it).
func TestBoostExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a thousand trees")
	}
	data := filepath.Join(golden.Shared(t), "data", "lightgbm")
	defer par.SetThreads(0) // after --threads 1: on a busy machine workers wait for each other longer than small trees take
	for _, c := range []struct {
		dir, conf string
		want      []string
	}{
		{"binary_classification", "train.conf", []string{"training binary_logloss : 0.221658", "training auc : 0.997396",
			"valid_1 binary_logloss : 0.503137", "valid_1 auc : 0.831562"}},
		{"binary_classification", "train_linear.conf", []string{"valid_1 binary_logloss : 0.547042", "valid_1 auc : 0.801778"}},
		{"regression", "train.conf", []string{"training l2 : 0.199847", "valid_1 l2 : 0.245227"}},
		{"multiclass_classification", "train.conf", []string{"training multi_logloss : 0.701667", "training auc_mu : 0.992947",
			"valid_1 multi_logloss : 1.23395", "valid_1 auc_mu : 0.753449"}},
		{"lambdarank", "train.conf", []string{"training ndcg@1 : 0.983321", "training ndcg@3 : 0.98501", "training ndcg@5 : 0.979858",
			"valid_1 ndcg@1 : 0.577524", "valid_1 ndcg@3 : 0.618958", "valid_1 ndcg@5 : 0.654573"}},
	} {
		t.Run(c.dir+"/"+c.conf, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(data, c.dir))); err != nil {
				t.Fatal(err)
			}
			t.Chdir(dir)
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), []string{"boost", "config=" + c.conf, "--threads", "1"}, nil, &stdout, &stderr); code != 0 || stdout.Len() > 0 {
				t.Fatalf("exit code %d\n%s%s", code, &stdout, &stderr)
			}
			for _, want := range c.want {
				if line := "[LightGBM] [Info] Iteration:100, " + want + "\n"; !strings.Contains(stderr.String(), line) {
					t.Errorf("no line %s", line)
				}
			}
			if strings.Contains(stderr.String(), "Warning") {
				t.Errorf("warnings:\n%s", &stderr)
			}
			if code := run(t.Context(), []string{"boost", "config=predict.conf"}, nil, &stdout, &stderr); code != 0 {
				t.Fatalf("predict: exit code %d\n%s", code, &stderr)
			}
			rows := lines(t, "LightGBM_predict_result.txt")
			tests, err := filepath.Glob("*.test")
			if err != nil || len(tests) != 1 {
				t.Fatal(tests, err)
			}
			if want := lines(t, tests[0]); rows != want {
				t.Errorf("%d predictions of %d rows", rows, want)
			}
		})
	}
}

func lines(t *testing.T, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

// cancelAt cancels when a text is written to it.
type cancelAt struct {
	bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (c *cancelAt) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(c.text)) {
		c.cancel()
	}
	return c.Buffer.Write(b)
}

// TestBoostInterrupted: Ctrl-C in the middle leaves the snapshots, which are whole, and nothing else.
func TestBoostInterrupted(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	var text strings.Builder
	for i := range 200 {
		text.WriteString([]string{"1,2,3\n", "2,3,4\n", "5,1,1\n", "4,3,9\n"}[i%4])
	}
	if err := os.WriteFile("train.csv", []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	args := []string{"boost", "data=train.csv", "num_trees=1000000", "learning_rate=1e-6", "snapshot_freq=3"}
	for at, want := range map[string]string{"finished iteration 4\n": "train.csv LightGBM_model.txt.snapshot_iter_3", "Number of data": "train.csv"} {
		ctx, cancel := context.WithCancel(t.Context())
		stderr := &cancelAt{text: at, cancel: cancel}
		if code := run(ctx, args, nil, new(bytes.Buffer), stderr); code != exitInterrupted {
			t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, stderr)
		}
		cancel()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.Contains(want, e.Name()) {
				t.Errorf("%s is left", e.Name())
			}
		}
		if err := os.RemoveAll("LightGBM_model.txt.snapshot_iter_3"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBenchGBDT: a line a case in the peers' form; a file that was cut is refused before anything is allocated for it.
func TestBenchGBDT(t *testing.T) {
	const rows, width = 300, 3
	b := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, rows), width)
	for i := range rows {
		for _, v := range []float32{float32(i % 2), float32(i%2*10 + i%7), float32(i % 5)} {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	file := filepath.Join(t.TempDir(), "rows.bin")
	for i, c := range []struct {
		b    []byte
		want string
	}{
		{b, `^\{"case":"gbdt-bin","threads":\d+,"value":[\d.e-]+,"unit":"s","who":"hanji"\}
\{"case":"gbdt-train",.*
\{"case":"gbdt-predict",.*
\{"case":"gbdt-auc","threads":\d+,"value":(1|0\.9\d*),"unit":"AUC","who":"hanji"\}
$`},
		{b[:len(b)-1], `^hanji: .*rows.bin: 3615 bytes are no 300 rows of 3 float32`},
		{append(bytes.Repeat([]byte{0xff}, 16), b...), `^hanji: .*rows of -1 float32`},
	} {
		if err := os.WriteFile(file, c.b, 0o666); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		code := run(t.Context(), []string{"bench", "gbdt", "--data", file, "--trees", "20", "--json"}, nil, &out, &out)
		if !regexp.MustCompile(c.want).Match(out.Bytes()) || (code == 0) != (i == 0) {
			t.Errorf("exit code %d\n%s", code, &out)
		}
	}
}

// TestRankAUC: against the definition, pair by pair.
func TestRankAUC(t *testing.T) {
	p, y := []float64{0.1, 0.4, 0.4, 0.8, 0.8, 0.3, 0.8}, []float64{0, 0, 1, 1, 0, 1, 1}
	wins, pairs := 0.0, 0.0
	for i := range p {
		for j := range p {
			if y[i] <= y[j] {
				continue
			}
			pairs++
			switch {
			case p[i] > p[j]:
				wins++
			case p[i] == p[j]:
				wins += 0.5
			}
		}
	}
	if got := rankAUC(p, func(i int32) bool { return y[i] > 0 }); got != wins/pairs {
		t.Errorf("%v, want %v", got, wins/pairs)
	}
}
