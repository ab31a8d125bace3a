// Command quant writes the products of quantised weights with quantised activations. Regenerate with
//
//	cd internal/kernel/_asm && go generate ./quant
//
// A tile function multiplies one group of 16 rows of weights, interleaved by four columns (see ../../qmat.go for the
// layouts), with a tile of tokens. A lane of a vector is a row. Sums over 32 columns (16 where these have a scale of their
// own) are exact, in integers; then they are scaled and added up in float32.
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
	for _, f := range forms {
		f.function("VNNI", true, 8, 4, 2, 1)
	}
	for _, f := range forms {
		f.function("AVX2", false, 2, 1) // 16 registers
	}
	acts()
	halves()
	cache()
	Generate()
}

// The parts of a row group, in bytes.
const (
	rows  = 16
	half  = rows * 2 // 16 float16
	word  = rows * 4 // 4 columns of 16 rows
	unit  = 32       // columns
	words = unit / 4
	super = 8    // units of a K block
	ahead = 4096 // bytes from what is worked on to what is asked for: about 100 ns at 40 GB/s
)

type R = reg.VecVirtual

// tile writes the body for a number of tokens. With AVX2 a vector holds half the rows, and the body goes through the group
// twice.
type tile struct {
	tokens int
	zmm    bool
	second bool

	w, x, y, n reg.GPVirtual
	acc, sum   []R // a token each
	ones       R   // AVX2: 16-bit ones
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

// constant is a register whose 32-bit lanes all hold b.
func (v *tile) constant(b uint32) R {
	g, x := GP32(), XMM()
	MOVL(U32(b), g)
	r := v.new()
	VMOVD(g, x)
	VPBROADCASTD(x, r)
	return r
}

// table is a register whose 128-bit lanes all hold b.
func (v *tile) table(b [16]byte) R {
	var parts [2]R
	for i := range parts {
		q := uint64(0)
		for j, e := range b[8*i : 8*i+8] {
			q |= uint64(e) << (8 * j)
		}
		g, x := GP64(), XMM()
		MOVQ(U64(q), g)
		VMOVQ(g, x)
		parts[i] = v.new()
		VPBROADCASTQ(x, parts[i])
	}
	VPUNPCKLQDQ(parts[1], parts[0], parts[0])
	return parts[0]
}

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

// bytes loads 16 (8) bytes as 32-bit integers.
func (v *tile) bytes(off int, signed bool) R {
	r := v.new()
	if signed {
		VPMOVSXBD(v.at(off, rows), r)
	} else {
		VPMOVZXBD(v.at(off, rows), r)
	}
	return r
}

// load reads a word of every row.
func (v *tile) load(off int) R {
	r := v.new()
	if v.zmm {
		VMOVDQU32(v.at(off, word), r)
	} else {
		VMOVDQU(v.at(off, word), r)
	}
	return r
}

// prefetch asks for what will be needed soon: a row group is one long stream.
func (v *tile) prefetch(size int) {
	for off := 0; off < size && !v.second; off += 64 {
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

// right shifts the 32-bit lanes by n bits, to the left where n is negative.
func (v *tile) right(a R, n int) R {
	r := a
	switch {
	case n > 0:
		r = v.new()
		VPSRLD(Imm(uint64(n)), a, r)
	case n < 0:
		r = v.new()
		VPSLLD(Imm(uint64(-n)), a, r)
	}
	return r
}

// orAnd is q | a&b.
func (v *tile) orAnd(q, a, b R) R {
	if v.zmm {
		VPTERNLOGD(Imm(0xf8), b, a, q)
		return q
	}
	a = v.and(a, b)
	VPOR(a, q, q)
	return q
}

// Activations of a unit: 32 int8 a token, then a float32 scale a token, then slots words a token.
func (v *tile) q(t, group int) Mem { return Mem{Base: v.x, Disp: t*unit + 4*group} }
func (v *tile) scale(t int) Mem    { return Mem{Base: v.x, Disp: v.tokens*unit + 4*t} }
func (v *tile) slot(t, which int) Mem {
	return Mem{Base: v.x, Disp: v.tokens*(unit+4+4*which) + 4*t}
}

// begin starts every token's sum with its slot, or with 0.
func (v *tile) begin(slot int) {
	for t := range v.tokens {
		if slot < 0 {
			v.zero(v.sum[t])
		} else {
			VPBROADCASTD(v.slot(t, slot), v.sum[t])
		}
	}
}

// dot adds the products of unsigned weights with 4 columns of every token.
func (v *tile) dot(w R, group int) {
	for t := range v.tokens {
		if v.zmm {
			VPDPBUSD_BCST(v.q(t, group), w, v.sum[t])
			continue
		}
		p := v.new()
		VPBROADCASTD(v.q(t, group), p)
		VPMADDUBSW(p, w, p)
		VPMADDWD(v.ones, p, p)
		VPADDD(p, v.sum[t], v.sum[t])
	}
}

// dotSigned is dot for signed weights, with AVX2: the signs move to the activations, since 255·127·2 would not fit 16
// bits.
func (v *tile) dotSigned(w R, group int) {
	u := v.new()
	VPABSB(w, u)
	for t := range v.tokens {
		p := v.new()
		VPBROADCASTD(v.q(t, group), p)
		VPSIGNB(w, p, p)
		VPMADDUBSW(p, u, p)
		VPMADDWD(v.ones, p, p)
		VPADDD(p, v.sum[t], v.sum[t])
	}
}

// finish adds sum·scale·(the token's scale).
func (v *tile) finish(scale R) {
	for t := range v.tokens {
		s := v.new()
		VCVTDQ2PS(v.sum[t], v.sum[t])
		if v.zmm {
			VMULPS_BCST(v.scale(t), scale, s)
		} else {
			VBROADCASTSS(v.scale(t), s)
			VMULPS(s, scale, s)
		}
		VFMADD231PS(s, v.sum[t], v.acc[t])
	}
}

// offset adds m·slot, slot a float32.
func (v *tile) offset(m R, slot int) {
	for t := range v.tokens {
		if v.zmm {
			VFMADD231PS_BCST(v.slot(t, slot), m, v.acc[t])
		} else {
			s := v.new()
			VBROADCASTSS(v.slot(t, slot), s)
			VFMADD231PS(s, m, v.acc[t])
		}
	}
}

// function writes one function with a body for every number of tokens.
func (f form) function(path string, zmm bool, tokens ...int) {
	name := "qmul" + f.name + path
	TEXT(name, NOSPLIT, "func(tokens int, y *float32, w, x *byte, n, ldy int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s multiplies 16 rows of n blocks of %s with %v tokens; y gets 16 numbers a token, ldy bytes apart.", name, f.name, tokens))
	count := Load(Param("tokens"), GP64())
	for _, n := range tokens[:len(tokens)-1] {
		CMPQ(count, Imm(uint64(n)))
		JEQ(LabelRef(fmt.Sprintf("tokens%d", n)))
	}
	for i := range tokens {
		n := tokens[len(tokens)-1-i]
		Label(fmt.Sprintf("tokens%d", n))
		passes := 1
		if !zmm {
			passes = 2
		}
		for pass := range passes {
			v := &tile{tokens: n, zmm: zmm, second: pass == 1}
			v.w, v.x, v.n = arg("w"), arg("x"), arg("n")
			for range n {
				a := v.new()
				v.zero(a)
				v.acc, v.sum = append(v.acc, a), append(v.sum, v.new())
			}
			f.body(v, fmt.Sprintf("%d_%d", n, pass))
			y, ldy := arg("y"), arg("ldy")
			for t := range n {
				VMOVUPS(v.acc[t], Mem{Base: y, Disp: 32 * pass})
				if t < n-1 {
					ADDQ(ldy, y)
				}
			}
		}
		VZEROUPPER()
		RET()
	}
}
