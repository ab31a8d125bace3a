package gbdt

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
)

// fixture is a golden case of gbdt with its table.
type fixture struct {
	*golden.Case
	rows  int
	label []float64
	x     []float64 // rows × 8, row-major
	extra struct {
		Data               string
		TrainRows          [2]int         `json:"train_rows"`
		Params             map[string]any `json:"params"`
		NumBoostRound      int            `json:"num_boost_round"`
		CategoricalFeature []int          `json:"categorical_feature"`
		Weight             bool           `json:"weight"`
		InitScore          bool           `json:"init_score"`
		EarlyStopping      int            `json:"early_stopping_rounds"`
		Continued          int            `json:"continued_from_rounds"`
		PredictKw          struct {
			EarlyStop       bool    `json:"pred_early_stop"`
			EarlyStopFreq   int     `json:"pred_early_stop_freq"`
			EarlyStopMargin float64 `json:"pred_early_stop_margin"`
			StartIteration  int     `json:"start_iteration"`
			NumIteration    int     `json:"num_iteration"`
		} `json:"predict_kw"`
	}
}

func openFixture(t *testing.T, name string) *fixture {
	t.Helper()
	c := golden.Open(t, "gbdt", name)
	f := &fixture{Case: c}
	c.Decode("extra", &f.extra)
	f.label, f.x = readTable(t, filepath.Join(c.ModelDir(), filepath.FromSlash(f.extra.Data)), ",")
	f.rows = len(f.label)
	return f
}

func (f *fixture) predictOptions() PredictOptions {
	k := f.extra.PredictKw
	return PredictOptions{EarlyStop: k.EarlyStop, EarlyStopFreq: k.EarlyStopFreq, EarlyStopMargin: k.EarlyStopMargin,
		StartIteration: k.StartIteration, NumIteration: k.NumIteration}
}

// modelCases are the cases that hold a model with predictions.
func modelCases(t *testing.T) []string {
	names := golden.Cases(t, "gbdt", "obj_*")
	return append(names, golden.Cases(t, "gbdt", "var_*")...)
}

// readTable reads numbers with the label first.
func readTable(t testing.TB, path, sep string) (label, x []float64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		for i, w := range strings.Split(strings.TrimSpace(line), sep) {
			v := parseNumber(t, w)
			if i == 0 {
				label = append(label, v)
			} else {
				x = append(x, v)
			}
		}
	}
	return label, x
}

func parseNumber(t testing.TB, w string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(w, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// decodeFloats reads a JSON list whose elements may be "nan" and the like.
func decodeFloats(t testing.TB, raw json.RawMessage) []float64 {
	t.Helper()
	var list []golden.Float
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	out := make([]float64, len(list))
	for i, v := range list {
		out[i] = float64(v)
	}
	return out
}

func sameFloat(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
