package gbdt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// resumable are trainings whose state is more than their trees.
func resumable() map[string]Options {
	rank := func(o Options) Options { o.Objective = "rank_xendcg"; return o }
	return map[string]Options{
		"plain":      {},
		"sampled":    {BaggingFraction: 0.4, BaggingFreq: 2, FeatureFraction: 0.6, FeatureFractionByNode: 0.7, ExtraTrees: true},
		"goss":       {DataSampleStrategy: "goss", LearningRate: 0.5},
		"dart":       {Boosting: "dart", DropRate: 0.5, SkipDrop: 0.1, BaggingFraction: 0.7, BaggingFreq: 1},
		"dart, xgb":  {Boosting: "dart", XGBoostDartMode: true, UniformDrop: true, SkipDrop: 0.2},
		"forest":     {Boosting: "rf", BaggingFraction: 0.6, BaggingFreq: 1},
		"goss, rf":   {Boosting: "rf", DataSampleStrategy: "goss", FeatureFraction: 0.8, LearningRate: 0.5},
		"linear":     {LinearTree: true},
		"l1":         {Objective: "regression_l1"},
		"quantized":  {UseQuantizedGrad: true, Objective: "fair", BaggingFraction: 0.4, BaggingFreq: 2, ExtraTrees: true},
		"renewed":    {UseQuantizedGrad: true, QuantTrainRenewLeaf: true, Objective: "multiclass", NumClass: 3, Boosting: "dart", SkipDrop: 0.2},
		"classes":    {Objective: "multiclass", NumClass: 3},
		"cegb":       {CEGBPenaltyFeatureCoupled: []float64{5, 9, 1, 2, 30}, CEGBPenaltyFeatureLazy: []float64{.1, .2, .1, .1, .3}},
		"early stop": {EarlyStoppingRound: 2, LearningRate: 1, Metric: []string{"l2", "l1"}},
		"xendcg":     rank(Options{}),
		"position":   {Objective: "lambdarank", LambdaRankPositionBiasRegularization: 0.1},
		"by query":   rank(Options{BaggingByQuery: true, BaggingFraction: 0.5, BaggingFreq: 2}),
	}
}

// resumeData has labels that each of these objectives takes.
func resumeData(rows int, seed uint64, o Options) Data {
	d := smallData(rows, seed)
	if o.NumClass > 0 || strings.Contains(o.Objective, "rank") {
		for i, y := range d.Label {
			d.Label[i] = float64(int(y+100) % 3)
		}
	}
	if strings.Contains(o.Objective, "rank") {
		for left := rows; left > 0; left -= 20 {
			d.Group = append(d.Group, min(20, left))
		}
		if o.LambdaRankPositionBiasRegularization > 0 {
			for i := range rows {
				d.Position = append(d.Position, i*7%20)
			}
		}
	}
	return d
}

var errKilled = errors.New("killed")

// Training that ends anywhere and goes on from its checkpoint gives the model of one that does not, and the same curve from there on.
func TestCheckpoint(t *testing.T) {
	for name, o := range resumable() {
		t.Run(name, func(t *testing.T) {
			o.NumIterations, o.NumLeaves = 12, 12
			ds, err := NewDataset(resumeData(1500, 1, o), o)
			must(t, err)
			valid, err := ds.NewValid(resumeData(300, 2, o))
			must(t, err)
			o.Validation = []Validation{{"valid", valid}, {"training", ds}}
			curve := map[int]string{}
			o.OnIter = func(it Iteration) error { curve[it.N] = fmt.Sprint(it.Results); return nil }
			whole, err := Train(context.Background(), ds, o)
			must(t, err)
			o.Checkpoint, o.CheckpointFreq = filepath.Join(t.TempDir(), "checkpoint"), 3
			begun := 0
			for _, kill := range []int{2, 5, 11, 99} { // before the first checkpoint, after one, two more, never
				first := 0
				o.OnIter = func(it Iteration) error {
					if first == 0 {
						first = it.N
					}
					if got := fmt.Sprint(it.Results); got != curve[it.N] {
						t.Errorf("round %d, begun at %d: results %s, want %s", it.N, first, got, curve[it.N])
					}
					if it.N == kill {
						return errKilled
					}
					return nil
				}
				m, err := Train(context.Background(), ds, o)
				begun = max(begun, first)
				if errors.Is(err, errKilled) {
					continue
				}
				must(t, err)
				if m.BestIteration != whole.BestIteration || text(t, m) != text(t, whole) {
					t.Error("the model is another one")
				}
			}
			if last := whole.NumIterations(); begun < min(4, last) {
				t.Errorf("the last training began at round %d: no checkpoint was gone on from", begun)
			}
		})
	}
}

func TestCheckpointRefuses(t *testing.T) {
	o := Options{NumIterations: 4, Checkpoint: filepath.Join(t.TempDir(), "checkpoint"), CheckpointFreq: 2}
	ds, err := NewDataset(smallData(400, 1), o)
	must(t, err)
	_, err = Train(context.Background(), ds, o)
	must(t, err)
	whole, err := os.ReadFile(o.Checkpoint)
	must(t, err)
	wants := func(what, part string) {
		t.Helper()
		if _, err := Train(context.Background(), ds, o); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: error %v, want %q", what, err, part)
		}
	}
	o.LearningRate = 0.2
	wants("another learning rate", "other parameters or other data")
	o.LearningRate = 0
	for what, b := range map[string][]byte{"cut": whole[:len(whole)-9], "short": whole[:20], "empty": nil, "text": []byte("tree\nversion=v4\n")} {
		must(t, os.WriteFile(o.Checkpoint, b, 0o666))
		wants(what, "remove it to begin anew")
	}
	damaged := append([]byte{}, whole...)
	damaged[len(damaged)/2] ^= 1
	must(t, os.WriteFile(o.Checkpoint, damaged, 0o666))
	wants("a bit turned", "its checksum is wrong")
	must(t, os.WriteFile(o.Checkpoint, whole, 0o666))
	other, err := NewDataset(smallData(400, 2), o)
	must(t, err)
	ds = other
	wants("other data", "other parameters or other data")
}

// The same, with processes killed outright at random moments.
func TestCheckpointKill(t *testing.T) {
	for _, name := range []string{"sampled", "position"} {
		t.Run(name, func(t *testing.T) { killed(t, resumable()[name]) })
	}
}

func killed(t *testing.T, o Options) {
	o.NumIterations, o.NumLeaves, o.CheckpointFreq = 60, 12, 1
	ds, err := NewDataset(resumeData(1500, 1, o), o)
	must(t, err)
	if dir := os.Getenv("HANJI_GBDT_KILL"); dir != "" {
		o.Checkpoint = filepath.Join(dir, "checkpoint")
		o.OnIter = func(Iteration) error { time.Sleep(2 * time.Millisecond); return nil }
		m, err := Train(context.Background(), ds, o)
		must(t, err)
		must(t, m.SaveText(filepath.Join(dir, "model")))
		return
	}
	whole, err := Train(context.Background(), ds, o)
	must(t, err)
	dir := t.TempDir()
	child := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
		cmd.Env = append(os.Environ(), "HANJI_GBDT_KILL="+dir)
		return cmd
	}
	for i := range 12 {
		cmd := child()
		if err := cmd.Start(); err != nil {
			t.Skip("golden: no process can be started here:", err)
		}
		time.Sleep(time.Duration(40+17*i%90) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	if out, err := child().CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, "model"))
	must(t, err)
	if string(got) != text(t, whole) {
		t.Error("the model differs from that of the training that nobody killed")
	}
}
