package quant

import "encoding/binary"

// The K formats: super-blocks of 256 elements in 8 parts of 32 or 16 parts of
// 16, each part with an integer scale, Q2_K, Q4_K and Q5_K with an integer
// minimum too.
//
//	Q2_K  d·sc·q − dmin·m       16 B (sc | m<<4), 64 B of q, d, dmin f16
//	Q3_K  d·(sc−32)·(q−4)       32 B of third bits, 64 B of q, 12 B of sc, d
//	Q4_K  d·sc·q − dmin·m       d, dmin, 12 B of sc and m, 128 B of q
//	Q5_K  d·sc·q − dmin·m       d, dmin, 12 B of sc and m, 32 B of fifth bits, 128 B of q
//	Q6_K  d·sc·(q−32)           128 B of lower, 64 B of upper bits, 16 int8 sc, d
//	Q8_K  d·q                   d f32, 256 int8, 16 int16 sums of 16 q
//
// Two-bit fields: byte l of each half of 128 elements holds l, l+32, l+64 and l+96.

// parts is a super-block on its way into bytes.
type parts struct {
	d, dmin    uint16 // f16
	scale, min [16]uint8
	q          [super]uint8
}

// kind is what the formats with minima differ in.
type kind struct {
	part   int   // elements of a part
	levels int   // q is 0 to levels
	most   uint8 // scales and minima are 0 to most
	plain  tries // without importance
	rms    bool  // plain weights are rms + |x|, not |x|
	twice  bool  // importance is weighed with twice the mean square
}

var (
	kindQ2_K = kind{part: 16, levels: 3, most: 15, plain: tries{-0.5, 0.1, 15, true}}
	kindQ4_K = kind{part: 32, levels: 15, most: 63, plain: tries{-1, 0.1, 20, false}, rms: true, twice: true}
	kindQ5_K = kind{part: 32, levels: 31, most: 63, plain: tries{-0.5, 0.1, 15, false}, rms: true, twice: true}
)

// fit fills p with 256 elements: a search in each part, integers for the parts' scales and
// minima, and then the elements again with the scales as they will be read.
func (k *kind) fit(p *parts, r row) {
	var scales, mins, sums [16]float32
	var room [32]float32
	n := super / k.part
	w := room[:k.part]
	mean := meanSquare(r)
	if k.twice {
		mean *= 2
	}
	for j := range n {
		b, q := r.part(j*k.part, (j+1)*k.part), p.q[j*k.part:(j+1)*k.part]
		t := k.plain
		if b.importance != nil {
			weigh(w, b, mean)
			t = fine
		} else {
			k.weighPlain(w, b.x)
		}
		for _, v := range w {
			sums[j] += v
		}
		scale, least := affine(q, b.x, w, k.levels, t)
		scales[j], mins[j] = scale, -least
	}
	if r.importance != nil {
		p.d = toHalf(positive(p.scale[:n], scales[:n], sums[:n], int(k.most)))
		p.dmin = toHalf(positive(p.min[:n], mins[:n], sums[:n], int(k.most)))
	} else {
		p.d = share(p.scale[:n], scales[:n], k.most)
		p.dmin = share(p.min[:n], mins[:n], k.most)
	}
	d, dmin := half(p.d), half(p.dmin)
	for j := range n {
		scale, minimum := d*float32(p.scale[j]), float32(dmin*float32(p.min[j]))
		if scale == 0 {
			continue
		}
		for i := j * k.part; i < (j+1)*k.part; i++ {
			p.q[i] = uint8(clamp(nearest((r.x[i]+minimum)/scale), 0, k.levels))
		}
	}
}

func (k *kind) weighPlain(w, x []float32) {
	var base float32
	if k.rms {
		base = sqrt(meanSquare(row{x: x}))
	}
	for i, v := range x {
		w[i] = base + abs(v)
	}
}

// share stores x as integers of one scale, the greatest being most, and returns the scale as f16.
func share(q []uint8, x []float32, most uint8) uint16 {
	var peak, inverse float32
	for _, v := range x {
		peak = max(peak, v)
	}
	if peak > 0 {
		inverse = float32(most) / peak
	}
	for i, v := range x {
		q[i] = min(most, uint8(nearest(float32(inverse*v))))
	}
	return toHalf(peak / float32(most))
}

func packQ2_K(dst []byte, r row) {
	var p parts
	for i := 0; i < len(r.x); i, dst = i+super, dst[84:] {
		kindQ2_K.fit(&p, r.part(i, i+super))
		for j := range 16 {
			dst[j] = p.scale[j] | p.min[j]<<4
		}
		packTwoBits(dst[16:80], p.q[:])
		binary.LittleEndian.PutUint16(dst[80:], p.d)
		binary.LittleEndian.PutUint16(dst[82:], p.dmin)
	}
}

