// Gemm writes the amd64 tiles of kernel.Gemm.
//
// A tile function computes R rows × V vectors of C, one tile under another:
//
//	for range tiles {
//		acc := [R][V]vector{}
//		for range k { acc[i][v] += a[i] * b[v]; a += acs; b += brs }
//		C[i][v] = acc·alpha (+ C[i][v], + bias[v] or + bias[i])
//	}
//
// A is read with two strides, so that packed and unpacked operands and their transposes all take the
// same code. See gemmTile in ../gemm_tile.go, whose layout the offsets below repeat.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

//go:generate go run . -out ../../gemm_amd64.s -stubs ../../gemm_stub_amd64.go -pkg kernel

func main() {
	ConstraintExpr("!purego")
	for _, v := range []int{1, 2} {
		for _, r := range []int{12, 8, 4, 2, 1} {
			tile(true, r, v)
		}
		for _, r := range []int{6, 4, 2, 1} {
			tile(false, r, v)
		}
	}
	few(true)
	few(false)
	pack(true)
	pack(false)
	peak(true)
	peak(false)
	transpose()
	Generate()
}

// The fields of gemmTile.
const (
	offA = 8 * iota
	offARS
	offACS
	offB
	offBRS
	offC
	offCRS
	offK
	offTiles
	offMask
	offAdd
	offAlpha
	offAhead
	offAheadStep
	offBias
	offBiasAt
)

// The values of gemmTile.add.
const (
	storePlain = iota
	storeAdd
	storeColBias
	storeRowBias
)

func tile(wide bool, rows, vecs int) {
	name, bytes := fmt.Sprintf("gemmAVX2x%dx%d", rows, vecs*8), 32
	vec := func() VecVirtual { return YMM() }
	if wide {
		name, bytes = fmt.Sprintf("gemmAVX512x%dx%d", rows, vecs*16), 64
		vec = func() VecVirtual { return ZMM() }
	}
	TEXT(name, NOSPLIT, "func(t *[16]uint64)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes tiles of %d rows and %d columns.", name, rows, vecs*bytes/4))

	t := Load(Param("t"), GP64())
	field := func(off int) Register {
		r := GP64()
		MOVQ(Mem{Base: t, Disp: off}, r)
		return r
	}
	at, ars, acs, brs, c, crs := field(offA), field(offARS), field(offACS), field(offBRS), field(offC), field(offCRS)
	ars3 := GP64()
	if rows > 3 {
		LEAQ(Mem{Base: ars, Index: ars, Scale: 2}, ars3)
	}
	masks := []Register{K1, K2}
	if wide {
		m := GP64()
		MOVQ(Mem{Base: t, Disp: offMask}, m)
		for v := range vecs {
			KMOVW(m.As32(), masks[v])
			SHRQ(Imm(16), m)
		}
	}

	Label("tile")
	a := []Register{} // one pointer for every four rows
	for i := 0; i < rows; i += 4 {
		p := GP64()
		if i == 0 {
			MOVQ(at, p)
		} else {
			LEAQ(Mem{Base: a[len(a)-1], Index: ars, Scale: 4}, p)
		}
		a = append(a, p)
	}
	b, k, ahead := field(offB), field(offK), field(offAhead)
	ADDQ(at, ahead)
	acc := make([][]VecVirtual, rows)
	for i := range acc {
		for range vecs {
			z := vec()
			if wide {
				VPXORD(z, z, z)
			} else {
				VXORPS(z, z, z)
			}
			acc[i] = append(acc[i], z)
		}
	}
	p := GP64() // C is wanted at the end: ask for it now
	MOVQ(c, p)
	for i := range rows {
		PREFETCHT0(Mem{Base: p})
		if vecs*bytes > 64 {
			PREFETCHT0(Mem{Base: p, Disp: 64})
		}
		if i < rows-1 {
			ADDQ(crs, p)
		}
	}

	Label("k")
	bv := []VecVirtual{}
	for v := range vecs {
		z := vec()
		if wide {
			VMOVUPS_Z(Mem{Base: b, Disp: v * bytes}, masks[v], z)
		} else {
			VMOVUPS(Mem{Base: b, Disp: v * bytes}, z)
		}
		bv = append(bv, z)
	}
	ADDQ(brs, b)
	PREFETCHT0(Mem{Base: ahead})
	ADDQ(Mem{Base: t, Disp: offAheadStep}, ahead)
	for i := range rows {
		m := Mem{Base: a[i/4]}
		switch i % 4 {
		case 1:
			m.Index, m.Scale = ars, 1
		case 2:
			m.Index, m.Scale = ars, 2
		case 3:
			m.Index, m.Scale = ars3, 1
		}
		x := vec()
		VBROADCASTSS(m, x)
		for v := range vecs {
			VFMADD231PS(x, bv[v], acc[i][v])
		}
	}
	for _, p := range a {
		ADDQ(acs, p)
	}
	DECQ(k)
	JNZ(LabelRef("k"))

	alpha, add := vec(), GP64()
	VBROADCASTSS(Mem{Base: t, Disp: offAlpha}, alpha)
	MOVQ(Mem{Base: t, Disp: offAdd}, add)
	CMPQ(add, Imm(storeAdd))
	JEQ(LabelRef("add"))
	CMPQ(add, Imm(storeColBias))
	JEQ(LabelRef("colBias"))
	CMPQ(add, Imm(storeRowBias))
	JEQ(LabelRef("rowBias"))
	store := func(finish func(i, v int, x VecVirtual)) {
		for i := range rows {
			for v := range vecs {
				x := acc[i][v]
				finish(i, v, x)
				if wide {
					VMOVUPS(x, masks[v], Mem{Base: c, Disp: v * bytes})
				} else {
					VMOVUPS(x, Mem{Base: c, Disp: v * bytes})
				}
			}
			ADDQ(crs, c)
		}
	}
	store(func(_, _ int, x VecVirtual) { VMULPS(alpha, x, x) })
	JMP(LabelRef("next"))

	Label("add")
	store(func(_, v int, x VecVirtual) {
		if m := (Mem{Base: c, Disp: v * bytes}); wide {
			VFMADD213PS(m, alpha, masks[v], x)
		} else {
			VFMADD213PS(m, alpha, x)
		}
	})
	JMP(LabelRef("next"))

	Label("colBias")
	bias := field(offBias)
	along := []VecVirtual{}
	for v := range vecs {
		z := vec()
		if wide {
			VMOVUPS_Z(Mem{Base: bias, Disp: v * bytes}, masks[v], z)
		} else {
			VMOVUPS(Mem{Base: bias, Disp: v * bytes}, z)
		}
		along = append(along, z)
	}
	store(func(_, v int, x VecVirtual) { VFMADD213PS(along[v], alpha, x) })
	JMP(LabelRef("next"))

	Label("rowBias")
	bias = field(offBias)
	ADDQ(Mem{Base: t, Disp: offBiasAt}, bias)
	down := vec()
	store(func(i, v int, x VecVirtual) {
		if v == 0 {
			VBROADCASTSS(Mem{Base: bias, Disp: 4 * i}, down)
		}
		VFMADD213PS(down, alpha, x)
	})
	ADDQ(U8(4*rows), Mem{Base: t, Disp: offBiasAt})

	Label("next")
	for i := rows; i > 0; { // the next tile is rows further down
		step := 1
		for _, s := range []int{8, 4, 2} {
			if s <= i {
				step = s
				break
			}
		}
		LEAQ(Mem{Base: at, Index: ars, Scale: uint8(step)}, at)
		i -= step
	}
	DECQ(Mem{Base: t, Disp: offTiles})
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}
