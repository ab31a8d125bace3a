package kernel

// interleave puts row r's block of the file into its place among 16.
func (l *qLayout) interleave(dst, src []byte, format QFormat, r int) {
	copy(dst[2*r:], src[l.d:l.d+2])
	if l.m > 0 {
		copy(dst[2*qRows+2*r:], src[l.m:l.m+2])
	}
	dst = dst[l.head():]
	for u := range l.columns / qUnit {
		scales := scalesOf(format, src, u)
		for i := range l.scales {
			dst[i*qRows+r] = scales[i]
		}
		planes := dst[l.scales*qRows : l.unit()]
		if raw := rawOf(format, src, u); raw != nil {
			for i := 0; len(raw) >= 4; i, raw = i+4*qRows, raw[4:] {
				putWord(planes[i+4*r:], leWord(raw))
			}
		} else {
			q := unitOf(format, src, u)
			l.put(planes, &q, r)
		}
		dst = dst[l.unit():]
	}
}

// rawOf is a unit of a format whose plane is the file's bytes; nil for the others.
func rawOf(format QFormat, b []byte, u int) []byte {
	switch format {
	case Q8_0:
		return b[2:34]
	case Q4_0, IQ4_NL:
		return b[2:18]
	case Q4_1:
		return b[4:20]
	case IQ4_XS:
		return b[8+16*u : 24+16*u]
	}
	return nil
}

// scalesOf are the scales of unit u of a K block, and its minima (ggml-quants.c, dequantize_row_*).
func scalesOf(format QFormat, b []byte, u int) (s [2]byte) {
	switch format {
	case Q2_K: // s in lower halves, m in upper
		s = [2]byte(b[2*u : 2*u+2])
	case Q3_K:
		for p := range s {
			j := 2*u + p
			s[p] = b[96+j%8]>>(j/8*4)&15 | b[104+j%4]>>(j/4*2)&3<<4 - 32
		}
	case Q4_K, Q5_K:
		s[0], s[1] = scaleK4(b[4:16], u)
	case Q6_K:
		s = [2]byte(b[192+2*u : 194+2*u])
	case IQ4_XS:
		s[0] = b[4+u/2]>>(u%2*4)&15 | b[2+u/4]>>(u%4*2)&3<<4 - 32
	}
	return s
}

// scaleK4 is scale and minimum j of the 12 bytes that hold eight of each in 6 bits (ggml-quants.c, get_scale_min_k4).
func scaleK4(b []byte, j int) (s, m byte) {
	if j < 4 {
		return b[j] & 63, b[j+4] & 63
	}
	return b[j+4]&15 | b[j-4]>>6<<4, b[j+4]>>4 | b[j]>>6<<4
}

// qWords are the q of a unit, a byte each: word i has columns 4i … 4i+3.
type qWords [qUnit / 4]uint32

// each is 1 in every byte.
const each = 0x01010101

// unitOf takes unit u out of a block of the file.
func unitOf(format QFormat, b []byte, u int) (q qWords) {
	half, quarter := u/4, u%4 // of 128 columns, whose units lie in the same bytes
	switch format {
	case Q5_0:
		q.nibbles(b[6:])
		q.fifth(leWord(b[2:]))
	case Q5_1:
		q.nibbles(b[8:])
		q.fifth(leWord(b[4:]))
	case Q2_K:
		q.add(b[16+32*half:], 2*quarter, 3, 0)
	case Q3_K:
		q.add(b[32+32*half:], 2*quarter, 3, 0)
		q.add(b, u, 1, 2)
	case Q4_K:
		q.add(b[16+u/2*32:], u%2*4, 15, 0)
	case Q5_K:
		q.add(b[48+u/2*32:], u%2*4, 15, 0)
		q.add(b[16:], u, 1, 4)
	case Q6_K:
		q.add(b[64*half+quarter%2*32:], quarter/2*4, 15, 0)
		q.add(b[128+32*half:], 2*quarter, 3, 4)
	}
	return q
}

// add puts bits of 32 bytes, from down on, into place.
func (q *qWords) add(b []byte, down int, mask uint32, place int) {
	b = b[:4*len(q)]
	for i := range q {
		q[i] |= leWord(b[4*i:]) >> down & (mask * each) << place
	}
}

// nibbles are the lower halves of 16 bytes, then the upper.
func (q *qWords) nibbles(b []byte) {
	for i := range 4 {
		w := leWord(b[4*i:])
		q[i], q[i+4] = w&(15*each), w>>4&(15*each)
	}
}

// fifth sets bit 4 of column c where that of bits is.
func (q *qWords) fifth(bits uint32) {
	for i := range q {
		q[i] |= bits >> (4 * i) & 15 * 0x00204081 & each << 4 // the product spreads four bits over the bytes
	}
}

// put stores a row's unit in its planes, of 4 bits or 2 and the rest.
func (l *qLayout) put(dst []byte, q *qWords, r int) {
	var w qWords
	n := l.low // words of the first plane
	switch l.low {
	case 4:
		for i := range 4 {
			w[i] = q[i]&(15*each) | q[i+4]&(15*each)<<4
		}
	case 2:
		for i, v := range q {
			w[i/4] |= v & (3 * each) << (i % 4 * 2)
		}
	}
	for i, v := range q {
		switch v = v >> l.low; l.high {
		case 1:
			w[n] |= v & each << i
		case 2:
			w[n+i/4] |= v & (3 * each) << (i % 4 * 2)
		}
	}
	dst = dst[4*r:]
	for i, v := range w[:n+l.high] {
		putWord(dst[i*4*qRows:], v)
	}
}

// element is q of row r, column c of a unit: what put has stored.
func (l *qLayout) element(planes []byte, r, c int) byte {
	g := c / 4
	at := func(word int) byte { return planes[word*4*qRows+4*r+c%4] }
	var q byte
	switch l.low {
	case 8:
		return at(g)
	case 4:
		q = at(g%4) >> (g / 4 * 4) & 15
	case 2:
		q = at(g/4) >> (g % 4 * 2) & 3
	}
	switch l.high {
	case 1:
		q |= at(l.low) >> g & 1 << l.low
	case 2:
		q |= at(l.low+g/4) >> (g % 4 * 2) & 3 << l.low
	}
	return q
}
