package gbdt

import (
	"context"
	"testing"
)

// TestEarlyStopAsCommand: the lightgbm command looks at a metric's last position, and keeps all trees where it did not stop.
func TestEarlyStopAsCommand(t *testing.T) {
	// ndcg@1 is at its best at once, ndcg@3 goes on rising until round 4.
	rounds := [][2]float64{{0.9, 0.1}, {0.8, 0.2}, {0.7, 0.3}, {0.6, 0.4}, {0.6, 0.4}, {0.6, 0.4}}
	run := func(o Options, rounds int, values [][2]float64) (stopped, best int) {
		o.EarlyStoppingRound = 2
		tr := &trainer{o: &o, sets: []*evalSet{{name: "train", train: true}, {name: "valid"}}}
		e := &earlyStop{o: &o}
		for _, v := range values {
			tr.round++
			if e.update(tr, []Result{{"train", "ndcg@1", 0, true}, {"train", "ndcg@3", 0, true}, {"valid", "ndcg@1", v[0], true}, {"valid", "ndcg@3", v[1], true}}, tr.round == rounds) {
				return tr.round, e.bestIter
			}
		}
		return 0, e.bestIter
	}
	for _, c := range []struct {
		name          string
		o             Options
		rounds        int
		stopped, best int
	}{
		{"package", Options{}, 6, 3, 1},
		{"command", Options{AsCommand: true}, 6, 6, 4},
		{"command, first metric", Options{AsCommand: true, FirstMetricOnly: true}, 6, 6, 4},
		{"package, last round", Options{}, 2, 2, 1},
		{"command, last round", Options{AsCommand: true}, 5, 0, 0},
	} {
		if stopped, best := run(c.o, c.rounds, rounds[:c.rounds]); stopped != c.stopped || best != c.best {
			t.Errorf("%s: stopped in round %d, best %d; want %d, %d", c.name, stopped, best, c.stopped, c.best)
		}
	}
}

// TestNoSplitAsCommand: the command ends with the first round that cannot split, the package tries all.
func TestNoSplitAsCommand(t *testing.T) {
	d := Data{Columns: []Column{{Values: make([]float64, 50)}}, Label: make([]float64, 50)}
	for i := range d.Label {
		d.Label[i], d.Columns[0].Values[i] = float64(i%3), float64(i%5)
	}
	for _, command := range []bool{false, true} {
		calls := 0
		o := Options{NumIterations: 4, MinDataInLeaf: 30, AsCommand: command, OnIter: func(Iteration) error { calls++; return nil }}
		ds, err := NewDataset(d, o)
		must(t, err)
		m, err := Train(context.Background(), ds, o)
		must(t, err)
		want := 4
		if command {
			want = 0
		}
		if calls != want || m.NumTrees() != 1 {
			t.Errorf("as command %v: %d rounds, %d trees; want %d and 1", command, calls, m.NumTrees(), want)
		}
	}
}
