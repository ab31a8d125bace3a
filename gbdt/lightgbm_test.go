package gbdt

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// loadedCase is a model that LightGBM is to read, and what it is to do with it.
type loadedCase struct {
	d          Data
	o          Options
	more       int     // rounds to go on
	refit      float64 // decay rate
	refitFirst bool    // the model itself is a refitted one
	inexact    string  // why LightGBM does not write the file that it read
}

// loadedCases are models of every kind that training can make.
func loadedCases(t *testing.T) map[string]loadedCase {
	const rows = 400
	list := map[string]loadedCase{}
	for _, name := range []string{"regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie", "binary", "cross_entropy",
		"cross_entropy_lambda", "multiclass", "multiclassova", "lambdarank", "rank_xendcg"} {
		o := Options{Objective: name}
		if strings.HasPrefix(name, "multiclass") {
			o.NumClass = 3
		}
		d := resumeData(rows, 10, o)
		for i, y := range d.Label {
			switch name {
			case "poisson", "gamma", "tweedie":
				d.Label[i] = math.Exp(y / 3)
			case "binary":
				d.Label[i] = float64(int(y+100) % 2)
			case "cross_entropy", "cross_entropy_lambda":
				d.Label[i] = 1 / (1 + math.Exp(-y))
			}
		}
		list[name] = loadedCase{d: d, o: o, more: 3, refit: 0.7}
	}
	for name, o := range resumable() {
		c := loadedCase{d: resumeData(rows, 11, o), o: o, more: 3, refit: 0.7}
		if o.LinearTree {
			c.refit, c.inexact = 0, "LightGBM reads leaf coefficients less exactly"
		}
		if o.Boosting == "rf" {
			c.more, c.refit = 0, 0 // LightGBM neither goes on from a forest nor refits one
		}
		list[name] = c
	}
	many := smallData(rows, 12)
	for i := range many.Label {
		many.Label[i] += 3 * float64(int(many.Columns[3].Values[i])*7%5)
	}
	weighted := smallData(rows, 13)
	for i := range weighted.Label {
		weighted.Weight = append(weighted.Weight, 0.5+float64(i%3))
	}
	before, err := NewDataset(smallData(rows, 14), Options{})
	must(t, err)
	first, err := Train(context.Background(), before, Options{NumIterations: 4})
	must(t, err)
	valid := Options{EarlyStoppingRound: 2, LearningRate: 0.9}
	for name, c := range map[string]loadedCase{
		"one-hot":       {d: smallData(rows, 12), o: Options{MaxCatToOneHot: 20, MinDataPerGroup: 5}},
		"many-vs-many":  {d: many, o: Options{MinDataPerGroup: 5, CatSmooth: 1, CatL2: 1, MinDataInLeaf: 5}},
		"zero":          {d: smallData(rows, 10), o: Options{ZeroAsMissing: true}},
		"no missing":    {d: smallData(rows, 10), o: func() Options { o := DefaultOptions(); o.UseMissing = false; return o }()},
		"weighted":      {d: weighted},
		"monotone":      {d: smallData(rows, 10), o: Options{MonotoneConstraints: []int8{1, 0, -1, 0, 0}}},
		"constant":      {d: smallData(30, 10), o: Options{MinDataInLeaf: 20}},
		"early stopped": {d: smallData(rows, 10), o: valid},
		"gone on":       {d: smallData(rows, 14), o: Options{InitModel: first}},
		"refitted":      {d: smallData(rows, 14), refitFirst: true},
		"gain":          {d: smallData(rows, 14), o: Options{SavedFeatureImportanceType: 1}},
	} {
		c.more, c.refit = 3, 0.7
		list[name] = c
	}
	custom := loadedCase{d: smallData(rows, 14), o: Options{Objective: "custom", CustomObjective: func(score []float64, grad, hess []float32) {
		for i, s := range score {
			grad[i], hess[i] = float32(s-float64(i%7)), 1
		}
	}}}
	list["custom"] = custom
	return list
}

// train gives the model of a case and its rows.
func (c *loadedCase) train(t *testing.T) (*Model, *Dataset) {
	if c.o.NumIterations = 5; c.o.EarlyStoppingRound > 0 {
		c.o.NumIterations = 60
	}
	c.o.NumLeaves = 12
	ds, err := NewDataset(c.d, c.o)
	must(t, err)
	o := c.o
	if o.EarlyStoppingRound > 0 {
		valid, err := ds.NewValid(smallData(100, 2))
		must(t, err)
		o.Validation = []Validation{{"valid", valid}}
	}
	m, err := Train(context.Background(), ds, o)
	must(t, err)
	if o.EarlyStoppingRound > 0 && (m.BestIteration == 0 || m.NumIterations() != m.BestIteration) {
		t.Fatalf("%d iterations, the best is %d: not stopped early", m.NumIterations(), m.BestIteration)
	}
	if c.refitFirst {
		other := smallData(len(c.d.Label), 99)
		m, err = m.Refit(other, o)
		must(t, err)
	}
	return m, ds
}

// loadedByLightGBM is what LightGBM's script gives of a case.
type loadedByLightGBM struct {
	Raw, Pred, Contrib               []float64
	Leaf                             []int
	Text, Continued, Refitted, Error string
}

