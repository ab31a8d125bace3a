package generate

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// toy is a model whose logits are a function of the whole sequence, so that a wrong cache shows at once. It counts
// what it is asked and complains about sequences that are not open.
type toy struct {
	t        testing.TB
	vocab    int
	logits   func(tokens []int32, row []float32)
	seqs     map[int][]int32
	opened   int
	steps    int
	failStep int // the step that fails; 0: none
}

func newToy(t testing.TB, vocab int, logits func([]int32, []float32)) *toy {
	m := &toy{t: t, vocab: vocab, logits: logits, seqs: map[int][]int32{}}
	t.Cleanup(func() {
		if len(m.seqs) > 0 {
			t.Errorf("%d sequences were not freed", len(m.seqs))
		}
	})
	return m
}

// hashed gives normal logits that depend on every token before.
func hashed(spread float32) func([]int32, []float32) {
	return func(tokens []int32, row []float32) {
		h := fnv.New64a()
		fmt.Fprint(h, tokens)
		kernel.Normal(row, h.Sum64(), 0)
		kernel.MulS(row, row, spread)
	}
}

// script makes a model that says the given tokens, whatever the prompt.
func script(prompt int, say ...int32) func([]int32, []float32) {
	return func(tokens []int32, row []float32) {
		row[say[min(len(tokens)-prompt, len(say)-1)]] = 10
	}
}

func (m *toy) get(seq int) []int32 {
	s, ok := m.seqs[seq]
	if !ok {
		m.t.Errorf("sequence %d is not open", seq)
	}
	return s
}

func (m *toy) Start() (int, error) {
	m.opened++
	m.seqs[m.opened] = nil
	return m.opened, nil
}

func (m *toy) Step(_ context.Context, inputs []Input) ([][]float32, error) {
	if m.steps++; m.steps == m.failStep {
		return nil, errors.New("toy: the model is tired")
	}
	var rows [][]float32
	for _, in := range inputs {
		if len(in.Tokens) == 0 {
			m.t.Error("an input without tokens")
		}
		for i, id := range in.Tokens {
			m.seqs[in.Seq] = append(m.get(in.Seq), id)
			if in.All || i == len(in.Tokens)-1 {
				row := make([]float32, m.vocab)
				m.logits(m.seqs[in.Seq], row)
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

func (m *toy) Fork(seq int) (int, error) {
	m.opened++
	m.seqs[m.opened] = slices.Clone(m.get(seq))
	return m.opened, nil
}

func (m *toy) Truncate(seq, n int) error {
	m.seqs[seq] = slices.Clone(m.get(seq)[:n])
	return nil
}

func (m *toy) Free(seq int) {
	m.get(seq)
	delete(m.seqs, seq)
}

// letters is a vocabulary of the given texts whose last token is the end.
func letters(t testing.TB, pieces ...string) *Vocabulary {
	t.Helper()
	var b [][]byte
	for _, p := range pieces {
		b = append(b, []byte(p))
	}
	v, err := NewVocabulary(append(b, nil), int32(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ids(r Result) []int32 {
	var out []int32
	for _, t := range r.Tokens {
		out = append(out, t.ID)
	}
	return out
}

func logSoftmax64(x []float32) []float64 {
	top, sum := math.Inf(-1), 0.0
	for _, v := range x {
		top = max(top, float64(v))
	}
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v) - top - math.Log(sum)
	}
	return out
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
