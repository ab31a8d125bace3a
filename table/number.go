package table

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// number is a decimal number taken apart: value = ±mant · 10^exp.
type number struct {
	mant    uint64
	exp     int
	neg     bool
	whole   bool // written without decimal mark and exponent
	zeros   bool // whole and written with leading zeros, like 007: rather a name than a number
	inexact bool // more digits than mant holds; the text itself must be asked
}

var pow10 = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return
}()

// float10 holds the powers of ten that float64 represents exactly.
var float10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
	1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// scanNumber reads the decimal number at the start of b and returns how many bytes it takes; 0 means no number.
// It reads [+-]digits[mark digits][e[+-]digits] with at least one digit before the exponent, and nothing else: no
// blanks, no Inf, no hexadecimal.
func scanNumber(b []byte, mark byte) (x number, n int) {
	i := 0
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		x.neg = b[i] == '-'
		i++
	}
	start := i
	mant, i := scanDigits(b, i, 0)
	digits := i - start
	x.zeros = digits > 1 && b[start] == '0'
	x.whole = true
	if i < len(b) && b[i] == mark {
		point := i + 1
		mant, i = scanDigits(b, point, mant)
		if digits == 0 && i == point {
			return x, 0
		}
		x.exp = point - i
		digits += i - point
		x.whole, x.zeros = false, false
	}
	if digits == 0 {
		return x, 0
	}
	if digits > 19 {
		// Leading zeros are no digits; without them 19 always fit into 64 bits.
		j := start
		for j < i && (b[j] == '0' || b[j] == mark) {
			if b[j] == '0' {
				digits--
			}
			j++
		}
		x.inexact = digits > 19
	}
	x.mant = mant
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		j, sign := i+1, 1
		if j < len(b) && (b[j] == '-' || b[j] == '+') {
			if b[j] == '-' {
				sign = -1
			}
			j++
		}
		first, e := j, 0
		for ; j < len(b) && b[j]-'0' <= 9; j++ {
			if e < 1<<20 { // far past any float64; keeps e from overflowing
				e = e*10 + int(b[j]-'0')
			}
		}
		if j > first {
			x.exp += sign * e
			x.whole, x.zeros = false, false
			i = j
		}
	}
	return x, i
}

// scanDigits appends the digits of b from i on to mant (modulo 2^64) and returns the index behind them.
func scanDigits(b []byte, i int, mant uint64) (uint64, int) {
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		// Eight digits at once: every byte is 0x30…0x39 iff its high nibble is 3 before and after adding 6.
		if w&0xf0f0f0f0f0f0f0f0|(w+0x0606060606060606)&0xf0f0f0f0f0f0f0f0>>4 != 0x3333333333333333 {
			break
		}
		w -= 0x3030303030303030
		w = w*10 + w>>8 // pairs
		w = ((w&0x000000ff000000ff)*0x000f424000000064 + (w>>16&0x000000ff000000ff)*0x0000271000000001) >> 32
		mant = mant*1e8 + w
		i += 8
	}
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		mant = mant*10 + uint64(b[i]-'0')
	}
	return mant, i
}

// int64 gives the value of a whole number, false where it does not fit.
func (x number) int64() (int64, bool) {
	switch {
	case !x.whole || x.inexact:
		return 0, false
	case x.neg && x.mant <= 1<<63:
		return -int64(x.mant), true
	case !x.neg && x.mant < 1<<63:
		return int64(x.mant), true
	}
	return 0, false
}

// float64 gives the float64 nearest to the number, ties to even, as strconv.ParseFloat does. text is what scanNumber
// read; it is asked only for numbers of more than 19 digits or beyond 10^±22.
func (x number) float64(text []byte, mark byte) float64 {
	var f float64
	switch {
	case x.inexact:
		return parseFloatSlow(text, mark)
	case x.mant < 1<<53 && x.exp == 0:
		f = float64(x.mant)
	case x.mant < 1<<53 && x.exp < 0 && x.exp >= -22:
		f = float64(x.mant) / float10[-x.exp] // both exact, so one rounding: Clinger 1990
	case x.mant < 1<<53 && x.exp > 0 && x.exp <= 22:
		f = float64(x.mant) * float10[x.exp]
	case x.exp < 0 && x.exp >= -19:
		f = divPow10(x.mant, pow10[-x.exp])
	default:
		return parseFloatSlow(text, mark)
	}
	if x.neg {
		return -f
	}
	return f
}

// divPow10 is m/d correctly rounded, for m >= 2^53 and d = 10^k, k in [1, 19]: the 17-digit decimals that repr writes.
// The 128-bit division is exact, its remainder decides ties; results lie in [2^53/10^19, 2^64/10], so never subnormal.
func divPow10(m, d uint64) float64 {
	// Shift m to 128 bits so that the quotient has 63 or 64 bits: hi < d must hold for Div64.
	lm, ld := bits.LeadingZeros64(m), bits.LeadingZeros64(d)
	hi := m << lm >> ld // top bits aligned to d
	lo := m << lm << (64 - ld)
	if ld == 0 {
		lo = 0
	}
	shift := lm + 64 - ld // (hi, lo) = m · 2^shift
	if hi >= d {
		lo = lo>>1 | hi<<63
		hi >>= 1
		shift--
	}
	q, r := bits.Div64(hi, lo, d)
	lz := bits.LeadingZeros64(q) // 0 or 1
	// Round q to 53 bits.
	drop := 11 - lz
	tail := q & (1<<drop - 1)
	half := uint64(1) << (drop - 1)
	q >>= drop
	if tail > half || tail == half && (r != 0 || q&1 == 1) {
		q++
	}
	return math.Ldexp(float64(q), drop-shift)
}

// parseFloatSlow asks strconv. Numbers too large become ±Inf, as everywhere in IEEE arithmetic.
func parseFloatSlow(text []byte, mark byte) float64 {
	s := string(text)
	if mark != '.' {
		b := []byte(s)
		for i := range b {
			if b[i] == mark {
				b[i] = '.'
			}
		}
		s = string(b)
	}
	f, _ := strconv.ParseFloat(s, 64) // the syntax was checked; the only error left is overflow, with ±Inf
	return f
}

// parseFloat reads a whole cell: a number, or inf, infinity, nan in any case with a sign.
func parseFloat(b []byte, mark byte) (float64, bool) {
	if x, n := scanNumber(b, mark); n > 0 && n == len(b) {
		return x.float64(b, mark), true
	}
	if len(b) < 3 || len(b) > 9 {
		return 0, false
	}
	sign, s := 1, b
	if s[0] == '-' || s[0] == '+' {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	switch {
	case equalFold(s, "inf"), equalFold(s, "infinity"):
		return math.Inf(sign), true
	case equalFold(s, "nan"):
		return math.NaN(), true
	}
	return 0, false
}

// equalFold compares b with an ASCII lower-case word.
func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// appendFloat writes the shortest text that reads back as v: plain digits where that is not longer than it must be.
func appendFloat(b []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return b
	case math.IsInf(v, 1):
		return append(b, "inf"...)
	case math.IsInf(v, -1):
		return append(b, "-inf"...)
	}
	if a := math.Abs(v); a != 0 && (a < 1e-5 || a >= 1e17) {
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}
