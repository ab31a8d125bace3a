package generate

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
)

// fixtureFilters are the filters of language/sampling/processors by their names there.
func fixtureFilters() map[string]Chain {
	return map[string]Chain{
		"hf.temperature_0.7":               {Temperature{0.7}},
		"hf.temperature_1.9":               {Temperature{1.9}},
		"hf.top_k_1":                       {TopK{K: 1}},
		"hf.top_k_5":                       {TopK{K: 5}},
		"hf.top_k_1000":                    {TopK{K: 1000}},
		"hf.top_p_0.1":                     {&TopP{P: 0.1}},
		"hf.top_p_0.5":                     {&TopP{P: 0.5}},
		"hf.top_p_0.9":                     {&TopP{P: 0.9}},
		"hf.top_p_0.9_keep3":               {&TopP{P: 0.9, MinKeep: 3}},
		"hf.min_p_0.05":                    {MinP{P: 0.05}},
		"hf.min_p_0.3":                     {MinP{P: 0.3}},
		"hf.typical_0.2":                   {&TypicalP{P: 0.2}},
		"hf.typical_0.9":                   {&TypicalP{P: 0.9}},
		"hf.epsilon_0.02":                  {EpsilonCutoff{Epsilon: 0.02}},
		"hf.eta_0.02":                      {&EtaCutoff{Epsilon: 0.02}},
		"hf.repetition_1.3":                {&RepetitionPenalty{Penalty: 1.3}},
		"hf.repetition_0.8":                {&RepetitionPenalty{Penalty: 0.8}},
		"hf.no_repeat_2gram":               {NoRepeatNGram{2}},
		"hf.no_repeat_3gram":               {NoRepeatNGram{3}},
		"hf.min_new_tokens_eos5":           {MinNewTokens{Start: 10, Min: 6, End: []int32{5}}},
		"hf.bad_words":                     {BadWords{{7}, {3, 9, 4, 11}}},
		"hf.bias":                          {SequenceBias{[]int32{2}, 3.5}, SequenceBias{[]int32{4, 20}, -8}},
		"hf.chain_rep1.2_temp0.8_k20_p0.9": {&RepetitionPenalty{Penalty: 1.2}, Temperature{0.8}, TopK{K: 20}, &TopP{P: 0.9}},
		"hf.chain_temp1.5_minp0.1":         {Temperature{1.5}, MinP{P: 0.1}},
		"openai.freq0.7_pres0.0":           {&CountPenalty{Frequency: 0.7}},
		"openai.freq0.0_pres1.1":           {&CountPenalty{Presence: 1.1}},
		"openai.freq0.5_pres-0.4":          {&CountPenalty{Frequency: 0.5, Presence: -0.4}},
		"openai.freq2.0_pres2.0":           {&CountPenalty{Frequency: 2, Presence: 2}},
	}
}

func TestFilters(t *testing.T) {
	c := golden.Open(t, "language", "sampling/processors")
	var extra struct{ Rows []string }
	c.Decode("extra", &extra)
	logits, ids := c.F32("logits"), c.Int64s("ids")
	n, v := len(ids)/len(extra.Rows), len(logits)/len(extra.Rows)
	filters := fixtureFilters()
	for _, name := range c.TensorNames() {
		if name == "logits" || name == "ids" {
			continue
		}
		f, ok := filters[name]
		if !ok {
			t.Errorf("no filter for %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			c, want := c.With(t), c.F64(name)
			for r, row := range extra.Rows {
				got := slices.Clone(logits[r*v : (r+1)*v])
				tokens := make([]int32, n)
				for i := range tokens {
					tokens[i] = int32(ids[r*n+i])
				}
				f.Apply(got, tokens)
				if tiesDecide(name, row) {
					checkMass(t, row, logits[r*v:(r+1)*v], got, want[r*v:(r+1)*v])
					continue
				}
				ask := name
				if row == "big" {
					ask += ".big"
				}
				if !c.CheckValue(t, ask, got, want[r*v:(r+1)*v]) {
					t.Errorf("row %s", row)
				}
			}
		})
	}
}

// tiesDecide tells the rows of which the fixture says that the kept mass, not the set, is defined.
func tiesDecide(name, row string) bool {
	return (row == "ties" || row == "all_equal") &&
		(strings.Contains(name, "top_p") || strings.Contains(name, "_p0.9") || strings.Contains(name, "typical") || strings.Contains(name, "eta"))
}

