package forecast

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/ttm"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/synth"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/train"
)

// tiny is a model as recipes/embedded-forecast.yaml has it, smaller and with drawn parameters.
func tiny(t testing.TB) *ttm.Model {
	t.Helper()
	c := ttm.DefaultConfig()
	c.ContextLength, c.PatchLength, c.PatchStride, c.PredictionLength, c.DModel, c.DecoderDModel = 48, 12, 12, 6, 8, 8
	c.NumLayers, c.DecoderNumLayers, c.GatedAttn, c.Dropout, c.HeadDropout = 1, 1, false, 0, 0
	c.Scaling, c.QuantileHead, c.ResolutionPrefix, c.FrequencyVocabSize = nil, true, true, len(synth.Seasons())+1
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	m := ttm.New(c)
	nn.Init(m, 3)
	return m
}

// quantiles forecasts one batch [B][T] of one channel: [B·H·Q].
func quantiles(s Short, past [][]float64) []float32 {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	var x []float32
	for _, y := range past {
		for _, v := range y {
			x = append(x, float32(v))
		}
	}
	return slices.Clone(s.Forecast(ctx, model.Window{Past: ctx.F32s(x, len(past), len(past[0]), 1)}).Quantiles.Read())
}

func history(n int) []float64 { return synth.Generator{Seed: 5}.Series(2, n).Y }

// near reports the largest difference over the largest value.
func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	worst, size := 0.0, 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i]-want[i])))
		size = max(size, math.Abs(float64(want[i])))
	}
	if !(worst <= tol*size) {
		t.Errorf("%s: differs by %g of %g, want at most %g of it", what, worst, size, tol)
	}
}

// TestShortScale: another unit and another zero give the same forecast in that unit and from that zero.
func TestShortScale(t *testing.T) {
	s, y := Short{tiny(t), 12}, history(40)
	want := quantiles(s, [][]float64{y})
	z := slices.Clone(y)
	for i, v := range y {
		z[i] = 1e-6 * v
	}
	got := quantiles(s, [][]float64{z})
	for i := range got {
		got[i] *= 1e6
	}
	near(t, "in millionths", got, want, 1e-5) // float32 in and out, with some digits lost on the way
	for i, v := range y {
		z[i] = v + 100
	}
	got = quantiles(s, [][]float64{z})
	for i := range got {
		got[i] -= 100
	}
	near(t, "from 100 on", got, want, 1e-3) // 100 has seven digits, of which the history's variation of about 1 keeps five
}

// TestShortPadding: NaN in front is no history, a history beyond the context is not read, a batch is its series.
func TestShortPadding(t *testing.T) {
	s, y := Short{tiny(t), 7}, history(30)
	want := quantiles(s, [][]float64{y})
	padded := append([]float64{math.NaN(), math.NaN(), math.NaN()}, y...)
	near(t, "NaN in front", quantiles(s, [][]float64{padded}), want, 0)
	long := history(60)
	near(t, "beyond the context", quantiles(s, [][]float64{long}), quantiles(s, [][]float64{long[60-48:]}), 0)
	other := slices.Clone(y)
	slices.Reverse(other)
	both := quantiles(s, [][]float64{other, y})
	near(t, "in a batch", both[len(both)/2:], want, 1e-6) // another size of matrix product may sum in another order
	if slices.Equal(both[:len(both)/2], want) {
		t.Error("another history gives the same forecast")
	}
}

// TestShortMask: what Observed calls a filler is not looked at, and a gap is bridged.
func TestShortMask(t *testing.T) {
	s, y := Short{tiny(t), 12}, history(40)
	forecast := func(filler float64) []float32 {
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		x, seen := make([]float32, 40), make([]float32, 40)
		for i, v := range y {
			x[i], seen[i] = float32(v), 1
			if i > 9 && i < 14 {
				x[i], seen[i] = float32(filler), 0
			}
		}
		return slices.Clone(s.Forecast(ctx, model.Window{Past: ctx.F32s(x, 1, 40, 1), Observed: ctx.F32s(seen, 1, 40, 1)}).Quantiles.Read())
	}
	near(t, "fillers", forecast(1e6), forecast(math.NaN()), 0)
	h := newHistories(8, 1)
	h.add([]float64{2, math.NaN(), math.NaN(), 8}, 0)
	// mean 5, deviation 3, last 8: (2−8)/3 = −2, then straight to 0, and the mean −1 in front.
	if want := []float32{-1, -1, -1, -1, -2, -2 + 2.0/3, -2 + 4.0/3, 0}; slices.CompareFunc(h.past, want, func(a, b float32) int {
		if math.Abs(float64(a-b)) < 1e-6 {
			return 0
		}
		return 1
	}) != 0 {
		t.Errorf("past is %v, want %v", h.past, want)
	}
	if want := []float32{0, 0, 0, 0, 1, 0, 0, 1}; !slices.Equal(h.observed, want) {
		t.Errorf("observed is %v, want %v", h.observed, want)
	}
}

