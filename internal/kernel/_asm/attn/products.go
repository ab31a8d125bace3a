package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// scores takes eight keys at a time, so that a vector of q is loaded once for
// eight products; the last eight may overlap those before, which writes the
// same numbers again.
func (w width) scores() {
	w.text("attnScores", "tile, q, k *float32, ld, n, d int", "sets tile[j][i] = Σ_c q[c][i]·k[j][c] for j < n, c < d and each lane i; n ≥ 1.")
	tile, q, k, ld, n, d := ptr("tile"), ptr("q"), ptr("k"), stride("ld"), ptr("n"), ptr("d")
	CMPQ(n, Imm(8))
	JLT(LabelRef("few"))
	for _, fixed := range []int{4, 8, 16} {
		CMPQ(d, Imm(uint64(fixed)))
		JEQ(LabelRef(map[int]string{4: "d4", 8: "d8", 16: "d16"}[fixed]))
	}
	ld3, ld5, ld7 := GP64(), GP64(), GP64()
	eight := func(name string, fixed int) {
		if name != "" {
			Label(name)
		}
		LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, ld3)
		LEAQ(Mem{Base: ld, Index: ld, Scale: 4}, ld5)
		LEAQ(Mem{Base: ld3, Index: ld, Scale: 4}, ld7)
		var qs []reg.VecVirtual
		if w == 16 {
			for c := range fixed {
				qs = append(qs, w.load(Mem{Base: q, Disp: c * w.bytes()}))
			}
		}
		top := fresh("keys")
		Label(top)
		rows := func(p reg.GPVirtual, disp int) []Mem {
			return []Mem{
				{Base: p, Disp: disp}, {Base: p, Index: ld, Scale: 1, Disp: disp}, {Base: p, Index: ld, Scale: 2, Disp: disp},
				{Base: p, Index: ld3, Scale: 1, Disp: disp}, {Base: p, Index: ld, Scale: 4, Disp: disp},
				{Base: p, Index: ld5, Scale: 1, Disp: disp}, {Base: p, Index: ld3, Scale: 2, Disp: disp}, {Base: p, Index: ld7, Scale: 1, Disp: disp},
			}
		}
		acc := w.vecs(8)
		if fixed > 0 {
			for c := range fixed {
				var x reg.VecVirtual
				if qs != nil {
					x = qs[c]
				} else {
					x = w.load(Mem{Base: q, Disp: c * w.bytes()})
				}
				for r, m := range rows(k, c*4) {
					if c == 0 {
						w.mul(m, x, acc[r])
					} else {
						w.fma(m, x, acc[r])
					}
				}
			}
		} else {
			for _, a := range acc {
				w.zero(a)
			}
			p, x, c := copyOf(k), copyOf(q), copyOf(d)
			loop(c, func() {
				v := w.load(Mem{Base: x})
				for r, m := range rows(p, 0) {
					w.fma(m, v, acc[r])
				}
				ADDQ(Imm(4), p)
				ADDQ(I32(w.bytes()), x)
			})
		}
		for r, a := range acc {
			VMOVUPS(a, Mem{Base: tile, Disp: r * w.bytes()})
		}
		SUBQ(Imm(8), n)
		done := fresh("done")
		JZ(LabelRef(done))
		step, full := GP64(), GP64()
		MOVQ(n, step)
		MOVQ(U32(8), full)
		CMPQ(n, full)
		CMOVQGT(full, step)
		CMOVQLT(full, n)
		to := copyOf(step)
		IMULQ(ld, step)
		ADDQ(step, k)
		IMUL3Q(I32(w.bytes()), to, to)
		ADDQ(to, tile)
		JMP(LabelRef(top))
		Label(done)
		VZEROUPPER()
		RET()
	}
	eight("", 0)
	eight("d4", 4)
	eight("d8", 8)
	eight("d16", 16)

	Label("few")
	loop(n, func() {
		a := w.vec()
		w.zero(a)
		p, x, c := copyOf(k), copyOf(q), copyOf(d)
		loop(c, func() {
			w.fma(Mem{Base: p}, w.load(Mem{Base: x}), a)
			ADDQ(Imm(4), p)
			ADDQ(I32(w.bytes()), x)
		})
		VMOVUPS(a, Mem{Base: tile})
		ADDQ(ld, k)
		ADDQ(I32(w.bytes()), tile)
	})
	VZEROUPPER()
	RET()
}

