package gbdt

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
)

// smallModel has a numeric, a categorical and a linear tree.
const smallModel = `tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=2
objective=binary sigmoid:1
feature_names=a b c=d
feature_infos=[0:1] -1:2:0:5 none
tree_sizes=309 333 373

Tree=0
num_leaves=3
num_cat=0
split_feature=0 2
split_gain=10.5 3
threshold=0.5 1.0000000180025095e-35
decision_type=2 8
left_child=-1 -2
right_child=1 -3
leaf_value=0.10000000000000001 -0.5 2
leaf_weight=1 2 3
leaf_count=4 5 6
internal_value=0 0.25
internal_weight=0 5
internal_count=15 11
is_linear=0
shrinkage=1


Tree=1
num_leaves=2
num_cat=1
split_feature=1
split_gain=1
threshold=0
decision_type=1
left_child=-1
right_child=-2
leaf_value=1 -1
leaf_weight=1 2
leaf_count=4 5
internal_value=0
internal_weight=0
internal_count=9
cat_boundaries=0 1
cat_threshold=37
is_linear=0
shrinkage=0.1


Tree=2
num_leaves=2
num_cat=0
split_feature=0
split_gain=1
threshold=0.5
decision_type=0
left_child=-1
right_child=-2
leaf_value=1 -1
leaf_weight=1 2
leaf_count=4 5
internal_value=0
internal_weight=0
internal_count=9
is_linear=1
leaf_const=0.5 -0.25
num_features=2 0
leaf_features=0 2   
leaf_coeff=2 -1   
shrinkage=0.1


end of trees

feature_importances:
a=2

parameters:
[boosting: gbdt]

end of parameters

pandas_categorical:null
`

func readSmall(t testing.TB) (*Model, string) {
	t.Helper()
	m, err := ReadText(strings.NewReader(smallModel))
	must(t, err)
	var b bytes.Buffer
	must(t, m.WriteText(&b))
	m, err = ReadText(bytes.NewReader(b.Bytes()))
	must(t, err)
	return m, b.String()
}

func TestPredictSmall(t *testing.T) {
	m, _ := readSmall(t)
	nan := math.NaN()
	for _, c := range []struct {
		row  []float64
		want float64
	}{
		{[]float64{0.5, 2, 3}, 0.1 + 1 + (0.5 + 2*0.5 - 3)},
		{[]float64{0.5, 3, nan}, 0.1 - 1 + 1},      // NaN in the linear leaf: its constant
		{[]float64{nan, nan, 3}, 0.1 - 1 + 1},      // NaN is 0 where the missing type is None; in no set
		{[]float64{0.6, 5.9, nan}, 2 + 1 - 0.25},   // NaN goes right; 5.9 is category 5
		{[]float64{0.6, -1, -3}, -0.5 - 1 - 0.25},  // negative is in no set
		{[]float64{0.6, -0.9, 0}, -0.5 + 1 - 0.25}, // −0.9 is cut to 0
		{[]float64{0.6, 1e300, 0}, -0.5 - 1 - 0.25},
	} {
		p := make([]float64, 1)
		must(t, m.PredictRow(p, c.row, PredictOptions{Raw: true}))
		if math.Abs(p[0]-c.want) > 1e-15 {
			t.Errorf("%v: %v, want %v", c.row, p[0], c.want)
		}
	}
}

// TestCutModel: a file that ends anywhere before its parameters are over is an error.
func TestCutModel(t *testing.T) {
	_, text := readSmall(t)
	importances := strings.Index(text, "feature_importances")
	parameters := strings.Index(text, "\nparameters:\n") + len("\nparameters:\n")
	end := strings.Index(text, "end of parameters\n") + len("end of parameters\n")
	for i := range len(text) {
		_, err := ReadText(strings.NewReader(text[:i]))
		switch {
		case err == nil && (i < importances-1 || i >= parameters && i < end):
			t.Errorf("cut at byte %d of %d, after %q: no error", i, len(text), text[max(0, i-30):i])
		case err == nil && text[i-1] != '\n':
			t.Errorf("cut at byte %d inside a line: no error", i)
		}
	}
}

