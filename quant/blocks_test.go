package quant_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/quant"
)

// blockType is what the fixture says of one type.
type blockType struct {
	ID              int    `json:"id"`
	Block           int    `json:"block"`
	Bytes           int    `json:"bytes_per_block"`
	NeedsImportance bool   `json:"needs_importance"`
	DotWith         string `json:"dot_with"`
}

// eachBlockType runs test for the 24 types of the fixture.
func eachBlockType(t *testing.T, test func(t *testing.T, c *golden.Case, name string, typ quant.Type, info blockType)) {
	c := golden.Open(t, "language", "gguf/blocks")
	var infos map[string]blockType
	c.Decode("types", &infos)
	if len(infos) != 24 {
		t.Fatalf("the fixture has %d types", len(infos))
	}
	for _, name := range slices.Sorted(maps.Keys(infos)) {
		t.Run(name, func(t *testing.T) { test(t, c.With(t), name, quant.Type(infos[name].ID), infos[name]) })
	}
}

func bytesOf(c *golden.Case, name string) []byte {
	ints := c.Int64s(name)
	out := make([]byte, len(ints))
	for i, v := range ints {
		out[i] = byte(v)
	}
	return out
}

// blocksOf is what llama.cpp wrote for the fixture's rows: without importance where it can.
func blocksOf(c *golden.Case, name string) []byte {
	if c.Has(name + ".bytes") {
		return bytesOf(c, name+".bytes")
	}
	return bytesOf(c, name+".bytes_importance")
}

func TestDequantize(t *testing.T) {
	eachBlockType(t, func(t *testing.T, c *golden.Case, name string, typ quant.Type, info blockType) {
		if typ.String() != name || typ.Block() != info.Block || typ.BlockBytes() != info.Bytes {
			t.Errorf("%s: %d elements in %d bytes, want %d in %d", typ, typ.Block(), typ.BlockBytes(), info.Block, info.Bytes)
		}
		read := func(src []byte) []float32 {
			dst := make([]float32, len(src)/typ.BlockBytes()*typ.Block())
			if err := quant.Dequantize(dst, src, typ); err != nil {
				t.Fatal(err)
			}
			return dst
		}
		c.Check(t, name+".values", read(blocksOf(c, name)))
		if c.Has(name + ".random_bytes") {
			c.Check(t, name+".random_values", read(bytesOf(c, name+".random_bytes")))
		}
	})
}

func TestQuantize(t *testing.T) {
	written := 0
	eachBlockType(t, func(t *testing.T, c *golden.Case, name string, typ quant.Type, info blockType) {
		if !quant.CanQuantize(typ) {
			if err := quant.Quantize(make([]byte, typ.BlockBytes()), make([]float32, typ.Block()), typ, quant.Options{}); err == nil {
				t.Error("a type that cannot be written was")
			}
			return
		}
		written++
		x, rows := c.F32("x"), []string{}
		c.Decode("extra.rows", &rows)
		size := len(x) / typ.Block() * typ.BlockBytes()
		check := func(what string, o quant.Options, want []byte) {
			got := make([]byte, size)
			o.Cols = 256
			if err := quant.Quantize(got, x, typ, o); err != nil {
				t.Fatal(err)
			}
			for i, row := range rows {
				lo, hi := i*size/len(rows), (i+1)*size/len(rows)
				if n := differ(got[lo:hi], want[lo:hi]); n >= 0 {
					t.Errorf("%s: row %s differs from byte %d of %d: %x, want %x", what, row, n, hi-lo, got[lo+n:min(hi, lo+n+8)], want[lo+n:min(hi, lo+n+8)])
				}
			}
		}
		plain := bytesOf(c, name+".bytes")
		check("plain", quant.Options{}, plain)
		want := plain // absent when the importance changes nothing
		if c.Has(name + ".bytes_importance") {
			want = bytesOf(c, name+".bytes_importance")
		}
		check("importance", quant.Options{Importance: c.F32("importance")}, want)
	})
	if written != 17 {
		t.Errorf("%d types were written", written)
	}
}

func differ(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

func TestActivations(t *testing.T) {
	c := golden.Open(t, "language", "gguf/blocks")
	x := c.F32("activations")
	for _, typ := range []quant.Type{quant.Q8_0, quant.Q8_1, quant.Q8_K} {
		got := make([]byte, len(x)/typ.Block()*typ.BlockBytes())
		if err := quant.Quantize(got, x, typ, quant.Options{Cols: 256}); err != nil {
			t.Fatal(err)
		}
		c.Check(t, fmt.Sprintf("activations.%s", typ), got)
	}
}

// TestDot holds every product to the fixture's 1e-5 but those that cancel, such as that of the row "ramp" with
// activations around 3, where terms of 400 in all leave 0.1 to 1.4. There the order of adding decides (the reference
// adds in eight lanes, and is itself 1.7e-5 of the result from the exact one in Q4_K), and a unit in the last place of
// what was added up is allowed instead.
func TestDot(t *testing.T) {
	dots := 0
	eachBlockType(t, func(t *testing.T, c *golden.Case, name string, typ quant.Type, info blockType) {
		with, ok := quant.DotWith(typ)
		if ok != (info.DotWith != "") || ok && with.String() != info.DotWith {
			t.Fatalf("multiplies with %s, want %q", with, info.DotWith)
		}
		if !ok {
			return
		}
		dots++
		const cols = 3
		var rows []string
		c.Decode("extra.rows", &rows)
		w, a := blocksOf(c, name), bytesOf(c, "activations."+info.DotWith)
		wide, wideA := make([]float32, 256*len(rows)), make([]float32, 256*cols)
		if err := errors.Join(quant.Dequantize(wide, w, typ), quant.Dequantize(wideA, a, with)); err != nil {
			t.Fatal(err)
		}
		want := c.F32(name + ".dot")
		got, cancel := make([]float32, len(want)), 0
		for i := range rows {
			for j := range cols {
				k := i*cols + j
				got[k] = quant.Dot(typ, w[i*len(w)/len(rows):(i+1)*len(w)/len(rows)], a[j*len(a)/cols:(j+1)*len(a)/cols])
				mass := 0.0
				for l := range 256 {
					mass += math.Abs(float64(wide[256*i+l]) * float64(wideA[256*j+l]))
				}
				if mass < 100*math.Abs(float64(want[k])) {
					continue
				}
				cancel++
				if d := math.Abs(float64(got[k] - want[k])); d > 0x1p-23*mass+1e-5*math.Abs(float64(want[k])) {
					t.Errorf("row %d, activations %d: got %g, want %g, terms of %g", i, j, got[k], want[k], mass)
				}
				got[k] = want[k]
			}
		}
		c.Check(t, name+".dot", got)
		if cancel > len(want)/3 {
			t.Errorf("%d of %d products cancel: too many for the fixture to say much", cancel, len(want))
		}
	})
	if dots != 22 {
		t.Errorf("%d products", dots)
	}
}