// mix takes a chunk of columns at a time through all keys, its sums in
// registers. Small chunks have two sets of sums, for even and odd keys: a
// set alone would wait for its own additions.
func (w width) mix() {
	w.text("attnMix", "o, tile, v *float32, ld, n, d int, scale *float32",
		"sets o[c][i] = o[c][i]·scale[i] + Σ_j tile[j][i]·v[j][c] for j < n, c < d and each lane i; n ≥ 1.")
	o, tile, v, ld, n, d := ptr("o"), ptr("tile"), ptr("v"), stride("ld"), ptr("n"), ptr("d")
	scale := w.load(Mem{Base: ptr("scale")})
	chunks := []int{8, 4, 1}
	if w == 16 {
		chunks = []int{16, 8, 4, 1}
	}
	for _, size := range chunks {
		top, next := fresh("chunk"), fresh("next")
		Label(top)
		CMPQ(d, Imm(uint64(size)))
		JLT(LabelRef(next))
		even, odd := w.vecs(size), w.vecs(size)
		for c, a := range even {
			VMULPS(Mem{Base: o, Disp: c * w.bytes()}, scale, a)
		}
		t, row, left := copyOf(tile), copyOf(v), copyOf(n)
		key := func(acc []reg.VecVirtual) {
			p := w.load(Mem{Base: t})
			for c, a := range acc {
				w.fma(Mem{Base: row, Disp: c * 4}, p, a)
			}
			ADDQ(I32(w.bytes()), t)
			ADDQ(ld, row)
		}
		if size <= 4 {
			for _, a := range odd {
				w.zero(a)
			}
			SHRQ(Imm(1), left)
			unless0(left, func() {
				loop(left, func() {
					key(even)
					key(odd)
				})
			})
			single := fresh("even")
			TESTQ(U32(1), n)
			JZ(LabelRef(single))
			key(even)
			Label(single)
			for c := range even {
				VADDPS(odd[c], even[c], even[c])
			}
		} else {
			loop(left, func() { key(even) })
		}
		for c, a := range even {
			VMOVUPS(a, Mem{Base: o, Disp: c * w.bytes()})
		}
		ADDQ(I32(size*w.bytes()), o)
		ADDQ(Imm(uint64(size*4)), v)
		SUBQ(Imm(uint64(size)), d)
		JMP(LabelRef(top))
		Label(next)
	}
	VZEROUPPER()
	RET()
}

func (w width) delta() {
	w.text("attnDelta", "delta, a, b *float32, d int", "sets delta[i] = Σ_c a[c][i]·b[c][i], c < d, for each lane i.")
	delta, a, b, d := ptr("delta"), ptr("a"), ptr("b"), ptr("d")
	sum := w.vec()
	w.zero(sum)
	loop(d, func() {
		VFMADD231PS(Mem{Base: b}, w.load(Mem{Base: a}), sum)
		ADDQ(I32(w.bytes()), a)
		ADDQ(I32(w.bytes()), b)
	})
	VMOVUPS(sum, Mem{Base: delta})
	VZEROUPPER()
	RET()
}

