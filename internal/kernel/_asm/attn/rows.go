package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose4 transposes the 4×4 block in each 128-bit lane; a is destroyed.
func (w width) transpose4(a []reg.VecVirtual) []reg.VecVirtual {
	t, b := w.vecs(4), w.vecs(4)
	VUNPCKLPS(a[1], a[0], t[0])
	VUNPCKHPS(a[1], a[0], t[1])
	VUNPCKLPS(a[3], a[2], t[2])
	VUNPCKHPS(a[3], a[2], t[3])
	VUNPCKLPD(t[2], t[0], b[0])
	VUNPCKHPD(t[2], t[0], b[1])
	VUNPCKLPD(t[3], t[1], b[2])
	VUNPCKHPD(t[3], t[1], b[3])
	return b
}

// rowPtrs are pointers to every fourth row, and three strides.
func (w width) rowPtrs(base, ld reg.GPVirtual) (p []reg.GPVirtual, ld3 reg.GPVirtual) {
	ld3 = GP64()
	LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, ld3)
	p = append(p, base)
	for i := 4; i < int(w); i += 4 {
		q := GP64()
		LEAQ(Mem{Base: p[len(p)-1], Index: ld, Scale: 4}, q)
		p = append(p, q)
	}
	return p, ld3
}

func rowMem(p, ld, ld3 reg.GPVirtual, r int) Mem {
	switch r {
	case 0:
		return Mem{Base: p}
	case 3:
		return Mem{Base: p, Index: ld3, Scale: 1}
	}
	return Mem{Base: p, Index: ld, Scale: uint8(r)}
}

// pack transposes rows of a matrix into vectors.
func (w width) pack(add bool) {
	if add {
		w.text("attnPackAdd", "dst, src *float32, ld, groups int", "adds to dst[c][i] the element src[i][c], c < 4·groups, for each lane i.")
	} else {
		w.text("attnPack", "dst, src *float32, ld, groups int, scale float32", "sets dst[c][i] to src[i][c]·scale, c < 4·groups, for each lane i.")
	}
	dst, src, ld, n := ptr("dst"), ptr("src"), stride("ld"), ptr("groups")
	scale := w.vec()
	if !add {
		s := XMM()
		Load(Param("scale"), s)
		VBROADCASTSS(s, scale)
	}
	p, ld3 := w.rowPtrs(src, ld)
	loop(n, func() {
		a := w.vecs(4)
		for r := range a {
			VMOVUPS(rowMem(p[0], ld, ld3, r), a[r].AsX())
			for l := 1; l < len(p); l++ {
				if w == 16 {
					VINSERTF32X4(Imm(uint64(l)), rowMem(p[l], ld, ld3, r), a[r], a[r])
				} else {
					VINSERTF128(Imm(uint64(l)), rowMem(p[l], ld, ld3, r), a[r], a[r])
				}
			}
		}
		for c, b := range w.transpose4(a) {
			m := Mem{Base: dst, Disp: c * w.bytes()}
			if add {
				VADDPS(m, b, b)
			} else {
				VMULPS(scale, b, b)
			}
			VMOVUPS(b, m)
		}
		for _, p := range p {
			ADDQ(Imm(16), p)
		}
		ADDQ(I32(4*w.bytes()), dst)
	})
	VZEROUPPER()
	RET()
}

func (w width) unpack() {
	w.text("attnUnpack", "dst *float32, ld int, src *float32, groups int, scale *float32",
		"sets dst[i][c] to src[c][i]·scale[i], c < 4·groups, for each lane i.")
	dst, ld, src, n := ptr("dst"), stride("ld"), ptr("src"), ptr("groups")
	scale := w.load(Mem{Base: ptr("scale")})
	p, ld3 := w.rowPtrs(dst, ld)
	loop(n, func() {
		a := w.vecs(4)
		for c := range a {
			VMULPS(Mem{Base: src, Disp: c * w.bytes()}, scale, a[c])
		}
		for r, b := range w.transpose4(a) {
			VMOVUPS(b.AsX(), rowMem(p[0], ld, ld3, r))
			for l := 1; l < len(p); l++ {
				if w == 16 {
					VEXTRACTF32X4(Imm(uint64(l)), b, rowMem(p[l], ld, ld3, r))
				} else {
					VEXTRACTF128(Imm(uint64(l)), b, rowMem(p[l], ld, ld3, r))
				}
			}
		}
		for _, p := range p {
			ADDQ(Imm(16), p)
		}
		ADDQ(I32(4*w.bytes()), src)
	})
	VZEROUPPER()
	RET()
}
