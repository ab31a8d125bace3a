// Command quant writes the products of quantised weights with quantised activations. Regenerate with
//
//	cd internal/kernel/_asm && go generate ./quant
//
// A tile function multiplies one group of 16 rows of weights, interleaved by four columns (see ../../qmat.go for the
// layouts), with a tile of tokens. A lane of a vector is a row. Sums over 32 columns (16 for Q6_K) are exact, in
// integers; then they are scaled and added up in float32.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

//go:generate go run . -out ../../qmat_amd64.s -stubs ../../qmat_stub_amd64.go -pkg kernel

func main() {
	ConstraintExpr("!purego")
	for _, tokens := range []int{8, 4, 2, 1} {
		v := tile{tokens: tokens, zmm: true}
		v.q8()
		v.q4()
		v.q4K()
		v.q6K()
	}
	for _, tokens := range []int{2, 1} { // 16 registers
		v := tile{tokens: tokens}
		v.q8()
		v.q4()
		v.q4K()
		v.q6K()
	}
	acts()
	halves()
	Generate()
}

// The parts of a row group, in bytes.
const (
	rows   = 16
	half   = rows * 2 // 16 float16
	word   = rows * 4 // 4 columns of 16 rows
	unit   = 32       // columns
	words  = unit / 4
	super  = 8    // units of a K block
	ahead  = 4096 // bytes from a load to what it asks for: about 100 ns at 40 GB/s
	q4Unit = half + words/2*word
	q8Unit = half + words*word
)

type R = reg.VecVirtual

// tile writes one function. With AVX2 a vector holds half the rows, and the function goes through the group twice.
type tile struct {
	tokens int
	zmm    bool

	w, x, y, n reg.GPVirtual
	acc, sum   []R // a token each
	ones       R   // AVX2: 16-bit ones
	second     bool
}

func (v *tile) new() R {
	if v.zmm {
		return ZMM()
	}
	return YMM()
}

func (v *tile) zero(r R) {
	if v.zmm {
		VPXORD(r, r, r)
	} else {
		VPXOR(r, r, r)
	}
}

func (v *tile) bcast(m Mem) R {
	r := v.new()
	VPBROADCASTD(m, r)
	return r
}

// constant is a register whose 32-bit lanes all hold b.
func (v *tile) constant(b uint32) R {
	g, x := GP32(), XMM()
	MOVL(U32(b), g)
	r := v.new()
	VMOVD(g, x)
	VPBROADCASTD(x, r)
	return r
}

func (v *tile) fma(a, b, acc R) { VFMADD231PS(a, b, acc) }

// at is the address of the half of a row group's vector that this pass takes: whole is its size for 16 rows.
func (v *tile) at(off, whole int) Mem {
	if v.second {
		off += whole / 2
	}
	return Mem{Base: v.w, Disp: off}
}

// float16 loads 16 (8) float16 as float32.
func (v *tile) float16(off int) R {
	r := v.new()
	VCVTPH2PS(v.at(off, half), r)
	return r
}

// bytes loads 16 (8) bytes as float32.
func (v *tile) bytes(off int, signed bool) R {
	r := v.new()
	if signed {
		VPMOVSXBD(v.at(off, rows), r)
	} else {
		VPMOVZXBD(v.at(off, rows), r)
	}
	VCVTDQ2PS(r, r)
	return r
}

// load reads a word of every row, and asks for what lies ahead: a row group is one long stream.
func (v *tile) load(off int) R {
	r := v.new()
	if v.tokens == 1 && !v.second {
		PREFETCHT0(Mem{Base: v.w, Disp: off + ahead})
	}
	if v.zmm {
		VMOVDQU32(v.at(off, word), r)
	} else {
		VMOVDQU(v.at(off, word), r)
	}
	return r
}

// head asks for what lies ahead of a block's scales.
func (v *tile) head(size int) {
	for off := 0; off < size && v.tokens == 1 && !v.second; off += 64 {
		PREFETCHT0(Mem{Base: v.w, Disp: off + ahead})
	}
}

