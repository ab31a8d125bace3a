package gbdt_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/hanji-ml/hanji/gbdt"
)

func ExampleTrain() {
	// y is 1 where x is large or the category is 2
	var x, category, y []float64
	for i := range 300 {
		x, category = append(x, float64(i%50)), append(category, float64(i%3))
		label := 0.0
		if i%50 > 30 || i%3 == 2 {
			label = 1
		}
		y = append(y, label)
	}
	o := gbdt.Options{Objective: "binary", NumIterations: 20, LearningRate: 0.3}
	data, err := gbdt.NewDataset(gbdt.Data{Columns: []gbdt.Column{{Name: "x", Values: x}, {Name: "c", Values: category, Categorical: true}}, Label: y}, o)
	if err != nil {
		log.Fatal(err)
	}
	model, err := gbdt.Train(context.Background(), data, o)
	if err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer // a model that LightGBM reads
	if err := model.WriteText(&file); err != nil {
		log.Fatal(err)
	}
	p := make([]float64, 3)
	if err := model.Predict(p, []float64{40, 0, 10, 2, 10, 1}, gbdt.PredictOptions{}); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.2f\n", p)
	// Output: [1.00 1.00 0.00]
}

func ExampleReadLog() {
	h, err := gbdt.ReadLog(strings.NewReader(`[LightGBM] [Info] Started training...
[LightGBM] [Info] Iteration:1, valid_1 auc : 0.71
[LightGBM] [Info] Iteration:2, valid_1 auc : 0.74
`))
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range h {
		fmt.Println(c.Set, c.Metric, c.Iteration, c.Value)
	}
	// Output: valid_1 auc [1 2] [0.71 0.74]
}

func ExampleReadText() {
	const file = `tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=regression
feature_names=age income
feature_infos=[0:90] [0:200]
tree_sizes=300

Tree=0
num_leaves=2
num_cat=0
split_feature=1
split_gain=1
threshold=50
decision_type=2
left_child=-1
right_child=-2
leaf_value=0.25 0.75
leaf_count=10 10
internal_value=0
internal_count=20
shrinkage=1


end of trees
`
	model, err := gbdt.ReadText(bytes.NewReader([]byte(file)))
	if err != nil {
		log.Fatal(err)
	}
	p := make([]float64, 1)
	if err := model.PredictRow(p, []float64{30, 80}, gbdt.PredictOptions{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(model.FeatureNames(), p[0])
	// Output: [age income] 0.75
}
