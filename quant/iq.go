package quant

import (
	"encoding/binary"
	"math/bits"
)

// The IQ formats of one to three bits: eight elements (four of IQ3) together are
// an entry of a codebook, with their signs apart (iqgrid.go has the codebooks).
// They are read here, not written: choosing entries needs the importance and a
// neighbour search for every codebook.
//
//	IQ2_XXS  d/8·(2sc+1)·±g      d f16; for 32: 4 B of index, u32: 4 × 7 signs, 4-bit sc
//	IQ2_XS   d/8·(2sc+1)·±g      d; 32 u16: 9-bit index, 7 signs; 8 B of 4-bit sc, one for 16
//	IQ2_S    d/8·(2sc+1)·±g      d; 32 B of index, 32 B of signs, 8 B of upper bits, 8 B of sc
//	IQ3_XXS  d/4·(2sc+1)·±g      d; 64 B of index; for 32 a u32 as in IQ2_XXS
//	IQ3_S    d·(2sc+1)·±g        d; 64 B of index, 8 B of upper bits, 32 B of signs, 4 B of sc
//	IQ1_S    d/8·(2sc+1)·(8g±1)  d; 32 B of index; for 32 a u16: 4 × 3 upper bits, sc, sign of 1
//	IQ1_M    d/8·(2sc+1)·(8g±1)  32 B of index, 16 B: 2 × (3 upper bits, sign of 1), 8 B of 3-bit sc and d
//
// Seven signs stand for eight: the number of minuses is even. The divisions are
// exact, so it is the same to make the scales integers.

func unpackIQ2_XXS(b *block, src []byte) {
	b.d = half(binary.LittleEndian.Uint16(src)) / 8
	for i := range 8 {
		part := src[2+8*i : 10+8*i]
		b.scale[i] = b.signedPart(i, binary.LittleEndian.Uint32(part[4:]), func(q []int8, l int) {
			grid2(q, &gridIQ2_XXS, int(part[l]))
		})
	}
}

func unpackIQ3_XXS(b *block, src []byte) {
	b.d = half(binary.LittleEndian.Uint16(src)) / 4
	for i := range 8 {
		index := src[2+8*i : 10+8*i]
		b.scale[i] = b.signedPart(i, binary.LittleEndian.Uint32(src[66+4*i:]), func(q []int8, l int) {
			grid3(q[:4], &gridIQ3_XXS, int(index[2*l]))
			grid3(q[4:], &gridIQ3_XXS, int(index[2*l+1]))
		})
	}
}

// signedPart fills 32 elements, of which word has the signs, and returns the scale it has.
func (b *block) signedPart(i int, word uint32, fill func(q []int8, l int)) int32 {
	for l := range 4 {
		q := b.q[32*i+8*l : 32*i+8*l+8]
		fill(q, l)
		sign(q, evenSigns(word>>(7*l)))
	}
	return 2*int32(word>>28) + 1
}

func unpackIQ2_XS(b *block, src []byte) {
	b.d = half(binary.LittleEndian.Uint16(src)) / 8
	for i := range 32 {
		word := binary.LittleEndian.Uint16(src[2+2*i:])
		q := b.q[8*i : 8*i+8]
		grid2(q, &gridIQ2_XS, int(word&511))
		sign(q, evenSigns(uint32(word>>9)))
	}
	b.oddScales(src[66:74])
}

func unpackIQ2_S(b *block, src []byte) {
	b.d = half(binary.LittleEndian.Uint16(src)) / 8
	for i := range 32 {
		high := int(src[66+i/4] >> (i % 4 * 2) & 3)
		q := b.q[8*i : 8*i+8]
		grid2(q, &gridIQ2_S, int(src[2+i])|high<<8)
		sign(q, src[34+i])
	}
	b.oddScales(src[74:82])
}

// oddScales reads 16 scales of four bits.
func (b *block) oddScales(src []byte) {
	for i := range b.scale {
		b.scale[i] = 2*int32(src[i/2]>>(i%2*4)&15) + 1
	}
}

func unpackIQ3_S(b *block, src []byte) {
	b.d = half(binary.LittleEndian.Uint16(src))
	for i := range 64 {
		high := int(src[66+i/8] >> (i % 8) & 1)
		grid3(b.q[4*i:4*i+4], &gridIQ3_S, int(src[2+i])|high<<8)
	}
	for i, s := range src[74:106] {
		sign(b.q[8*i:8*i+8], s)
	}
	for i := range 8 {
		b.scale[i] = 2*int32(src[106+i/2]>>(i%2*4)&15) + 1
	}
}

func unpackIQ1_S(b *block, src []byte) {
	b.d = half(binary.LittleEndian.Uint16(src)) / 8
	for i := range 8 {
		word := int(binary.LittleEndian.Uint16(src[34+2*i:]))
		for l := range 4 {
			b.grid1(4*i+l, int(src[2+4*i+l])|word>>(3*l)&7<<8, word>>15 != 0)
		}
		b.scale[i] = 2*int32(word>>12&7) + 1
	}
}

// unpackIQ1_M puts d together from the upper four bits of four words, the rest of which are
// five scales of three bits.
func unpackIQ1_M(b *block, src []byte) {
	var d uint16
	for i := range 4 {
		word := binary.LittleEndian.Uint16(src[48+2*i:])
		d |= word >> 12 << (4 * i)
		for l := range 4 {
			b.scale[4*i+l] = 2*int32(word>>(3*l)&7) + 1
		}
	}
	b.d = half(d) / 8
	for i := range 32 {
		high := int(src[32+i/2] >> (i % 2 * 4))
		b.grid1(i, int(src[i])|high&7<<8, high&8 != 0)
	}
}

// grid1 fills group i of eight with 8g+1, or 8g−1.
func (b *block) grid1(i, index int, minus bool) {
	delta := int8(1)
	if minus {
		delta = -1
	}
	q := b.q[8*i : 8*i+8]
	word := binary.LittleEndian.Uint16(gridIQ1[2*index:])
	for j := range q {
		q[j] = 8*(int8(word>>(2*j)&3)-1) + delta
	}
}

// steps2 are the levels of the two-bit codebooks.
var steps2 = [4]int8{8, 25, 43}

func grid2(q []int8, grid *[]byte, index int) {
	word := binary.LittleEndian.Uint16((*grid)[2*index:])
	for j := range q {
		q[j] = steps2[word>>(2*j)&3]
	}
}

func grid3(q []int8, grid *[512][4]int8, index int) { copy(q, grid[index][:]) }

// evenSigns adds the eighth sign to seven.
func evenSigns(seven uint32) byte {
	s := byte(seven & 127)
	return s | byte(bits.OnesCount8(s)&1<<7)
}

// sign turns elements negative where their bit is set.
func sign(q []int8, signs byte) {
	for j := range q {
		if signs>>j&1 != 0 {
			q[j] = -q[j]
		}
	}
}