// TestShortEdges: constants, one point and nothing at all neither fail nor give anything but the constant, or NaN.
func TestShortEdges(t *testing.T) {
	s := Short{tiny(t), 0}
	for _, v := range quantiles(s, [][]float64{{math.NaN(), math.NaN()}}) {
		if !math.IsNaN(float64(v)) {
			t.Fatalf("no history gives %v", v)
		}
	}
	for _, y := range [][]float64{{5}, {5, 5, 5, 5}} {
		for _, v := range quantiles(s, [][]float64{y}) {
			if math.IsNaN(float64(v)) || math.Abs(float64(v)-5) > 10 { // the drawn model's own output is of order 1
				t.Fatalf("%v gives %v", y, v)
			}
		}
	}
}

// TestShortChannels: each channel by itself, quantiles rising, the mean their middle.
func TestShortChannels(t *testing.T) {
	s, a, b := Short{tiny(t), 4}, history(48), history(47)
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	var x []float32
	for i := range 47 {
		x = append(x, float32(a[i]), float32(b[i]))
	}
	f := s.Forecast(ctx, model.Window{Past: ctx.F32s(x, 1, 47, 2)})
	if want := []int{1, 6, 2, 9}; !slices.Equal(f.Quantiles.Shape(), want) {
		t.Fatalf("quantiles are %v, want %v", f.Quantiles.Shape(), want)
	}
	q, mean := f.Quantiles.Read(), f.Mean.Read()
	var second []float32
	for h := range 6 {
		for c := range 2 {
			at := (h*2 + c) * 9
			if !slices.IsSorted(q[at : at+9]) {
				t.Errorf("quantiles %v do not rise", q[at:at+9])
			}
			if mean[h*2+c] != q[at+4] {
				t.Errorf("mean %v is not the median %v", mean[h*2+c], q[at+4])
			}
		}
		second = append(second, q[(h*2+1)*9:(h*2+2)*9]...)
	}
	near(t, "second channel", second, quantiles(s, [][]float64{b}), 1e-6) // as in a batch
}

func TestSeasonToken(t *testing.T) {
	seen := map[int64]bool{0: true}
	for _, m := range synth.Seasons() {
		if k := SeasonToken(m); seen[k] || k > int64(len(synth.Seasons())) {
			t.Errorf("season %d has token %d", m, k)
		} else {
			seen[k] = true
		}
	}
	for _, m := range []int{0, -1, 3, 13, 365} {
		if k := SeasonToken(m); k != 0 {
			t.Errorf("season %d has token %d, want 0", m, k)
		}
	}
}

// TestSyntheticTask: a batch is a function of seed, epoch and step, and a few steps of training lower the validation.
func TestSyntheticTask(t *testing.T) {
	loss := func(seed uint64, epoch, step int) float64 {
		ctx := tensor.New(tensor.Options{Grad: true, Train: true})
		defer ctx.Close()
		task := &SyntheticTask{Model: tiny(t), Batch: 8, Seed: seed}
		return task.Loss(ctx, epoch, step).Item()
	}
	a := loss(1, 2, 3)
	if b := loss(1, 2, 3); a != b {
		t.Errorf("the same batch has loss %v and %v", a, b)
	}
	for _, other := range []float64{loss(2, 2, 3), loss(1, 3, 3), loss(1, 2, 4)} {
		if a == other {
			t.Error("another seed, epoch or step gives the same batch")
		}
	}
	task := &SyntheticTask{Model: tiny(t), Batch: 32, Seed: 1, Data: SyntheticRecipe{Steps: 40, Validation: 128}}
	before, err := task.Validate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	res, err := train.Run(context.Background(), task, train.Options{Optimizer: optim.Options{LR: 3e-3}})
	if err != nil {
		t.Fatal(err)
	}
	if !(res.Best < 0.9*before) {
		t.Errorf("validation %v after 40 steps, was %v before", res.Best, before)
	}
}

// TestSyntheticTarget: weights are one over the seasonal difference, histories without change weigh nothing.
func TestSyntheticTarget(t *testing.T) {
	h := newHistories(8, 2)
	h.add([]float64{0, 2, 0, 2, 0, 2}, 2) // mean 1, deviation 1, last 2
	y, w := h.target([]float64{2, 1000}, 1)
	if !slices.Equal(y, []float32{0, farthest}) || !slices.Equal(w, []float32{0.5, 0.5}) {
		t.Errorf("targets %v of weight %v, want 0 and %d of weight 0.5", y, w, farthest)
	}
	if _, w = h.target([]float64{2}, 2); w[0] != 1/float32(calmest) {
		t.Errorf("a perfect season weighs %v, want the most, %v", w[0], 1/calmest)
	}
	h.add([]float64{3, 3, 3}, 1)
	if _, w = h.target([]float64{4}, 1); w[0] != 0 {
		t.Errorf("a constant weighs %v, want 0", w[0])
	}
}