// checkMass compares the probability kept, and that what was kept keeps its logit.
func checkMass(t *testing.T, row string, in, got, want any) {
	t.Helper()
	a, b := got.([]float32), want.([]float64)
	var kept, wanted, all float64
	for i, x := range in.([]float32) {
		p := math.Exp(float64(x))
		all += p
		if !math.IsInf(float64(a[i]), -1) {
			kept += p
		}
		if !math.IsInf(b[i], -1) {
			wanted += p
		}
	}
	// One token more or less would be over 1e-3 of the mass of these rows.
	if math.Abs(kept-wanted) > 1e-5*all {
		t.Errorf("row %s: kept mass %g, want %g", row, kept/all, wanted/all)
	}
}

// Selection against a sort, on rows with ties, infinities and both zeros.
func TestSelection(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for trial := range 2000 {
		x := make([]float32, 1+r.IntN(60))
		for i := range x {
			switch r.IntN(4) {
			case 0:
				x[i] = float32(r.IntN(5) - 2)
			case 1:
				x[i] = float32(r.NormFloat64() * 1e-3)
			case 2:
				x[i] = float32(r.NormFloat64() * 50)
			case 3:
				x[i] = []float32{negInf, float32(math.Copysign(0, -1)), 0}[r.IntN(3)]
			}
		}
		sorted := slices.Clone(x)
		slices.Sort(sorted)
		slices.Reverse(sorted)
		k := 1 + r.IntN(len(x))
		b := largest(x, k)
		ties := 0
		for _, v := range sorted[:k] {
			if v == sorted[k-1] {
				ties++
			}
		}
		if b.value != sorted[k-1] || b.ties != ties {
			t.Fatalf("trial %d: largest(%v, %d) = %+v, want %g and %d ties", trial, x, k, b, sorted[k-1], ties)
		}
		w := make([]float32, len(x))
		for i := range w {
			w[i] = float32(math.Exp2(float64(min(max(ordered(x[i])>>27, 10), 20)) - 15)) // a power of two: sums are exact
		}
		var total float64
		for _, v := range w {
			total += float64(v)
		}
		mass := total * r.Float64()
		got := slices.Clone(x)
		heaviest(x, w, mass).cut(got)
		var sum, last float64
		least := float32(math.Inf(1))
		for i, v := range got {
			if v == x[i] && (v != negInf) {
				sum += float64(w[i])
				if v < least {
					least, last = v, float64(w[i])
				}
			}
		}
		finite := 0.0
		for i, v := range x {
			if v != negInf {
				finite += float64(w[i])
			}
		}
		if sum < min(mass, finite) || sum-last >= mass && last > 0 && sum != last {
			t.Fatalf("trial %d: kept %g of %v for a mass of %g, the last %g", trial, sum, x, mass, last)
		}
		for i, v := range x {
			if v > least && got[i] != v {
				t.Fatalf("trial %d: %g was cut from %v though %g was kept", trial, v, x, least)
			}
		}
	}
}

// A filter with memory leaves none of one call to the next.
func TestFiltersForget(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, f := range fixtureFilters() {
		for range 3 {
			x, tokens := make([]float32, 48), make([]int32, 14)
			for i := range x {
				x[i] = float32(r.NormFloat64() * 3)
			}
			for i := range tokens {
				tokens[i] = int32(r.IntN(48))
			}
			used, fresh := slices.Clone(x), slices.Clone(x)
			f.Apply(used, tokens)
			fixtureFilters()[name].Apply(fresh, tokens)
			if !slices.Equal(used, fresh) {
				t.Errorf("%s: a used filter gives %v, a fresh one %v", name, used, fresh)
			}
		}
	}
}

func TestSuppressAndForce(t *testing.T) {
	apply := func(f Filter, n int) []float32 {
		x := []float32{0, 1, 2, 3}
		f.Apply(x, make([]int32, n))
		return x
	}
	inf := negInf
	for _, c := range []struct {
		f    Filter
		n    int
		want []float32
	}{
		{SuppressTokens{1, 9, -1}, 0, []float32{0, inf, 2, 3}},
		{BeginSuppressTokens{2, []int32{3}}, 2, []float32{0, 1, 2, inf}},
		{BeginSuppressTokens{2, []int32{3}}, 3, []float32{0, 1, 2, 3}},
		{ForceToken{At: 1, Token: 2}, 1, []float32{inf, inf, 0, inf}},
		{ForceToken{At: 1, Token: 2}, 2, []float32{0, 1, 2, 3}},
		{ForceToken{At: 1, Token: 9}, 1, []float32{0, 1, 2, 3}},
		{LogitBias{0: -2, 3: 1, 7: 1}, 1, []float32{-2, 1, 2, 4}},
		{NoRepeatNGram{1}, 1, []float32{inf, 1, 2, 3}},
	} {
		if got := apply(c.f, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%T%+v at %d: %v, want %v", c.f, c.f, c.n, got, c.want)
		}
	}
}
