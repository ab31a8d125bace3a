package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// emitTranspose writes the transpose of a strip of n square tiles, one
// vector a side, that stand below each other in src and side by side in dst.
func emitTranspose(v vec) {
	v.text("transposeStrip", "func(dst, src []float32, n, ldDst, ldSrc int)",
		"transposes n > 0 tiles of 16×16 (AVX2: 8×8), one below the other in src.")
	dst, src, n := ptr("dst"), ptr("src"), count("n")
	ldDst, ldSrc := stride("ldDst"), stride("ldSrc")
	Label("loop")
	side := v.lanes()
	var in []R
	for range side {
		in = append(in, v.ld(Mem{Base: src}, nil))
		ADDQ(ldSrc, src)
	}
	// Within each group g of four rows: cols[g][j] holds column 4L+j in its
	// 128-bit lane L.
	var cols [][4]R
	for g := 0; g < side; g += 4 {
		pair := func(op instr, a, b R) R {
			d := v.new()
			op(b, a, d)
			return d
		}
		lo01, hi01 := pair(VUNPCKLPS, in[g], in[g+1]), pair(VUNPCKHPS, in[g], in[g+1])
		lo23, hi23 := pair(VUNPCKLPS, in[g+2], in[g+3]), pair(VUNPCKHPS, in[g+2], in[g+3])
		cols = append(cols, [4]R{pair(VUNPCKLPD, lo01, lo23), pair(VUNPCKHPD, lo01, lo23),
			pair(VUNPCKLPD, hi01, hi23), pair(VUNPCKHPD, hi01, hi23)})
	}
	// Then the lanes: row 4L+j of the result takes lane L of every group.
	out := make([]R, side)
	for j := range 4 {
		shuffle := func(imm uint64, a, b R) R {
			d := v.new()
			if v.zmm {
				VSHUFF32X4(Imm(imm), b, a, d)
			} else {
				VPERM2F128(Imm(imm), b, a, d)
			}
			return d
		}
		if !v.zmm {
			out[j], out[4+j] = shuffle(0x20, cols[0][j], cols[1][j]), shuffle(0x31, cols[0][j], cols[1][j])
			continue
		}
		a, b := shuffle(0x44, cols[0][j], cols[1][j]), shuffle(0x44, cols[2][j], cols[3][j])
		c, d := shuffle(0xee, cols[0][j], cols[1][j]), shuffle(0xee, cols[2][j], cols[3][j])
		out[j], out[4+j] = shuffle(0x88, a, b), shuffle(0xdd, a, b)
		out[8+j], out[12+j] = shuffle(0x88, c, d), shuffle(0xdd, c, d)
	}
	q := GP64()
	MOVQ(dst, q)
	for _, r := range out {
		v.st(r, Mem{Base: q}, nil)
		ADDQ(ldDst, q)
	}
	ADDQ(Imm(uint64(v.bytes())), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	end()
}
