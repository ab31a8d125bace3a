package quant

// Searches for the scale (and least value) with which a few elements lose least,
// by weighted squared error. They are those of ggml-quants.c in what they try and
// in the order of every float32 operation, since the winner of a close race is
// visible in the bytes. Products are converted to float32 before they are added,
// which forbids fused arithmetic.

// tiny is what counts as nothing but zeros (GROUP_MAX_EPS).
const tiny = 1e-15

// meanSquare is Σx²/n.
func meanSquare(r row) float32 {
	var sum float32
	for _, v := range r.x {
		sum += float32(v * v)
	}
	return sum / float32(len(r.x))
}

// weigh is how importance enters: w = importance·√(mean + x²), so large elements
// count a little more than their column says.
func weigh(w []float32, r row, mean float32) {
	for i, v := range r.x {
		w[i] = r.importance[i] * sqrt(mean+float32(v*v))
	}
}

func square(w, x []float32) {
	for i, v := range x {
		w[i] = float32(v * v)
	}
}

// symmetric finds scale and 0 ≤ q < 2·levels with x ≈ scale·(q−levels): it tries 19 scales around
// that which maps the furthest element to −levels, each with the least-squares scale for the
// integers it gives (make_qx_quants).
func symmetric(q []uint8, x, w []float32, levels int) float32 {
	peak := furthest(x)
	if abs(peak) < tiny {
		clear(q)
		return 0
	}
	bestInverse := float32(-levels) / peak
	lx, l2 := project(x, w, bestInverse, levels)
	scale := quotient(lx, l2)
	best := scale * lx
	for try := -9; try <= 9; try++ {
		if try == 0 {
			continue
		}
		inverse := -(float32(levels) + float32(0.1*float32(try))) / peak
		lx, l2 := project(x, w, inverse, levels)
		if l2 > 0 && float32(lx*lx) > float32(best*l2) {
			scale = lx / l2
			best = scale * lx
			bestInverse = inverse
		}
	}
	for i, v := range x {
		q[i] = uint8(clamp(nearest(float32(bestInverse*v)), -levels, levels-1) + levels)
	}
	return scale
}

// shift rounds as in nearest, without leaving float32; what exceeds its range is cut off either way.
const shift = 0x1.8p23

// project returns Σw·x·l and Σw·l², l being x·inverse as an integer.
func project(x, w []float32, inverse float32, levels int) (lx, l2 float32) {
	w = w[:len(x)]
	low, high := float32(-levels), float32(levels-1)
	for i, v := range x {
		l := float32(inverse*v) + shift - shift
		if !(l > low) {
			l = low
		} else if l > high {
			l = high
		}
		lx += float32(float32(w[i]*v) * l)
		l2 += float32(float32(w[i]*l) * l)
	}
	return lx, l2
}

func quotient(a, b float32) float32 {
	if b == 0 {
		return 0
	}
	return a / b
}

// descend is symmetric with w = x² by coordinate descent: it moves one integer at a time while
// that helps, five rounds at most (make_q3_quants).
func descend(q []uint8, x []float32, levels int) float32 {
	peak := furthest(x)
	if abs(peak) < tiny {
		clear(q)
		return 0
	}
	var room [32]int
	l := room[:len(x)]
	inverse := float32(-levels) / peak
	var lx, l2 float32
	for i, v := range x {
		l[i] = clamp(nearest(float32(inverse*v)), -levels, levels-1)
		f, w := float32(l[i]), float32(v*v)
		lx += float32(float32(w*v) * f)
		l2 += float32(float32(w*f) * f)
	}
	for round, changed := 0, true; changed && round < 5; round++ {
		changed = false
		for i, v := range x {
			old, w := float32(l[i]), float32(v*v)
			slx := lx - float32(float32(w*v)*old)
			if slx <= 0 {
				continue
			}
			sl2 := l2 - float32(float32(w*old)*old)
			n := clamp(nearest(float32(v*sl2)/slx), -levels, levels-1)
			if n == l[i] {
				continue
			}
			f := float32(n)
			slx += float32(float32(w*v) * f)
			sl2 += float32(float32(w*f) * f)
			if sl2 > 0 && float32(float32(slx*slx)*l2) > float32(float32(lx*lx)*sl2) {
				l[i], lx, l2, changed = n, slx, sl2, true
			}
		}
	}
	for i, v := range l {
		q[i] = uint8(v + levels)
	}
	if l2 > 0 {
		return lx / l2
	}
	return 0
}

// tries are the scales that affine tries: levels + from, + from + step, ... steps times over the
// range of the elements.
type tries struct {
	from, step float32
	steps      int
	absolute   bool // the error is |x−x'|, not its square
}

// fine is what goes with an importance.
var fine = tries{from: -0.9, step: 0.05, steps: 36}

