package series

import "math"

// nelderMead minimises a function of few variables inside a box without derivatives (Nelder and Mead, Computer Journal 7,
// 1965), with the dimension-dependent coefficients of Gao and Han (Comput. Optim. Appl. 51, 2012), which keep it useful for
// the 15 and more parameters of a seasonal model. A point outside the box is moved to its nearest face.
// The start, step and stopping rules are those of statsforecast 2.1, so that surfaces with many flat directions end at
// about the same point. Its buffers are reused from call to call.
type nelderMead struct {
	maxIter int     // at most that many steps
	tol     float64 // stop when the values at the corners have a smaller standard deviation
	step    float64 // first corners lie this share of each coordinate away; 1e-4 where a coordinate is 0

	n                int
	f                func([]float64) float64
	lo, hi           []float64
	corner           [][]float64
	value            []float64
	order            []int
	sum, centre, try []float64
	try2             []float64
	summed           bool // sum is that of the corners; accept keeps it so
}

func (o *nelderMead) resize(n int) {
	if o.n == n {
		return
	}
	o.n = n
	o.corner = make([][]float64, n+1)
	flat := make([]float64, (n+1)*n)
	for i := range o.corner {
		o.corner[i] = flat[i*n : (i+1)*n]
	}
	o.value, o.order = make([]float64, n+1), make([]int, n+1)
	o.sum, o.centre, o.try, o.try2 = make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
}

// minimise writes the best point over x and returns its value. NaN counts as +Inf.
func (o *nelderMead) minimise(f func([]float64) float64, x, lo, hi []float64) float64 {
	o.resize(len(x))
	o.f, o.lo, o.hi = f, lo, hi
	o.start(x)
	for iter := range o.maxIter {
		if iter%64 == 0 {
			o.summed = false // rounding must not build up
		}
		o.sort()
		if deviation(o.value) < o.tol {
			break
		}
		if !o.replaceWorst() {
			o.shrink()
		}
	}
	o.sort()
	copy(x, o.corner[o.order[0]])
	return o.value[o.order[0]]
}

func (o *nelderMead) boxed(v float64, i int) float64 { return min(max(v, o.lo[i]), o.hi[i]) }

func (o *nelderMead) eval(p []float64) float64 {
	if v := o.f(p); !math.IsNaN(v) {
		return v
	}
	return math.Inf(1)
}

// start sets the first corners: x, and a step along each coordinate.
func (o *nelderMead) start(x []float64) {
	for i := range x {
		x[i] = o.boxed(x[i], i)
	}
	for k, c := range o.corner {
		copy(c, x)
		if k < o.n {
			if c[k] == 0 {
				c[k] = 1e-4
			} else {
				c[k] *= 1 + o.step
			}
			c[k] = o.boxed(c[k], k)
		}
		o.value[k] = o.eval(c)
		o.order[k] = k
	}
	o.summed = false
}

// replaceWorst reflects the worst corner at the centre of the others, and goes farther or less far as the value there
// says; false where no point found is better.
func (o *nelderMead) replaceWorst() bool {
	n := float64(o.n)
	expand, contract := 1+2/n, 0.75-1/(2*n)
	best, second, worst := o.order[0], o.order[o.n-1], o.order[o.n]
	o.recentre(worst)
	fr := o.move(o.try, -1, o.corner[worst])
	switch {
	case o.value[best] <= fr && fr < o.value[second]:
		o.accept(worst, o.try, fr)
		return true
	case fr < o.value[best]:
		if fe := o.move(o.try2, expand, o.try); fe < fr {
			o.accept(worst, o.try2, fe)
		} else {
			o.accept(worst, o.try, fr)
		}
		return true
	case o.value[second] <= fr && fr < o.value[worst]:
		if fc := o.move(o.try2, contract, o.try); fc <= fr {
			o.accept(worst, o.try2, fc)
			return true
		}
	default:
		if fc := o.move(o.try2, -contract, o.try); fc < o.value[worst] {
			o.accept(worst, o.try2, fc)
			return true
		}
	}
	return false
}

// recentre writes the centre of all corners but one.
func (o *nelderMead) recentre(without int) {
	if !o.summed {
		clear(o.sum)
		for _, c := range o.corner {
			for i, v := range c {
				o.sum[i] += v
			}
		}
		o.summed = true
	}
	for i := range o.centre {
		o.centre[i] = (o.sum[i] - o.corner[without][i]) / float64(o.n)
	}
}

// move writes centre + s·(p − centre), kept in the box, and returns its value.
func (o *nelderMead) move(dst []float64, s float64, p []float64) float64 {
	for i, c := range o.centre {
		dst[i] = o.boxed(c+s*(p[i]-c), i)
	}
	return o.eval(dst)
}

// shrink draws all corners towards the best.
func (o *nelderMead) shrink() {
	best, by := o.order[0], 1-1/float64(o.n)
	o.summed = false
	for k, c := range o.corner {
		if k == best {
			continue
		}
		for i, b := range o.corner[best] {
			c[i] = o.boxed(b+by*(c[i]-b), i)
		}
		o.value[k] = o.eval(c)
	}
}

func (o *nelderMead) accept(k int, p []float64, v float64) {
	for i, old := range o.corner[k] {
		o.sum[i] += p[i] - old
		o.corner[k][i] = p[i]
	}
	o.value[k] = v
}

// sort orders the corners by value; the order of the step before is almost right.
func (o *nelderMead) sort() {
	for i := 1; i < len(o.order); i++ {
		for j := i; j > 0 && o.value[o.order[j]] < o.value[o.order[j-1]]; j-- {
			o.order[j], o.order[j-1] = o.order[j-1], o.order[j]
		}
	}
}

func deviation(v []float64) float64 {
	c, s := mean(v), 0.0
	for _, x := range v {
		s += (x - c) * (x - c)
	}
	return math.Sqrt(s / float64(len(v)))
}
