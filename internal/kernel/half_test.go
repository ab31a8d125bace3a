package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// f16Value is binary16 by its definition (IEEE 754-2019, §3.4).
func f16Value(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	exp, frac := int(h>>10&31), float64(h&0x3ff)
	switch {
	case exp == 31 && frac != 0:
		return math.NaN()
	case exp == 31:
		return math.Inf(int(sign))
	case exp == 0:
		return math.Copysign(math.Ldexp(frac, -24), sign)
	}
	return sign * math.Ldexp(1+frac/1024, exp-15)
}

func TestHalfExhaustive(t *testing.T) {
	all := make([]uint16, 1<<16)
	for i := range all {
		all[i] = uint16(i)
	}
	eachPath(t, func(t *testing.T) {
		wide, back := make([]float32, len(all)), make([]uint16, len(all))
		F16ToF32(wide, all)
		F32ToF16(back, wide)
		for i, v := range wide {
			want := f16Value(all[i])
			if want != want {
				// Quiet NaN with sign and payload kept.
				if b := math.Float32bits(v); b != uint32(i&0x8000)<<16|0x7fc00000|uint32(i&0x3ff)<<13 || back[i] != uint16(i)|0x200 {
					t.Fatalf("NaN %#x → %#x → %#x", i, b, back[i])
				}
				continue
			}
			if float64(v) != want || math.Signbit(float64(v)) != (i >= 0x8000) || back[i] != uint16(i) {
				t.Fatalf("%#x → %v (want %v) → %#x", i, v, want, back[i])
			}
		}
		BF16ToF32(wide, all)
		F32ToBF16(back, wide)
		for i, v := range wide {
			if math.Float32bits(v) != uint32(i)<<16 {
				t.Fatalf("bfloat16 %#x → %#x", i, math.Float32bits(v))
			}
			if v == v && back[i] != uint16(i) || v != v && back[i] != uint16(i)|0x40 {
				t.Fatalf("bfloat16 %#x → %v → %#x", i, v, back[i])
			}
		}
	})
}

// nearest16 rounds x >= 0 by search: the number nearest to x, ties to the
// even one, where the first number past the range stands for +Inf.
func nearest16(x float64, value func(uint16) float64, inf uint16) uint16 {
	lo, hi := uint16(0), inf // value(lo) <= x < value(hi), the infinity taken as the next number
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if value(mid) <= x {
			lo = mid
		} else {
			hi = mid
		}
	}
	top := value(hi)
	if hi == inf {
		top = 2*value(lo) - value(lo-1)
	}
	switch down, up := x-value(lo), top-x; {
	case down < up || down == up && lo&1 == 0:
		return lo
	}
	return hi
}

func TestHalfRounding(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	bf16Value := func(h uint16) float64 { return float64(math.Float32frombits(uint32(h) << 16)) }
	var x []float32
	for range 20000 {
		// Exponents evenly, from bfloat16's denormals up; finite and positive.
		x = append(x, math.Float32frombits(r.Uint32N(0x7f800000)))
	}
	for h := uint16(0); h < 0x7bff; h += 3 { // ties and their neighbours
		mid := float32((f16Value(h) + f16Value(h+1)) / 2)
		x = append(x, mid, math.Nextafter32(mid, 0), math.Nextafter32(mid, 1e9))
	}
	x = append(x, 65504, 65519.996, 65520, 65536, math.MaxFloat32, 0x1p-25, 0x1.000002p-25, 0x1p-14, 0x1.ffcp-15, 0x1.ffep-15)
	eachPath(t, func(t *testing.T) {
		f, b := make([]uint16, len(x)), make([]uint16, len(x))
		F32ToF16(f, x)
		F32ToBF16(b, x)
		for i, v := range x {
			if want := nearest16(float64(v), f16Value, 0x7c00); f[i] != want {
				t.Fatalf("binary16 of %v = %#x, want %#x", v, f[i], want)
			}
			if want := nearest16(float64(v), bf16Value, 0x7f80); b[i] != want {
				t.Fatalf("bfloat16 of %v = %#x, want %#x", v, b[i], want)
			}
		}
		// Lengths and guards; a NaN whose payload lies in the lower bits; -Inf.
		odd := math.Float32frombits(0x7f800001)
		for n := range 3*16 + 2 {
			for off := range 4 {
				src, dst, h := newGuarded(n, off), newGuarded(n, 3-off), make([]uint16, n+2)
				input(r, src.x, false)
				if n > 2 {
					src.x[n-1], src.x[n-2] = odd, float32(math.Inf(-1))
				}
				h[n] = 0xabcd
				F32ToF16(h[:n], src.x)
				F16ToF32(dst.x, h[:n])
				for i, v := range src.x {
					want := f32ToF16Bits(v)
					if h[i] != want || math.Float32bits(dst.x[i]) != math.Float32bits(f16Bits(want)) {
						t.Fatalf("n %d: %v → %#x → %v", n, v, h[i], dst.x[i])
					}
				}
				F32ToBF16(h[:n], src.x)
				BF16ToF32(dst.x, h[:n])
				for i, v := range src.x {
					if v != v && dst.x[i] == dst.x[i] || math.Float32bits(dst.x[i]) != uint32(h[i])<<16 {
						t.Fatalf("n %d: %v → %#x → %v", n, v, h[i], dst.x[i])
					}
				}
				if h[n] != 0xabcd {
					t.Fatal("wrote past the end")
				}
				src.check(t, "half")
				dst.check(t, "half")
			}
		}
	})
}

func BenchmarkHalf(b *testing.B) {
	const n = 4096
	x, h := make([]float32, n), make([]uint16, n)
	input(rand.New(rand.NewPCG(1, 1)), x, false)
	eachPathBench(b, "F32ToF16", n, func() { F32ToF16(h, x) })
	eachPathBench(b, "F16ToF32", n, func() { F16ToF32(x, h) })
	eachPathBench(b, "F32ToBF16", n, func() { F32ToBF16(h, x) })
	eachPathBench(b, "BF16ToF32", n, func() { BF16ToF32(x, h) })
}