// outer has columns in the lanes: the rows of x stay in registers and every
// key broadcasts its 16 (or 8) numbers of the tile.
func (w width) outer() {
	w.text("attnOuter", "dst *float32, ld int, tile *float32, n int, x *float32, ldx, d int, scale float32",
		"adds to dst[j][c] the sum over the lanes Σ_i tile[j][i]·x[i][c]·scale, for j < n and c < d; n ≥ 1.")
	dst, ld, tile, n, x, ldx, d := ptr("dst"), stride("ld"), ptr("tile"), ptr("n"), ptr("x"), stride("ldx"), ptr("d")
	top, rest, last := "columns", "rest", "last"
	chunk := func(vec func() reg.VecVirtual, load func(Mem, reg.VecVirtual), store func(reg.VecVirtual, Mem)) {
		s := XMM()
		Load(Param("scale"), s)
		scale := vec()
		VBROADCASTSS(s, scale)
		p := copyOf(x)
		var rows []reg.VecVirtual
		for range int(w) {
			r := vec()
			load(Mem{Base: p}, r)
			VMULPS(scale, r, r)
			rows = append(rows, r)
			ADDQ(ldx, p)
		}
		to, t, left := copyOf(dst), copyOf(tile), copyOf(n)
		loop(left, func() {
			a, b := vec(), vec()
			load(Mem{Base: to}, a)
			for i, r := range rows {
				m := Mem{Base: t, Disp: i * 4}
				acc := a
				if i%2 == 1 {
					acc = b
				}
				switch {
				case w == 16 && i == 1:
					VMULPS_BCST(m, r, acc)
				case w == 16:
					VFMADD231PS_BCST(m, r, acc)
				default:
					v := vec()
					VBROADCASTSS(m, v)
					if i == 1 {
						VMULPS(v, r, acc)
					} else {
						VFMADD231PS(v, r, acc)
					}
				}
			}
			VADDPS(b, a, a)
			store(a, Mem{Base: to})
			ADDQ(ld, to)
			ADDQ(I32(w.bytes()), t)
		})
	}
	plain := func(m Mem, v reg.VecVirtual) { VMOVUPS(m, v) }
	put := func(v reg.VecVirtual, m Mem) { VMOVUPS(v, m) }

	Label(top)
	CMPQ(d, Imm(uint64(w)))
	JLT(LabelRef(rest))
	chunk(w.vec, plain, put)
	ADDQ(I32(w.bytes()), dst)
	ADDQ(I32(w.bytes()), x)
	SUBQ(Imm(uint64(w)), d)
	JMP(LabelRef(top))

	Label(rest)
	TESTQ(d, d)
	JZ(LabelRef(last))
	CMPQ(d, Imm(4))
	JEQ(LabelRef("xmm"))
	if w == 16 {
		CMPQ(d, Imm(8))
		JEQ(LabelRef("ymm"))
		bits, k := GP32(), K()
		ones := GP32()
		MOVL(U32(0xffff), ones)
		BZHIL(d.As32(), ones, bits)
		KMOVW(bits, k)
		chunk(w.vec, func(m Mem, v reg.VecVirtual) { VMOVUPS_Z(m, k, v) }, func(v reg.VecVirtual, m Mem) { VMOVUPS(v, k, m) })
	} else {
		// The mask's elements are −1 for the first d: row 8−d of the table.
		at, mask := GP64(), YMM()
		LEAQ(table.Offset(cCount*32), at)
		off := GP64()
		MOVQ(U32(8), off)
		SUBQ(d, off)
		VMOVDQU(Mem{Base: at, Index: off, Scale: 4}, mask)
		chunk(w.vec, func(m Mem, v reg.VecVirtual) { VMASKMOVPS(m, mask, v) }, func(v reg.VecVirtual, m Mem) { VMASKMOVPS(v, mask, m) })
	}
	Label(last)
	VZEROUPPER()
	RET()

	Label("xmm")
	chunk(func() reg.VecVirtual { return XMM() }, plain, put)
	VZEROUPPER()
	RET()
	if w == 16 {
		Label("ymm")
		chunk(func() reg.VecVirtual { return YMM() }, plain, put)
		VZEROUPPER()
		RET()
	}
}
