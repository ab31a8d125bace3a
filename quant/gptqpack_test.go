package quant_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/quant"
)

func TestPackGPTQ(t *testing.T) {
	c := golden.Open(t, "language", "quant/gptq-packing")
	for _, bits := range []int{2, 3, 4, 8} {
		for _, act := range []string{"", "_act"} {
			name := fmt.Sprintf("b%d%s.", bits, act)
			p := &quant.PackedGPTQ{
				Bits: bits, In: 64, Out: 32, QWeight: words(c, name+"qweight"), QZeros: words(c, name+"qzeros"),
				Scales: halves(c, name+"scales"), GroupOf: words(c, name+"g_idx"),
			}
			g, err := p.Unpack()
			if err != nil {
				t.Fatal(err)
			}
			c.Check(t, name+"q", g.Q)
			c.Check(t, name+"zero", g.Zero)
			c.Check(t, name+"weight", g.Values())
			again, err := quant.PackGPTQ(g, false)
			if err != nil {
				t.Fatal(err)
			}
			c.Check(t, name+"qweight", again.QWeight)
			c.Check(t, name+"qzeros", again.QZeros)
			c.Check(t, name+"g_idx", again.GroupOf)
			if !equal(again.Scales, p.Scales) {
				t.Errorf("%s: scales changed on their way", name)
			}
			// Version 2 differs in the zeros alone, and has room for 0.
			g.Zero[0] = 0
			two, err := quant.PackGPTQ(g, true)
			if err != nil {
				t.Fatal(err)
			}
			back, err := two.Unpack()
			if err != nil || !equal(back.Zero, g.Zero) || !equal(back.Q, g.Q) {
				t.Errorf("%s: version 2 changed the weight (%v)", name, err)
			}
			if act == "" { // without g_idx the groups follow from the sizes
				p.GroupOf = nil
				if plain, err := p.Unpack(); err != nil || !equal(plain.GroupOf, g.GroupOf) {
					t.Errorf("%s: without g_idx: %v", name, err)
				}
			}
			if _, err := quant.PackGPTQ(g, false); err == nil || !strings.Contains(err.Error(), "the zero of row 0, group 0 is 0, which the layout cannot hold; v2 holds 0 to") {
				t.Errorf("%s: error is %v", name, err)
			}
		}
	}
}

// TestOwnPack: what GPTQ makes here is read back from its checkpoint layout as it was.
func TestOwnPack(t *testing.T) {
	const cols = 64
	w, x := normal(32*cols, 8), normal(128*cols, 9)
	h := quant.NewHessian(cols)
	if err := h.Add(x); err != nil {
		t.Fatal(err)
	}
	for _, bits := range []int{2, 3, 4, 8} {
		g, err := quant.GPTQ(w, h, quant.GPTQOptions{Grid: quant.Grid{Bits: bits, Group: 32}, ActOrder: true})
		if err != nil {
			t.Fatal(err)
		}
		p, err := quant.PackGPTQ(g, true)
		if err != nil {
			t.Fatal(err)
		}
		back, err := p.Unpack()
		if err != nil || !equal(back.Q, g.Q) || !equal(back.Zero, g.Zero) || !equal(back.GroupOf, g.GroupOf) {
			t.Errorf("%d bits: changed on its way (%v)", bits, err)
		}
		for i, s := range back.Scale { // f16 keeps eleven bits
			if d := s - g.Scale[i]; d > g.Scale[i]/2048 || -d > g.Scale[i]/2048 {
				t.Errorf("%d bits: scale %d is %v, was %v", bits, i, s, g.Scale[i])
			}
		}
	}
}

