package generate

import (
	"math/rand/v2"
	"testing"
)

const benchVocab = 128 << 10

func benchLogits() []float32 {
	r := rand.New(rand.NewPCG(1, 1))
	x := make([]float32, benchVocab)
	for i := range x {
		x[i] = float32(r.NormFloat64() * 2.5)
	}
	return x
}

func BenchmarkFilter(b *testing.B) {
	x, y := benchLogits(), make([]float32, benchVocab)
	tokens := make([]int32, 2048)
	for i := range tokens {
		tokens[i] = int32(i * 37 % benchVocab)
	}
	for _, c := range []struct {
		name string
		f    Filter
	}{
		{"none", Chain{}},
		{"temperature", Temperature{0.8}},
		{"top_k", TopK{K: 40}},
		{"top_p", &TopP{P: 0.95}},
		{"min_p", MinP{P: 0.05}},
		{"typical", &TypicalP{P: 0.9}},
		{"eta", &EtaCutoff{Epsilon: 1e-3}},
		{"repetition", &RepetitionPenalty{Penalty: 1.1}},
		{"no_repeat_ngram", NoRepeatNGram{3}},
		{"k40_p0.95_min0.05", Chain{Temperature{0.8}, TopK{K: 40}, &TopP{P: 0.95}, MinP{P: 0.05}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				copy(y, x)
				c.f.Apply(y, tokens)
			}
		})
	}
}

func BenchmarkNext(b *testing.B) {
	x := benchLogits()
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"greedy", Options{}},
		{"temperature0.8", Options{Temperature: 0.8}},
		{"k40_p0.95_min0.05", Options{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}},
		{"k40_p0.95_penalties", Options{Temperature: 0.8, TopK: 40, TopP: 0.95, RepetitionPenalty: 1.1, NoRepeatNGram: 3}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := NewSequence(make([]int32, 2000), c.o)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.Next(x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
