package lm_test

import (
	"context"
	"maps"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/lm"
	"github.com/hanji-ml/hanji/model/all"
)

// Experts spread over workers learn what they learn in one place, but for the order of sums; two runs have the same bits, and what is sent
// is what the layers' sizes say.
func TestExpertParallel(t *testing.T) {
	dir := t.TempDir()
	r := pretraining(story(dir, 700))
	r.Model.Family, r.Model.Config = "mixtral", maps.Clone(sizes)
	r.Model.Config["num_local_experts"] = 4
	off := 0.0
	r.MoE = &lm.MoERecipe{Balance: &off} // counted by worker otherwise
	r.Train.Epochs, r.Train.MaxSteps = 1, 6
	run := func(name string, workers int) lm.Result {
		t.Helper()
		r.Workers = workers
		res, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: filepath.Join(dir, name)})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	one, four, again := run("one", 1), run("four", 4), run("again", 4)
	if d := math.Abs(one.Train.Loss - four.Train.Loss); !(d < 1e-4) || four.Train.Loss == 0 { // six steps of roundings
		t.Errorf("losses %v in one place, %v on four workers", one.Train.Loss, four.Train.Loss)
	}
	if weights(t, filepath.Join(dir, "four")) != weights(t, filepath.Join(dir, "again")) {
		t.Error("a second run ends in other weights")
	}
	if one.Traffic != nil || four.Traffic == nil || *four.Traffic != *again.Traffic {
		t.Fatalf("traffic %v, %v and %v", one.Traffic, four.Traffic, again.Traffic)
	}
	// 4 × 32 tokens, each to 2 experts, of which 3 in 4 are elsewhere by chance; there and back; 2 layers of 16 numbers of 4 bytes.
	chance := 4 * 32 * 2 * 3 / 4 * 2 * 2 * 16 * 4
	if f := float64(four.Traffic.Forward) / float64(chance); f < 0.8 || f > 1.2 {
		t.Errorf("%d bytes forward, by chance %d", four.Traffic.Forward, chance)
	}
	if f := float64(four.Traffic.Backward) / float64(four.Traffic.Forward); f < 0.95 || f > 1 { // forward carries counts of rows too
		t.Errorf("%d bytes backward, %d forward", four.Traffic.Backward, four.Traffic.Forward)
	}
	r.Workers = 3
	if err := r.Validate(); err == nil || !strings.Contains(err.Error(), "expert_parallel is 3") {
		t.Errorf("three workers for a batch of four: %v", err)
	}
	r.Workers, r.Model.Family, r.Model.Config, r.MoE = 2, "llama", sizes, nil
	if _, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: dir}); err == nil || !strings.Contains(err.Error(), "a mixture-of-experts model is wanted") {
		t.Errorf("a dense model: %v", err)
	}
}