// affine finds scale, least ≤ 0 and 0 ≤ q ≤ levels with x ≈ scale·q + least: each try rounds with
// one scale and then solves for the best scale and least value for those integers. A better
// solution moves the range that later tries divide (make_qkx2_quants, make_qkx3_quants).
func affine(q []uint8, x, w []float32, levels int, t tries) (scale, least float32) {
	least, greatest := extremes(x)
	var sumW, sumX float32
	for i, v := range x {
		sumW += w[i]
		sumX += float32(w[i] * v)
	}
	if least > 0 {
		least = 0
	}
	if greatest <= least {
		clear(q)
		return 0, least
	}
	var room, bestRoom [32]float32 // integers, as floats
	now, chosen := room[:len(x)], bestRoom[:len(x)]
	n := float32(levels)
	inverse := n / (greatest - least)
	scale = 1 / inverse
	moments(chosen, x, w, inverse, least, n)
	best := loss(chosen, x, w, scale, least, t.absolute)
	for s := range t.steps + 1 {
		inverse = (t.from + float32(t.step*float32(s)) + n) / (greatest - least)
		l, l2, lx := moments(now, x, w, inverse, least, n)
		det := float32(sumW*l2) - float32(l*l)
		if !(det > 0) {
			continue
		}
		a := (float32(sumW*lx) - float32(sumX*l)) / det
		b := (float32(l2*sumX) - float32(l*lx)) / det
		if b > 0 {
			a, b = lx/l2, 0
		}
		if e := loss(now, x, w, a, b, t.absolute); e < best {
			now, chosen = chosen, now
			best, scale, least = e, a, b
		}
	}
	for i, v := range chosen {
		q[i] = uint8(v)
	}
	return scale, least
}

// moments stores (x−least)·inverse as integers and returns Σw·q, Σw·q² and Σw·q·x.
func moments(q, x, w []float32, inverse, least, levels float32) (l, l2, lx float32) {
	q, w = q[:len(x)], w[:len(x)]
	for i, v := range x {
		f := float32(inverse*(v-least)) + shift - shift
		if !(f > 0) {
			f = 0
		} else if f > levels {
			f = levels
		}
		q[i] = f
		wf := float32(w[i] * f)
		l += wf
		l2 += float32(wf * f)
		lx += float32(wf * v)
	}
	return l, l2, lx
}

// loss is Σw·|scale·q + least − x|, or of the squares.
func loss(q, x, w []float32, scale, least float32, absolute bool) (sum float32) {
	q, w = q[:len(x)], w[:len(x)]
	if absolute {
		for i, v := range x {
			sum += float32(w[i] * abs(float32(scale*q[i])+least-v))
		}
		return sum
	}
	for i, v := range x {
		d := float32(scale*q[i]) + least - v
		sum += float32(w[i] * float32(d*d))
	}
	return sum
}

// positive finds scale and 0 ≤ q ≤ levels with x ≈ scale·q for x ≥ 0, the scales of a super-block:
// nine scales, then coordinate descent (make_qp_quants).
func positive(q []uint8, x, w []float32, levels int) float32 {
	var peak float32
	for _, v := range x {
		peak = max(peak, v)
	}
	if peak < tiny {
		clear(q)
		return 0
	}
	inverse := float32(levels) / peak
	best := positiveLoss(x, w, inverse, 255)
	for try := -4; try <= 4; try++ {
		if try == 0 {
			continue
		}
		now := (float32(0.1*float32(try)) + float32(levels)) / peak
		if e := positiveLoss(x, w, now, levels); e < best {
			best, inverse = e, now
		}
	}
	var lx, l2 float32
	for i, v := range x {
		l := min(nearest(float32(inverse*v)), levels)
		q[i] = uint8(l)
		f := float32(l)
		lx += float32(float32(w[i]*v) * f)
		l2 += float32(float32(w[i]*f) * f)
	}
	for round, changed := 0, true; changed && round < 5; round++ {
		changed = false
		for i, v := range x {
			old := float32(q[i])
			slx := lx - float32(float32(w[i]*v)*old)
			sl2 := l2 - float32(float32(w[i]*old)*old)
			if slx <= 0 || sl2 <= 0 {
				continue
			}
			n := min(nearest(float32(v*sl2)/slx), levels)
			if n == int(q[i]) {
				continue
			}
			f := float32(n)
			slx += float32(float32(w[i]*v) * f)
			sl2 += float32(float32(w[i]*f) * f)
			if float32(float32(slx*slx)*l2) > float32(float32(lx*lx)*sl2) {
				q[i], lx, l2, changed = uint8(n), slx, sl2, true
			}
		}
	}
	if l2 > 0 {
		return lx / l2
	}
	return 0
}

func positiveLoss(x, w []float32, inverse float32, levels int) (sum float32) {
	scale := 1 / inverse
	for i, v := range x {
		d := v - float32(scale*float32(min(nearest(float32(inverse*v)), levels)))
		sum += float32(float32(w[i]*d) * d)
	}
	return sum
}