// TestLightGBMLoads: LightGBM's Python package, in the Python named by HANJI_PYTHON, reads our models, predicts the same,
// writes the same file, and goes on training from it and refits it as we do.
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
	dir := t.TempDir()
	cases := loadedCases(t)
	type made struct {
		m *Model
		x []float64
	}
	models := map[string]made{}
	for name, c := range cases {
		m, ds := c.train(t)
		if name == "many-vs-many" && !slices.ContainsFunc(m.trees[0].catThreshold, func(set uint32) bool { return bits.OnesCount32(set) > 2 }) {
			t.Error("no split has several categories on its left")
		}
		cases[name] = c
		folder := filepath.Join(dir, name)
		must(t, os.Mkdir(folder, 0o777))
		must(t, m.SaveText(filepath.Join(folder, "model.txt")))
		features := len(ds.columns)
		x, list := make([]float64, ds.rows*features), make([][]string, ds.rows)
		for i := range list {
			row := x[i*features : (i+1)*features]
			ds.row(row, i)
			for _, v := range row {
				list[i] = append(list[i], fmt.Sprint(v))
			}
		}
		models[name] = made{m, x}
		in, err := json.Marshal(map[string]any{"rows": list, "label": c.d.Label, "group": c.d.Group, "weight": c.d.Weight, "position": c.d.Position, "categorical": []int{3},
			"contrib": !c.o.LinearTree, "continue": c.more, "refit": c.refit})
		must(t, err)
		must(t, os.WriteFile(filepath.Join(folder, "case.json"), in, 0o666))
	}
	out, err := exec.Command(python, filepath.Join("testdata", "lightgbm_loads.py"), dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(dir, name, "out.json"))
			must(t, err)
			var want loadedByLightGBM
			must(t, json.Unmarshal(b, &want))
			if want.Error != "" {
				t.Fatal(want.Error)
			}
			c.check(t, models[name].m, models[name].x, &want)
		})
	}
	t.Logf("%d models loaded by %s", len(cases), strings.TrimSpace(string(out)))
}

func (c *loadedCase) check(t *testing.T, m *Model, x []float64, want *loadedByLightGBM) {
	raw, pred, leaf := make([]float64, len(want.Raw)), make([]float64, len(want.Pred)), make([]int, len(want.Leaf))
	must(t, m.Predict(raw, x, PredictOptions{Raw: true}))
	must(t, m.Predict(pred, x, PredictOptions{}))
	must(t, m.LeafIndex(leaf, x, PredictOptions{}))
	if !slices.Equal(leaf, want.Leaf) {
		t.Error("rows fall into other leaves")
	}
	if d := diffFloats(raw, want.Raw, 1e-12); d != "" {
		t.Errorf("raw: %s", d)
	}
	if d := diffFloats(pred, want.Pred, 1e-12); d != "" { // exp of two libraries differs in the last bit
		t.Errorf("transformed: %s", d)
	}
	if want.Contrib != nil {
		contrib := make([]float64, len(want.Contrib))
		must(t, m.Contrib(contrib, x, PredictOptions{}))
		if d := diffFloats(contrib, want.Contrib, 1e-9); d != "" {
			t.Errorf("contributions: %s", d)
		}
	}
	if got := text(t, m) + "\npandas_categorical:null\n"; got != want.Text && c.inexact == "" {
		t.Errorf("LightGBM writes the model differently: %s", diffLines(got, want.Text))
	}
	if c.more > 0 {
		o := c.o
		o.InitModel, o.NumIterations, o.EarlyStoppingRound = m, c.more, 0
		ds, err := NewDataset(c.d, o)
		must(t, err)
		more, err := Train(context.Background(), ds, o)
		must(t, err)
		sameTrees(t, "gone on with", more, want.Continued)
	}
	if c.refit > 0 {
		o := c.o
		o.RefitDecayRate = c.refit
		read, err := ReadText(strings.NewReader(text(t, m))) // with six digits of DART's shrinkage, as LightGBM has them
		must(t, err)
		d := c.d
		d.Position = nil // LightGBM's refit has no such argument
		refitted, err := read.Refit(d, o)
		must(t, err)
		sameTrees(t, "refitted", refitted, want.Refitted)
	}
}

// sameTrees holds a model against one that LightGBM made of the same file: the same splits, values to what a sum in
// another order may lose.
func sameTrees(t *testing.T, what string, m *Model, theirs string) {
	t.Helper()
	want, err := ReadText(strings.NewReader(theirs))
	must(t, err)
	if len(m.trees) != len(want.trees) {
		t.Errorf("%s: %d trees, LightGBM's %d", what, len(m.trees), len(want.trees))
		return
	}
	for i, tr := range m.trees {
		w := want.trees[i]
		if !slices.Equal(tr.splitFeature, w.splitFeature) || !slices.Equal(tr.threshold, w.threshold) || !slices.Equal(tr.catThreshold, w.catThreshold) {
			t.Errorf("%s: tree %d splits otherwise than LightGBM's", what, i)
			return
		}
		for name, v := range map[string][2][]float64{"leaf_value": {tr.leafValue, w.leafValue}, "leaf_const": {tr.leafConst, w.leafConst},
			"leaf_coeff": {slices.Concat(tr.leafCoeff...), slices.Concat(w.leafCoeff...)}} {
			if d := diffFloats(v[0], v[1], 1e-9); d != "" {
				t.Errorf("%s: tree %d: %s: %s", what, i, name, d)
				return
			}
		}
	}
}