func TestPackErrors(t *testing.T) {
	whole := func() *quant.Grouped {
		g, err := quant.RoundToNearest(normal(32*32, 1), 32, quant.Grid{Symmetric: true})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	for want, spoil := range map[string]func(g *quant.Grouped){
		"the integer of row 1, column 2 is 16, more than 4 bits": func(g *quant.Grouped) { g.Q[34] = 16 },
		"1023 integers, 32 scales":                               func(g *quant.Grouped) { g.Q = g.Q[1:] },
		"column 3 is of group 1, there are 1":                    func(g *quant.Grouped) { g.GroupOf[3] = 1 },
		"column 0 is of group -1":                                func(g *quant.Grouped) { g.GroupOf[0] = -1 },
		"the zero of row 2, group 0 is 7.5":                      func(g *quant.Grouped) { g.Zero[2] = 7.5 },
		"5 bits, want 2, 3, 4 or 8":                              func(g *quant.Grouped) { g.Bits = 5 },
		"sizes of a weight do not fit":                           func(g *quant.Grouped) { g.Groups = 0 },
	} {
		g := whole()
		spoil(g)
		if _, err := quant.PackGPTQ(g, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
		if _, err := quant.PackAWQ(g); err == nil {
			t.Errorf("packed for AWQ, want %s", want)
		}
	}
	p, err := quant.PackGPTQ(whole(), false)
	if err != nil {
		t.Fatal(err)
	}
	for want, bad := range map[string]quant.PackedGPTQ{
		"qweight has 3 words, want [4 32]": {Bits: 4, In: 32, Out: 32, QWeight: p.QWeight[:3], QZeros: p.QZeros, Scales: p.Scales},
		"scales 31 numbers":                {Bits: 4, In: 32, Out: 32, QWeight: p.QWeight, QZeros: p.QZeros, Scales: p.Scales[:31]},
		"qzeros has 3 words":               {Bits: 4, In: 32, Out: 32, QWeight: p.QWeight, QZeros: p.QZeros[:3], Scales: p.Scales},
		"0 bits":                           {In: 32, Out: 32},
		"0 inputs and 32 outputs":          {Bits: 4, Out: 32},
		"column 31 is of group 9":          {Bits: 4, In: 32, Out: 32, QWeight: p.QWeight, QZeros: p.QZeros, Scales: p.Scales, GroupOf: append(make([]int32, 31), 9)},
	} {
		if _, err := bad.Unpack(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	for _, bad := range []quant.PackedAWQ{{}, {In: 8, Out: 12}, {In: 8, Out: 8}, {In: 8, Out: 8, QWeight: make([]int32, 8)}, {In: 8, Out: 8, QWeight: make([]int32, 8), Scales: make([]uint16, 24), QZeros: make([]int32, 3)}} {
		if _, err := bad.Unpack(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%d inputs: error is %v", bad.In, err)
		}
	}
}

// FuzzUnpack: a checkpoint's sizes and words are outside data.
func FuzzUnpack(f *testing.F) {
	f.Add(4, 32, 32, 128, 4, 32, 0, []byte{1, 2, 3})
	f.Add(3, 64, 32, 192, 6, 64, 64, []byte{0, 1})
	f.Add(8, 1<<40, -32, 1, 1, 1, 1, []byte{255})
	f.Fuzz(func(t *testing.T, bits, in, out, weights, zeros, scales, groups int, data []byte) {
		at := func(i int) byte {
			if len(data) == 0 {
				return 0
			}
			return data[i%len(data)]
		}
		words := func(n int) []int32 {
			list := make([]int32, n&0x3fff)
			for i := range list {
				list[i] = int32(at(i)) << (i % 25)
			}
			return list
		}
		halves := make([]uint16, scales&0x3fff)
		for i := range halves {
			halves[i] = uint16(at(i)) << (i % 9)
		}
		p := &quant.PackedGPTQ{Bits: bits, In: in, Out: out, QWeight: words(weights), QZeros: words(zeros), Scales: halves}
		if groups != 0 {
			p.GroupOf = words(groups)
		}
		if g, err := p.Unpack(); err == nil {
			g.Values()
			if again, err := quant.PackGPTQ(g, false); err == nil && (!equal(again.QWeight, p.QWeight) || !equal(again.QZeros, p.QZeros)) {
				t.Fatal("changed on its way")
			}
		} else if strings.Contains(err.Error(), "\n") {
			t.Fatal(err)
		}
		a := &quant.PackedAWQ{In: in, Out: out, QWeight: p.QWeight, QZeros: p.QZeros, Scales: halves}
		if g, err := a.Unpack(); err == nil {
			g.Values()
			again, err := quant.PackAWQ(g)
			if err != nil || !equal(again.QWeight, a.QWeight) || !equal(again.QZeros, a.QZeros) {
				t.Fatalf("changed on its way (%v)", err)
			}
		}
	})
}
