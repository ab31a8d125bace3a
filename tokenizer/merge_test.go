package tokenizer

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The heap gives what the scan gives, ranks shared by several pairs included.
func TestMergeLong(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		const base = 4
		table := newPairTable(64)
		next := int32(base)
		for range 1 + r.IntN(20) {
			left, right := r.Int32N(next), r.Int32N(next)
			table.put(left, right, newMerged(r.IntN(12), int(next)))
			next++
		}
		var a, b symbols
		n := 1 + r.IntN(40)
		for i := range n {
			a.id, a.start = append(a.id, r.Int32N(base)), append(a.start, int32(i))
		}
		a.start = append(a.start, int32(n))
		b.id, b.start = slices.Clone(a.id), slices.Clone(a.start)
		if n > 1 {
			a.mergeShort(table)
			b.mergeLong(table)
		}
		if !slices.Equal(a.id, b.id) || !slices.Equal(a.start, b.start) {
			t.Fatalf("scan %v %v, heap %v %v", a.id, a.start, b.id, b.start)
		}
	}
}

func TestLossy(t *testing.T) {
	// The examples of the Unicode standard, tables 3-8 to 3-11.
	for in, want := range map[string]string{
		"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82A": "��������A",
		"\xed\xa0\x80\xed\xbf\xbf\xed\xafA": "��������A",
		"\xf4\x91\x92\x93\xffA\x80\xbfB":    "�����A��B",
		"\xe1\x80\xe2\xf0\x91\x92\xf1\xbfA": "����A",
		"ok":                                "ok",
	} {
		if got := lossy([]byte(in)); got != want {
			t.Errorf("%x: %q, want %q", in, got, want)
		}
	}
}