func unpackQ2_K(b *block, src []byte) {
	b.d, b.dmin = half(binary.LittleEndian.Uint16(src[80:])), half(binary.LittleEndian.Uint16(src[82:]))
	for j, v := range src[:16] {
		b.scale[j], b.min[j] = int32(v&15), int32(v>>4)
	}
	unpackTwoBits(b.q[:], src[16:80])
}

// packTwoBits stores the two lower bits of 256 elements.
func packTwoBits(dst []byte, q []uint8) {
	for h := range 2 {
		d, q := dst[32*h:32*h+32], q[128*h:128*h+128]
		for l := range d {
			d[l] = q[l]&3 | q[l+32]&3<<2 | q[l+64]&3<<4 | q[l+96]<<6
		}
	}
}

func unpackTwoBits(q []int8, src []byte) {
	for h := range 2 {
		s, q := src[32*h:32*h+32], q[128*h:128*h+128]
		for l, v := range s {
			q[l], q[l+32], q[l+64], q[l+96] = int8(v&3), int8(v>>2&3), int8(v>>4&3), int8(v>>6)
		}
	}
}

// packQ3_K has q without a minimum and a scale with a sign. Without importance the parts are
// fitted by descend, with importance by symmetric.
func packQ3_K(dst []byte, r row) {
	var p parts
	var scales, sums [16]float32
	var w [16]float32
	for i := 0; i < len(r.x); i, dst = i+super, dst[110:] {
		b := r.part(i, i+super)
		mean := 2 * meanSquare(b)
		for j := range 16 {
			part, q := b.part(16*j, 16*j+16), p.q[16*j:16*j+16]
			if b.importance == nil {
				scales[j] = descend(q, part.x, 4)
				continue
			}
			weigh(w[:], part, mean)
			sums[j] = 0
			for _, v := range w {
				sums[j] += v
			}
			scales[j] = symmetric(q, part.x, w[:], 4)
		}
		if b.importance != nil {
			p.d = toHalf(symmetric(p.scale[:], scales[:], sums[:], 32))
		} else {
			p.d = shareSigned(p.scale[:], scales[:])
		}
		d := half(p.d)
		for j := range 16 {
			scale := d * float32(int(p.scale[j])-32)
			if scale == 0 {
				continue
			}
			for l := 16 * j; l < 16*j+16; l++ {
				p.q[l] = uint8(clamp(nearest(b.x[l]/scale), -4, 3) + 4)
			}
		}
		p.writeQ3_K(dst[:110])
	}
}

// shareSigned stores x as integers −32 to 31 of one scale, plus 32; the furthest becomes −32.
func shareSigned(q []uint8, x []float32) uint16 {
	peak := furthest(x)
	if peak == 0 {
		clear(q)
		return 0
	}
	inverse := -32 / peak
	for i, v := range x {
		q[i] = uint8(clamp(int(int8(nearest(float32(inverse*v)))), -32, 31) + 32)
	}
	return toHalf(1 / inverse)
}

func (p *parts) writeQ3_K(dst []byte) {
	clear(dst)
	for i, v := range p.q {
		dst[i%32] |= v >> 2 << (i / 32)
	}
	packTwoBits(dst[32:96], p.q[:])
	for j, v := range p.scale {
		dst[96+j%8] |= v & 15 << (j / 8 * 4)
		dst[104+j%4] |= v >> 4 << (j / 4 * 2)
	}
	binary.LittleEndian.PutUint16(dst[108:], p.d)
}

func unpackQ3_K(b *block, src []byte) {
	b.d = half(binary.LittleEndian.Uint16(src[108:]))
	for j := range b.scale {
		b.scale[j] = int32(src[96+j%8]>>(j/8*4)&15|src[104+j%4]>>(j/4*2)&3<<4) - 32
	}
	unpackTwoBits(b.q[:], src[32:96])
	for g := range 8 {
		for l, v := range src[:32] {
			b.q[32*g+l] += int8(v>>g&1)<<2 - 4
		}
	}
}

func packQ4_K(dst []byte, r row) {
	var p parts
	for i := 0; i < len(r.x); i, dst = i+super, dst[144:] {
		kindQ4_K.fit(&p, r.part(i, i+super))
		p.writeScales(dst)
		for c := range 4 {
			packNibbles(dst[16+32*c:48+32*c], p.q[64*c:])
		}
	}
}

func unpackQ4_K(b *block, src []byte) {
	b.readScales(src)
	for c := range 4 {
		unpackNibbles(b.q[64*c:], src[16+32*c:48+32*c], 0)
	}
}

func packQ5_K(dst []byte, r row) {
	var p parts
	for i := 0; i < len(r.x); i, dst = i+super, dst[176:] {
		kindQ5_K.fit(&p, r.part(i, i+super))
		p.writeScales(dst)
		high := dst[16:48]
		clear(high)
		for j, v := range p.q {
			high[j%32] |= v >> 4 << (j / 32)
		}
		for c := range 4 {
			packNibbles(dst[48+32*c:80+32*c], p.q[64*c:])
		}
	}
}

