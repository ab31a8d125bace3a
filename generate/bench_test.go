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

// largeVocabulary has 128k words as a byte-level BPE has them: common beginnings, a space before many, some signs.
func largeVocabulary(b *testing.B) *Vocabulary {
	r := rand.New(rand.NewPCG(2, 2))
	pieces := make([][]byte, 0, benchVocab)
	for i := range 256 {
		pieces = append(pieces, []byte{byte(i)})
	}
	for len(pieces) < benchVocab {
		old := pieces[r.IntN(len(pieces))]
		if len(old) > 12 || len(pieces) < 5000 {
			old = []byte{" etaoinshrdlu{}[]\":,0123\xed"[r.IntN(22)]}
		}
		pieces = append(pieces, append(append([]byte{}, old...), "etaoinshrdluETAOIN \":,}]01\x95\x9c"[r.IntN(28)]))
	}
	v, err := NewVocabulary(pieces, 0)
	if err != nil {
		b.Fatal(err)
	}
	v.tree()
	return v
}

func BenchmarkMask(b *testing.B) {
	v := largeVocabulary(b)
	schema := `{"type":"object","properties":{"name":{"type":"string"},"short":{"type":"string","maxLength":200},"n":{"type":"integer"}},"required":["name","short","n"]}`
	for _, c := range []struct{ name, after string }{
		{"start", ""}, {"string", `{"name": "a`}, {"bounded_string", `{"name": "a", "short": "b`}, {"number", `{"name":"","short":"","n":1`},
	} {
		con, err := JSONSchema(v, []byte(schema), SchemaOptions{})
		if err != nil {
			b.Fatal(err)
		}
		m := con.matcher()
		for i := range len(c.after) {
			if m.at, err = con.auto.step(m.at, c.after[i]); err != nil || m.at == con.auto.dead {
				b.Fatal(c.after, err)
			}
		}
		b.Run(c.name+"/first", func(b *testing.B) {
			for b.Loop() {
				con.auto.forget()
				*m.at = state{leaves: m.at.leaves, accept: m.at.accept, live: m.at.live}
				if _, err := con.allowed(m.at); err != nil {
					b.Fatal(err)
				}
			}
		})
		x, y := benchLogits(), make([]float32, benchVocab)
		b.Run(c.name+"/known", func(b *testing.B) {
			for b.Loop() {
				copy(y, x)
				if err := m.filter(y, x, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("tree", func(b *testing.B) {
		for b.Loop() {
			newTree(v.pieces)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	v := largeVocabulary(b)
	for b.Loop() {
		if _, err := JSONSchema(v, []byte(schemas[0]), SchemaOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