func (v *tile) and(a, b R) R {
	r := v.new()
	if v.zmm {
		VPANDD(a, b, r)
	} else {
		VPAND(a, b, r)
	}
	return r
}

// nibbles are the lower or upper halves of the bytes at off.
func (v *tile) nibbles(off int, upper bool, mask R) R {
	q := v.load(off)
	if upper {
		s := v.new()
		VPSRLD(Imm(4), q, s)
		q = s
	}
	return v.and(mask, q)
}

// Activations of a unit: 32 int8 a token, then a float32 scale a token, then slots words a token.
func (v *tile) stride(slots int) int     { return v.tokens * (unit + 4 + 4*slots) }
func (v *tile) q(base, t, group int) Mem { return Mem{Base: v.x, Disp: base + t*unit + 4*group} }
func (v *tile) scale(base, t int) Mem    { return Mem{Base: v.x, Disp: base + v.tokens*unit + 4*t} }
func (v *tile) slot(base, t, which int) Mem {
	return Mem{Base: v.x, Disp: base + v.tokens*(unit+4+4*which) + 4*t}
}
func (v *tile) name(format string) string {
	path := "AVX2"
	if v.zmm {
		path = "VNNI"
	}
	return fmt.Sprintf("qmul%s%sx%d", format, path, v.tokens)
}

// begin opens the function and clears the sums. body is written once (twice with AVX2, for either half of the rows) and
// has to move w and x on.
func (v *tile) function(format, doc string, body func(loop string)) {
	TEXT(v.name(format), NOSPLIT, "func(y *float32, w, x *byte, n, ldy int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s multiplies 16 rows of n %s with %d tokens; y gets 16 numbers a token, ldy bytes apart.", v.name(format), doc, v.tokens))
	passes := 1
	if !v.zmm {
		passes = 2
	}
	for pass := range passes {
		v.second = pass == 1
		v.w, v.x, v.n = Load(Param("w"), GP64()).(reg.GPVirtual), Load(Param("x"), GP64()).(reg.GPVirtual), Load(Param("n"), GP64()).(reg.GPVirtual)
		v.acc, v.sum = nil, nil
		for range v.tokens {
			a := v.new()
			v.zero(a)
			v.acc = append(v.acc, a)
			v.sum = append(v.sum, v.new())
		}
		if !v.zmm {
			v.ones = v.constant(0x00010001)
		}
		loop := fmt.Sprintf("loop%d", pass)
		body(loop)
		DECQ(v.n)
		JNZ(LabelRef(loop))
		y, ldy := Load(Param("y"), GP64()), Load(Param("ldy"), GP64())
		for t := range v.tokens {
			VMOVUPS(v.acc[t], Mem{Base: y, Disp: 32 * pass})
			if t < v.tokens-1 {
				ADDQ(ldy, y)
			}
		}
	}
	VZEROUPPER()
	RET()
}

// begin starts every token's sum with its slot, or with 0.
func (v *tile) begin(base, slot int) {
	for t := range v.tokens {
		if slot < 0 {
			v.zero(v.sum[t])
		} else {
			VPBROADCASTD(v.slot(base, t, slot), v.sum[t])
		}
	}
}

// dot adds the products of unsigned weights with 4 columns of every token.
func (v *tile) dot(w R, base, group int) {
	for t := range v.tokens {
		if v.zmm {
			VPDPBUSD_BCST(v.q(base, t, group), w, v.sum[t])
			continue
		}
		p := v.bcast(v.q(base, t, group))
		VPMADDUBSW(p, w, p)
		VPMADDWD(v.ones, p, p)
		VPADDD(p, v.sum[t], v.sum[t])
	}
}

// dotSigned is dot for signed weights. VNNI takes unsigned ones: 128 is added, and the slots hold -128·Σx. AVX2 moves the
// signs to the activations, since 255·127·2 would not fit 16 bits.
func (v *tile) dotSigned(w, bias R, base, group int) {
	if v.zmm {
		u := v.new()
		VPXORD(bias, w, u)
		v.dot(u, base, group)
		return
	}
	u := v.new()
	VPABSB(w, u)
	for t := range v.tokens {
		p := v.bcast(v.q(base, t, group))
		VPSIGNB(w, p, p)
		VPMADDUBSW(p, u, p)
		VPMADDWD(v.ones, p, p)
		VPADDD(p, v.sum[t], v.sum[t])
	}
}

