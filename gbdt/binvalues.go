package gbdt

import "math"

// binValues writes the bins of values. Four of them go through the bounds together and without branches: each step of
// one search waits for the last, and half of its branches would be predicted wrong.
func binValues[B uint8 | uint16, V float32 | float64](m *binMapper, out []B, values []V) {
	out = out[:len(values)]
	i := 0
	if !m.categorical {
		for ; i+4 <= len(values); i += 4 {
			a, b, c, d := float64(values[i]), float64(values[i+1]), float64(values[i+2]), float64(values[i+3])
			if sum := a + b + c + d; sum-sum != 0 { // one is NaN or infinite
				for k := range 4 {
					out[i+k] = B(m.bin(float64(values[i+k])))
				}
				continue
			}
			ia, ib, ic, id := search4(m.upper, a, b, c, d)
			out[i], out[i+1], out[i+2], out[i+3] = B(ia), B(ib), B(ic), B(id)
		}
	}
	for ; i < len(values); i++ {
		out[i] = B(m.bin(float64(values[i])))
	}
}

// search4 finds for each of four finite values the first bound that it does not exceed; the last bound is infinite.
func search4(upper []float64, a, b, c, d float64) (ia, ib, ic, id int) {
	for n := len(upper); n > 1; {
		half := n / 2
		u := upper[half-1:]
		// the sign of bound − value, spread over all bits, is −1 where the value is larger
		ia += half & int(int64(math.Float64bits(u[ia]-a))>>63)
		ib += half & int(int64(math.Float64bits(u[ib]-b))>>63)
		ic += half & int(int64(math.Float64bits(u[ic]-c))>>63)
		id += half & int(int64(math.Float64bits(u[id]-d))>>63)
		n -= half
	}
	return
}
