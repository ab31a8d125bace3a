package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The known answers that Random123 publishes for philox4x32-10
// (tests/kat_vectors): counter, key, result.
func TestPhiloxKnownAnswers(t *testing.T) {
	for _, c := range []struct {
		ctr  [4]uint32
		key  [2]uint32
		want [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{
			[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		},
		{
			[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		if got := philox4x32(c.ctr, c.key); got != c.want {
			t.Errorf("philox(%x, %x) = %x, want %x", c.ctr, c.key, got, c.want)
		}
	}
	if got := Philox(0, 0); got != ([4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}) {
		t.Errorf("Philox(0, 0) = %x", got)
	}
}

// Every path gives the bits of the portable loop, at every offset and length,
// and cutting the work anywhere changes nothing.
func TestDropout(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	eachPath(t, func(t *testing.T) {
		lengths := []int{asmChunk + 77, 1000}
		for n := range 3*64 + 2 {
			lengths = append(lengths, n)
		}
		for _, n := range lengths {
			for off := range 4 {
				x, res := randomSlice(r, n, off), randomSlice(r, n, 3-off)
				y, want := newGuarded(n, off), make([]float32, n)
				// Offsets near 2³⁵ carry into the counter's upper word.
				key, offset := r.Uint64(), []uint64{0, 8, 8<<32 - 64, 8<<32 - 61}[off]+uint64(n%9)
				p := []float64{0.1, 0.5, 0.9, 1e-9}[n%4]
				drop, scale := dropoutParams(p)
				dropoutGeneric(want, x, nil, drop, float32(scale), key, offset)
				Dropout(y.x, x, p, key, offset)
				sameBits(t, "dropout", y.x, want)
				y.check(t, "dropout")
				cut := n / 3
				Dropout(y.x[:cut], x, p, key, offset)
				Dropout(y.x[cut:], x[cut:], p, key, offset+uint64(cut))
				sameBits(t, "dropout in pieces", y.x, want)

				dropoutGeneric(want, x, res, drop, float32(scale), key, offset)
				DropoutAdd(y.x, x, res, p, key, offset)
				sameBits(t, "dropout and add", y.x, want)
				y.check(t, "dropout and add")
				DropoutAdd(res, x, res, p, key, offset)
				one, two := append([]float32(nil), x...), append([]float32(nil), x...)
				DropoutPair(one, two, p, key, offset)
				Dropout(y.x, x, p, key, offset)
				sameBits(t, "first of a pair", one, y.x)
				sameBits(t, "second of a pair", two, y.x)
				sameBits(t, "dropout and add in place", res, want)
				Dropout(x, x, p, key, offset)
			}
		}
		x, y := randomSlice(r, 500, 0), make([]float32, 500)
		Dropout(y, x, 0, 1, 0)
		sameBits(t, "p = 0", y, x)
		Dropout(y, x, 1, 1, 0)
		sameBits(t, "p = 1", y, make([]float32, 500))
		DropoutAdd(y, x, x, 1, 1, 0)
		sameBits(t, "p = 1 and add", y, x)
	})
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: [%d of %d] = %v, want %v", what, i, len(want), got[i], want[i])
		}
	}
}

// The lanes a mask is made of are those of Philox itself.
func TestDropoutLanes(t *testing.T) {
	const key, n = 42, 800
	x, y := make([]float32, n), make([]float32, n)
	Fill(x, 1)
	Dropout(y, x, 0.25, key, 0)
	kept := 0
	for i, v := range y {
		lane := Philox(key, uint64(i)/8)[i%8/2] >> (16 * (i % 2)) & 0xffff
		if want := lane >= 0.25*65536; (v != 0) != want || want && v != 1/float32(0.75) {
			t.Fatalf("element %d, lane %d: %v", i, lane, v)
		}
		if v != 0 {
			kept++
		}
	}
	// 600 expected, standard deviation 12.2: five of them.
	if kept < 540 || kept > 660 {
		t.Errorf("%d of %d kept at p = 0.25", kept, n)
	}
}

func TestUniformAndNormal(t *testing.T) {
	const n = 200_000
	u, v := make([]float64, n), make([]float64, n)
	Uniform(u, 7, 3)
	Normal(v, 8, 5)
	var mean, m2, m3, m4 float64
	for _, z := range v {
		mean += z / n
		m2 += z * z / n
		m3 += z * z * z / n
		m4 += z * z * z * z / n
	}
	// Standard errors at n = 2e5: mean 0.0022, square 0.0032, cube 0.0087,
	// fourth 0.022; about five of each.
	if math.Abs(mean) > 0.012 || math.Abs(m2-1) > 0.016 || math.Abs(m3) > 0.045 || math.Abs(m4-3) > 0.11 {
		t.Errorf("normal moments %v %v %v %v", mean, m2, m3, m4)
	}
	var bins [16]int
	for _, z := range u {
		if z < 0 || z >= 1 {
			t.Fatalf("uniform %v", z)
		}
		bins[int(z*16)]++
	}
	for i, c := range bins {
		if math.Abs(float64(c)-n/16) > 5*math.Sqrt(n/16) {
			t.Errorf("bin %d holds %d of %d", i, c, n)
		}
	}
	// Elements are addressed by offset + i.
	part := make([]float64, 11)
	Uniform(part, 7, 103)
	for i := range part {
		if part[i] != u[100+i] {
			t.Fatalf("uniform at %d: %v, want %v", 103+i, part[i], u[100+i])
		}
	}
	Normal(part, 8, 105)
	f := make([]float32, 11)
	Normal(f, 8, 105)
	for i := range part {
		if part[i] != v[100+i] || f[i] != float32(v[100+i]) {
			t.Fatalf("normal at %d: %v %v, want %v", 105+i, part[i], f[i], v[100+i])
		}
	}
	b := Philox(9, 2)
	if Uint64(9, 4) != uint64(b[0])|uint64(b[1])<<32 || Uint64(9, 5) != uint64(b[2])|uint64(b[3])<<32 {
		t.Error("Uint64 does not follow the words of its block")
	}
}

func BenchmarkDropout(b *testing.B) {
	const n = 16384
	x, y := make([]float32, n), make([]float32, n)
	Fill(x, 1)
	eachPathBench(b, "Dropout", n, func() { Dropout(y, x, 0.1, 1, 0) })
	eachPathBench(b, "DropoutAdd", n, func() { DropoutAdd(y, x, x, 0.1, 1, 0) })
	eachPathBench(b, "Normal", n, func() { Normal(y, 1, 0) })
}