// finish adds sum·scale·(the token's scale).
func (v *tile) finish(scale R, base int) {
	for t := range v.tokens {
		s := v.new()
		VCVTDQ2PS(v.sum[t], v.sum[t])
		if v.zmm {
			VMULPS_BCST(v.scale(base, t), scale, s)
		} else {
			VBROADCASTSS(v.scale(base, t), s)
			VMULPS(s, scale, s)
		}
		v.fma(s, v.sum[t], v.acc[t])
	}
}

// offset adds m·slot, slot a float32.
func (v *tile) offset(m R, base, slot int) {
	for t := range v.tokens {
		if v.zmm {
			VFMADD231PS_BCST(v.slot(base, t, slot), m, v.acc[t])
		} else {
			s := v.new()
			VBROADCASTSS(v.slot(base, t, slot), s)
			v.fma(s, m, v.acc[t])
		}
	}
}

func (v *tile) advance(w, x int) {
	ADDQ(U32(w), v.w)
	ADDQ(U32(x), v.x)
}

func (v *tile) q8() {
	v.function("Q8", "units of Q8_0", func(loop string) {
		bias := v.ones
		if v.zmm {
			bias = v.constant(0x80808080)
		}
		Label(loop)
		slot := 0
		if !v.zmm {
			slot = -1
		}
		v.begin(0, slot)
		for g := range words {
			v.dotSigned(v.load(half+g*word), bias, 0, g)
		}
		v.finish(v.float16(0), 0)
		v.advance(q8Unit, v.stride(1))
	})
}

func (v *tile) q4() {
	v.function("Q4", "units of Q4_0", func(loop string) {
		mask := v.constant(0x0f0f0f0f)
		Label(loop)
		v.begin(0, 0) // -8·Σx
		for g := range words / 2 {
			v.dot(v.nibbles(half+g*word, false, mask), 0, g)
			v.dot(v.nibbles(half+g*word, true, mask), 0, g+words/2)
		}
		v.finish(v.float16(0), 0)
		v.advance(q4Unit, v.stride(1))
	})
}

func (v *tile) q4K() {
	const scales, mins, quants = 2 * half, 2*half + super*rows, 2*half + 2*super*rows
	v.function("Q4K", "blocks of Q4_K", func(loop string) {
		mask := v.constant(0x0f0f0f0f)
		Label(loop)
		v.head(quants)
		for u := range super {
			base := u * v.stride(1)
			v.begin(base, -1)
			for g := range words {
				v.dot(v.nibbles(quants+(u/2*words+g)*word, u%2 == 1, mask), base, g)
			}
			s := v.bytes(scales+u*rows, false)
			VMULPS(v.float16(0), s, s)
			v.finish(s, base)
			m := v.bytes(mins+u*rows, false)
			VMULPS(v.float16(half), m, m)
			v.offset(m, base, 0) // -Σx·(the token's scale)
		}
		v.advance(quants+super/2*words*word, super*v.stride(1))
	})
}

func (v *tile) q6K() {
	const scales, quants = half, half + 2*super*rows
	v.function("Q6K", "blocks of Q6_K", func(loop string) {
		Label(loop)
		v.head(quants)
		for u := range super {
			base := u * v.stride(2)
			for h := range 2 {
				v.begin(base, h) // -32·Σx of 16 columns
				for g := range words / 2 {
					v.dot(v.load(quants+(u*words+h*words/2+g)*word), base, h*words/2+g)
				}
				s := v.bytes(scales+(2*u+h)*rows, true)
				VMULPS(v.float16(0), s, s)
				v.finish(s, base)
			}
		}
		v.advance(quants+super*words*word, super*v.stride(2))
	})
}
