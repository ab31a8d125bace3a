package gbdt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// script makes LightGBM predict the rows of standard input with a model file.
const script = `
import sys, json, numpy as np
import lightgbm as lgb
b = lgb.Booster(model_file=sys.argv[1])
x = np.array([[float(v) for v in row] for row in json.load(sys.stdin)])
print(json.dumps(dict(raw=b.predict(x, raw_score=True).ravel().tolist(), pred=b.predict(x).ravel().tolist(),
    leaf=b.predict(x, pred_leaf=True).ravel().tolist(), text=b.model_to_string())))
`

// TestLightGBMLoads: LightGBM's Python package, in the Python named by HANJI_PYTHON, reads our models and predicts the
// same.
func TestLightGBMLoads(t *testing.T) {
	python := os.Getenv("HANJI_PYTHON")
	if python == "" {
		t.Log("HANJI_PYTHON is not set: not loaded by LightGBM in this run")
		return
	}
	if out, err := exec.Command(python, "-c", "import lightgbm").CombinedOutput(); err != nil {
		t.Logf("%s has no lightgbm package: not loaded by LightGBM in this run: %.200s", python, out)
		return
	}
	classes := smallData(600, 12)
	for i, v := range classes.Label {
		classes.Label[i] = float64(min(max(int(v+1), 0), 2))
	}
	for name, c := range map[string]struct {
		d Data
		o Options
	}{
		"regression": {smallData(600, 10), Options{NumIterations: 8}},
		"forest":     {smallData(600, 10), Options{NumIterations: 8, Boosting: "rf", BaggingFraction: 0.5, BaggingFreq: 1}},
		"linear":     {smallData(600, 10), Options{NumIterations: 5, LinearTree: true}},
		"zero":       {smallData(600, 10), Options{NumIterations: 5, ZeroAsMissing: true}},
		"multiclass": {classes, Options{NumIterations: 5, Objective: "multiclass", NumClass: 3}},
		"constant":   {smallData(30, 10), Options{NumIterations: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			ds, err := NewDataset(c.d, c.o)
			must(t, err)
			m, err := Train(context.Background(), ds, c.o)
			must(t, err)
			file := filepath.Join(t.TempDir(), "model.txt")
			must(t, m.SaveText(file))
			rows := 30
			x := make([]float64, rows*5)
			list := make([][]string, rows)
			for i := range list {
				ds.row(x[i*5:(i+1)*5], i)
				for _, v := range x[i*5 : (i+1)*5] {
					list[i] = append(list[i], fmt.Sprint(v))
				}
			}
			in, err := json.Marshal(list)
			must(t, err)
			cmd := exec.Command(python, "-c", script, file)
			cmd.Stdin = bytes.NewReader(in)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			must(t, err)
			var want struct {
				Raw, Pred []float64
				Leaf      []int
				Text      string
			}
			must(t, json.Unmarshal(out, &want))
			raw, pred, leaf := make([]float64, len(want.Raw)), make([]float64, len(want.Pred)), make([]int, len(want.Leaf))
			must(t, m.Predict(raw, x, PredictOptions{Raw: true}))
			must(t, m.Predict(pred, x, PredictOptions{}))
			must(t, m.LeafIndex(leaf, x, PredictOptions{}))
			for i := range raw {
				// exp of two libraries differs in the last bit
				if raw[i] != want.Raw[i] || math.Abs(pred[i]-want.Pred[i]) > 1e-15 {
					t.Fatalf("prediction %d is %v, %v, LightGBM's %v, %v", i, raw[i], pred[i], want.Raw[i], want.Pred[i])
				}
			}
			for i := range leaf {
				if leaf[i] != want.Leaf[i] {
					t.Fatalf("leaf %d is %d, LightGBM's %d", i, leaf[i], want.Leaf[i])
				}
			}
			if got := text(t, m) + "\npandas_categorical:null\n"; got != want.Text && name != "linear" { // whose coefficients it reads less exactly
				t.Errorf("LightGBM writes the model differently")
			}
		})
	}
}
