package gbdt

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestReadLog(t *testing.T) {
	h, err := ReadLog(strings.NewReader(`[LightGBM] [Info] Started training...
[LightGBM] [Info] Iteration:1, training auc : 0.9
[LightGBM] [Info] Iteration:1, valid_1 auc : 0.7
[LightGBM] [Info] Iteration:1, valid_1 ndcg@3 : -nan
[LightGBM] [Info] 0.1 seconds elapsed, finished iteration 1
[LightGBM] [Info] Iteration:12, training auc : 1e-05
2026-01-01 Iteration:12, valid_1 auc : 0.75` + "\r\n"))
	must(t, err)
	want := History{{"training", "auc", []int{1, 12}, []float64{0.9, 1e-5}}, {"valid_1", "auc", []int{1, 12}, []float64{0.7, 0.75}}}
	if len(h) != 3 || !reflect.DeepEqual(h[:2], want) || h[2].Metric != "ndcg@3" || h[2].Value[0] == h[2].Value[0] {
		t.Errorf("%+v", h)
	}
	if h, err = ReadLog(strings.NewReader("nothing\n")); err != nil || len(h) != 0 {
		t.Errorf("%v, %v", h, err)
	}
	for _, bad := range []string{"Iteration:1, a b : c\n", strings.Repeat("x", 2<<20)} {
		if _, err := ReadLog(strings.NewReader("\n" + bad)); err == nil || !strings.Contains(err.Error(), "line 2: ") {
			t.Errorf("%.30s: error %v", bad, err)
		}
	}
	var many strings.Builder
	for i := range maxCurves + 1 {
		fmt.Fprintf(&many, "Iteration:1, a m%d : 1\n", i)
	}
	if _, err := ReadLog(strings.NewReader(many.String())); err == nil || !strings.Contains(err.Error(), "line 1001") {
		t.Errorf("error %v", err)
	}
}

// TestHistoryAgain: a training that goes on from iteration 3, and another one after it.
func TestHistoryAgain(t *testing.T) {
	var h History
	add := func(n int, metric string, v float64) { h.Add(n, Result{Set: "s", Metric: metric, Value: v}) }
	for n := 1; n <= 4; n++ {
		add(n, "a", float64(n))
	}
	add(4, "b", 9)
	add(3, "a", 33)
	if want := (History{{"s", "a", []int{1, 2, 3}, []float64{1, 2, 33}}}); !reflect.DeepEqual(h, want) {
		t.Errorf("%v, want %v", h, want)
	}
	add(3, "a", 34)
	add(1, "c", 1)
	if want := (History{{"s", "c", []int{1}, []float64{1}}}); !reflect.DeepEqual(h, want) {
		t.Errorf("%v, want %v", h, want)
	}
}

// TestHistoryTrain: what a training reports is what its log says.
func TestHistoryTrain(t *testing.T) {
	o := Options{NumIterations: 7, Metric: []string{"l2", "l1"}, MetricFreq: 2, IsProvideTrainingMetric: true}
	var h History
	var log strings.Builder
	o.OnIter = func(it Iteration) error {
		h.Add(it.N, it.Results...)
		for _, r := range it.Results {
			fmt.Fprintf(&log, "[LightGBM] [Info] Iteration:%d, %s %s : %.17g\n", it.N, r.Set, r.Metric, r.Value)
		}
		return nil
	}
	ds, err := NewDataset(smallData(600, 10), o)
	must(t, err)
	_, err = Train(context.Background(), ds, o)
	must(t, err)
	read, err := ReadLog(strings.NewReader(log.String()))
	must(t, err)
	if len(h) != 2 || !slices.Equal(h[0].Iteration, []int{2, 4, 6}) || !reflect.DeepEqual(h, read) {
		t.Errorf("reported %v, read %v", h, read)
	}
}

// FuzzReadLog: curves are ascending, and as long as their values.
func FuzzReadLog(f *testing.F) {
	f.Add("[LightGBM] [Info] Iteration:10, valid_1 auc : 0.796261\nIteration:9, valid_1 auc : nan\n")
	f.Add("Iteration:1, a b : 1\nIteration:2, a c : 1\nIteration:1, a b : 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ReadLog(strings.NewReader(text))
		if err != nil {
			if strings.Contains(err.Error(), "\n") || h != nil {
				t.Fatalf("%v, %q", h, err)
			}
			return
		}
		for _, c := range h {
			if len(c.Iteration) == 0 || len(c.Iteration) != len(c.Value) || c.Set == "" || c.Metric == "" {
				t.Fatalf("%+v", c)
			}
			for i := 1; i < len(c.Iteration); i++ {
				if c.Iteration[i] <= c.Iteration[i-1] {
					t.Fatalf("%+v", c)
				}
			}
		}
	})
}