func unpackQ5_K(b *block, src []byte) {
	b.readScales(src)
	for c := range 4 {
		unpackNibbles(b.q[64*c:], src[48+32*c:80+32*c], 0)
	}
	for g := range 8 {
		for l, v := range src[16:48] {
			b.q[32*g+l] += int8(v >> g & 1 << 4)
		}
	}
}

// writeScales stores d, dmin and 8 scales and minima of six bits in 16 bytes: the first four of each
// in the lower bits of a byte, of the others the lower four bits in a byte together and the
// upper two above the first four.
func (p *parts) writeScales(dst []byte) {
	binary.LittleEndian.PutUint16(dst, p.d)
	binary.LittleEndian.PutUint16(dst[2:], p.dmin)
	b := dst[4:16]
	for j := range 4 {
		s, m := p.scale[j+4], p.min[j+4]
		b[j] = p.scale[j] | s>>4<<6
		b[j+4] = p.min[j] | m>>4<<6
		b[j+8] = s&15 | m<<4
	}
}

func (b *block) readScales(src []byte) {
	b.d, b.dmin = half(binary.LittleEndian.Uint16(src)), half(binary.LittleEndian.Uint16(src[2:]))
	s := src[4:16]
	for j := range 4 {
		b.scale[j], b.min[j] = int32(s[j]&63), int32(s[j+4]&63)
		b.scale[j+4], b.min[j+4] = int32(s[j+8]&15|s[j]>>6<<4), int32(s[j+8]>>4|s[j+4]>>6<<4)
	}
}

func packQ6_K(dst []byte, r row) {
	var p parts
	var scales [16]float32
	var w [16]float32
	for i := 0; i < len(r.x); i, dst = i+super, dst[210:] {
		b := r.part(i, i+super)
		for j := range 16 {
			part := b.part(16*j, 16*j+16)
			weights := part.importance
			if weights == nil {
				square(w[:], part.x)
				weights = w[:]
			}
			scales[j] = symmetric(p.q[16*j:16*j+16], part.x, weights, 32)
		}
		peak := furthest(scales[:])
		if abs(peak) < tiny {
			clear(dst[:210])
			continue
		}
		inverse := -128 / peak
		p.d = toHalf(1 / inverse)
		d := half(p.d)
		for j := range 16 {
			integer := int8(min(127, nearest(float32(inverse*scales[j]))))
			p.scale[j] = uint8(integer)
			scale := d * float32(integer)
			if scale == 0 {
				continue
			}
			for l := 16 * j; l < 16*j+16; l++ {
				p.q[l] = uint8(clamp(nearest(b.x[l]/scale), -32, 31) + 32)
			}
		}
		p.writeQ6_K(dst[:210])
	}
}

func (p *parts) writeQ6_K(dst []byte) {
	for h := range 2 {
		low, high, q := dst[64*h:64*h+64], dst[128+32*h:160+32*h], p.q[128*h:128*h+128]
		packNibbles(low, q)
		for l := range high {
			high[l] = q[l]>>4 | q[l+32]>>4<<2 | q[l+64]>>4<<4 | q[l+96]>>4<<6
		}
	}
	copy(dst[192:208], p.scale[:])
	binary.LittleEndian.PutUint16(dst[208:], p.d)
}

func unpackQ6_K(b *block, src []byte) {
	b.d = half(binary.LittleEndian.Uint16(src[208:]))
	for j, v := range src[192:208] {
		b.scale[j] = int32(int8(v))
	}
	for h := range 2 {
		q := b.q[128*h : 128*h+128]
		unpackNibbles(q, src[64*h:64*h+64], 32)
		for l, v := range src[128+32*h : 160+32*h] {
			q[l] += int8(v & 3 << 4)
			q[l+32] += int8(v >> 2 & 3 << 4)
			q[l+64] += int8(v >> 4 & 3 << 4)
			q[l+96] += int8(v >> 6 << 4)
		}
	}
}

// packQ8_K is for activations: the element furthest from 0 becomes −127.
func packQ8_K(dst []byte, r row) {
	for x := r.x; len(x) > 0; x, dst = x[super:], dst[292:] {
		clear(dst[:292])
		peak := furthest(x[:super])
		if peak == 0 {
			continue
		}
		inverse := -127 / peak
		putFloat(dst, 1/inverse)
		var sums [16]int16
		for i, v := range x[:super] {
			q := int8(min(127, nearest(float32(inverse*v))))
			dst[4+i] = byte(q)
			sums[i/16] += int16(q)
		}
		for j, v := range sums {
			binary.LittleEndian.PutUint16(dst[260+2*j:], uint16(v))
		}
	}
}

func unpackQ8_K(b *block, src []byte) {
	b.d, b.scale[0] = getFloat(src), 1
	copyInt8(b.q[:], src[4:260])
}