func TestHostileModels(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"left_child=-1 -2", "left_child=1 -2", "two parents"},
		{"left_child=-1 -2", "left_child=0 -2", "two parents"},
		{"left_child=-1 -2", "left_child=-1 -9", "does not exist"},
		{"left_child=-1 -2\nright_child=1 -3", "left_child=-1 1\nright_child=-2 1", "hang together"},
		{"num_leaves=3", "num_leaves=2000000000", "has 3 numbers, want 2000000000"},
		{"num_leaves=3", "num_leaves=-3", "num_leaves=-3"},
		{"num_leaves=3", "num_leaves=99999999999", "no 32-bit integer"},
		{"split_feature=0 2", "split_feature=0 3", "feature 3 is not in 0..2"},
		{"split_feature=0 2", "split_feature=0 -1", "feature -1 is not in 0..2"},
		{"num_cat=1", "num_cat=2", "cat_boundaries has 2 numbers, want 3"},
		{"threshold=0\n", "threshold=1\n", "categories 1 of num_cat=1"},
		{"cat_boundaries=0 1", "cat_boundaries=1 1", ""},
		{"cat_boundaries=0 1", "cat_boundaries=0 2000000000", "has 1 numbers, want 2000000000"},
		{"cat_boundaries=0 1", "cat_boundaries=5 1", "fall"},
		{"num_features=2 0", "num_features=2000000000 2000000000", "has 2 numbers, want 4000000000"},
		{"leaf_features=0 2", "leaf_features=0 7", "feature 7 is not in 0..2"},
		{"max_feature_idx=2", "max_feature_idx=2000000000", "asks for 2000000001"},
		{"num_class=1", "num_class=0", "num_class=0"},
		{"num_class=1", "num_class=3", "cannot be predicted"},
		{"num_tree_per_iteration=1", "num_tree_per_iteration=7", "fits neither"},
		{"tree_sizes=309 333 373", "tree_sizes=309 333", "tree_sizes names 2"},
		{"Tree=1", "Tree=2", `want "Tree=1"`},
		{"sigmoid:1", "sigmoid:-1", "sigmoid must be positive"},
		{"version=v4", "version=v5", "not known"},
		{"tree\n", "\x89PNG\n", "is this a LightGBM text model"},
		{"num_cat=0", "num_cat=0\nnum_cat=0", "no new key=value"},
	} {
		text := strings.Replace(smallModel, c.old, c.new, 1)
		if text == smallModel {
			t.Fatalf("%q is not in the model", c.old)
		}
		_, err := ReadText(strings.NewReader(text))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: %v", c.new, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q: error %v, want one with %q", c.new, err, c.want)
		}
	}
}

// samePredictions: the batch, the single row and the plain walk down the trees agree.
func samePredictions(t *testing.T, m *Model, x []float64, rows int) {
	t.Helper()
	k, features := m.NumClasses(), m.NumFeatures()
	batch, one := make([]float64, rows*k), make([]float64, k)
	must(t, m.Predict(batch, x, PredictOptions{Raw: true}))
	must(t, m.LeafIndex(make([]int, rows*m.NumTrees()), x, PredictOptions{}))
	for i := range rows {
		row := x[i*features : (i+1)*features]
		must(t, m.PredictRow(one, row, PredictOptions{Raw: true}))
		want := make([]float64, k)
		for n, tr := range m.trees {
			want[n%k] += tr.output(tr.leaf(row), row)
		}
		for c := range k {
			if !sameFloat(batch[i*k+c], want[c]) || !sameFloat(one[c], want[c]) {
				t.Fatalf("row %v: batch %v, alone %v, tree by tree %v", row, batch[i*k+c], one[c], want[c])
			}
		}
	}
}

func FuzzReadText(f *testing.F) {
	f.Add(smallModel)
	f.Add(strings.Replace(smallModel, "left_child=-1 -2", "left_child=1 -2", 1))
	f.Add(smallModel[:400])
	f.Add(strings.Replace(smallModel, "threshold=0.5 1.0000000180025095e-35", "threshold=-0 inf", 1))
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ReadText(strings.NewReader(text))
		if err != nil {
			return
		}
		if m.NumFeatures() > 1000 || m.NumClasses() > 100 {
			return
		}
		const rows = minRankedRows + 11
		x := make([]float64, rows*m.NumFeatures())
		for i := range x {
			x[i] = float64(i%5) - 1
		}
		samePredictions(t, m, x, rows)
		for i := range x {
			if i%7 == 3 {
				x[i] = math.NaN()
			}
			if i%11 == 5 {
				x[i] = math.Inf(i%2*2 - 1)
			}
		}
		samePredictions(t, m, x, rows)
		const few = 11
		_ = m.Contrib(make([]float64, few*m.NumClasses()*(m.NumFeatures()+1)), x[:few*m.NumFeatures()], PredictOptions{})
		must(t, m.DumpJSON(io.Discard))
		must(t, m.WriteGo(io.Discard, "m"))
		must(t, m.WriteCpp(io.Discard, "m"))
		for i := range m.NumTrees() {
			_, err := m.Tree(i)
			must(t, err)
		}
		var once, twice bytes.Buffer
		must(t, m.WriteText(&once))
		again, err := ReadText(bytes.NewReader(once.Bytes()))
		must(t, err)
		must(t, again.WriteText(&twice))
		if !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatal("what was written once is written differently twice")
		}
	})
}
