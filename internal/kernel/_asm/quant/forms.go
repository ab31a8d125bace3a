package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// form is a format in the interleaved layout: a head of float16 for every block of n units (1, or 8 of the K formats), and in
// every unit its scales, then its planes of bits.
type form struct {
	name   string
	units  int  // of a block
	minima bool // the head holds a second float16, for minima
	scales int  // bytes of scales and minima for a row's unit
	parts  int  // of a unit, each with a scale: 1 or 2
	slots  int  // words that the activations have for every unit beside bytes and scale; float32 with minima
	low    int  // bits of the first plane: 8, 4, 2
	high   int  // bits of the second: 0, 1, 2
	signed bool // weights are signed: bytes, or values of the table
	kind   kind
}

// kind is what scales are.
type kind int

const (
	none   kind = iota
	signed      // int8
	apart       // scales, then minima
	shared      // lower halves of bytes, upper halves the minima
)

var forms = []form{
	{"Q80", 1, false, 0, 1, 1, 8, 0, true, none},
	{"Q40", 1, false, 0, 1, 1, 4, 0, false, none},
	{"Q41", 1, true, 0, 1, 1, 4, 0, false, none},
	{"Q50", 1, false, 0, 1, 1, 4, 1, false, none},
	{"Q51", 1, true, 0, 1, 1, 4, 1, false, none},
	{"IQ4NL", 1, false, 0, 1, 1, 4, 0, true, none},
	{"Q2K", super, true, 2, 2, 2, 2, 0, false, shared},
	{"Q3K", super, false, 2, 2, 2, 2, 1, false, signed},
	{"Q4K", super, true, 2, 1, 1, 4, 0, false, apart},
	{"Q5K", super, true, 2, 1, 1, 4, 1, false, apart},
	{"Q6K", super, false, 2, 2, 2, 4, 2, false, signed},
	{"IQ4XS", super, false, 1, 1, 1, 4, 0, true, signed},
}

// values4 are what IQ4's four bits stand for (ggml-common.h, kvalues_iq4nl).
var values4 = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// constants of a body, for whole vectors.
type constants struct {
	low, high R // masks of the planes
	bias      R // VNNI takes unsigned weights: 128 is added to signed ones, and the slots hold -128·Σx
	table     R
	half      R // of a byte of shared scales
}

func (f form) constants(v *tile) (c constants) {
	if f.low < 8 {
		c.low = v.constant((1<<f.low - 1) * 0x01010101)
	}
	if f.high > 0 {
		c.high = v.constant((1<<f.high - 1) << f.low * 0x01010101)
	}
	if f.low == 8 && v.zmm {
		c.bias = v.constant(0x80808080)
	}
	if f.signed && f.low == 4 {
		var b [16]byte
		for i, q := range values4 {
			b[i] = byte(q)
			if v.zmm {
				b[i] += 128
			}
		}
		c.table = v.table(b)
	}
	if f.kind == shared {
		c.half = v.constant(15)
	}
	if !v.zmm {
		v.ones = v.constant(0x00010001)
	}
	return c
}

// planes are bytes of a unit's planes, for 16 rows.
func (f form) planes() int { return rows * unit * (f.low + f.high) / 8 }

func (f form) body(v *tile, label string) {
	c := f.constants(v)
	head := half
	if f.minima {
		head += half
	}
	size := f.scales*rows + f.planes()
	Label("block" + label)
	if f.units == 1 {
		v.prefetch(head + size)
		var m R
		if f.minima {
			m = v.float16(half)
		}
		f.unit(v, c, head, v.float16(0), m)
		f.advance(v, head+size)
	} else {
		d, m := v.float16(0), R(nil)
		if f.minima {
			m = v.float16(half)
		}
		v.prefetch(head)
		ADDQ(U32(head), v.w)
		units := GP64()
		MOVQ(U64(f.units), units)
		Label("unit" + label)
		v.prefetch(size)
		f.unit(v, c, 0, d, m)
		f.advance(v, size)
		DECQ(units)
		JNZ(LabelRef("unit" + label))
	}
	DECQ(v.n)
	JNZ(LabelRef("block" + label))
}

func (f form) advance(v *tile, size int) {
	ADDQ(U32(size), v.w)
	ADDQ(U32(v.tokens*(unit+4+4*f.slots)), v.x)
}

// unit adds the products of 32 columns, whose scales and planes begin at off.
func (f form) unit(v *tile, c constants, off int, d, dmin R) {
	planes := off + f.scales*rows
	for p := range f.parts {
		slot := p
		if f.minima || f.signed && !v.zmm {
			slot = -1
		}
		v.begin(slot)
		for g := p * words / f.parts; g < (p+1)*words/f.parts; g++ {
			if w := f.weights(v, c, planes, g); f.signed && !v.zmm {
				v.dotSigned(w, g)
			} else {
				v.dot(w, g)
			}
		}
		s, m := f.scale(v, c, off, p, d, dmin)
		v.finish(s)
		if f.minima {
			v.offset(m, p)
		}
	}
}

// scale is that of a part, and its minimum.
func (f form) scale(v *tile, c constants, off, part int, d, dmin R) (s, m R) {
	times := func(q, d R) R {
		VCVTDQ2PS(q, q)
		VMULPS(d, q, q)
		return q
	}
	switch f.kind {
	case signed:
		return times(v.bytes(off+part*rows, true), d), nil
	case apart:
		return times(v.bytes(off, false), d), times(v.bytes(off+rows, false), dmin)
	case shared:
		b := v.bytes(off+part*rows, false)
		return times(v.and(c.half, b), d), times(v.right(b, 4), dmin)
	}
	return d, dmin
}

// weights are columns 4g … 4g+3 as bytes.
func (f form) weights(v *tile, c constants, off, g int) (q R) {
	switch f.low {
	case 8:
		q = v.load(off + g*word)
		if v.zmm {
			VPXORD(c.bias, q, q)
		}
		return q
	case 4: // lower halves, then upper halves
		q = v.and(c.low, v.right(v.load(off+g%4*word), g/4*4))
	case 2: // quarters: a word is 16 columns
		q = v.and(c.low, v.right(v.load(off+g/4*word), g%4*2))
	}
	off += rows * unit * f.low / 8
	switch f.high {
	case 1: // bit g of a byte
		q = v.orAnd(q, v.right(v.load(off), g-f.low), c.high)
	case 2:
		q = v.orAnd(q, v.right(v.load(off+g/4*word), g%4*2-f.low), c.high)
	}
	if c.table != nil {
		t := v.new()
		VPSHUFB(q, c.table, t)
		q = t
	}
	return q
}
