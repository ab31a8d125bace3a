package series

import "math"

// etsFilter runs the recursions of exponential smoothing over a series: the inner loop of every estimate. One value waits
// for the one before, so the time of a step is that of the longest chain of operations from one level to the next. They
// are written to keep it short: (1 − α)·q + α·p rather than q + α·(p − q), as α·p waits for nothing.
type etsFilter struct {
	alpha, beta, gamma, phi float64
	level, trend            float64
	season                  []float64 // of the first value at 0; overwritten
	relative                bool      // errors are shares of the forecast
}

// run returns the sum of squared errors and, of relative ones, the sum of log |forecast|.
func (f *etsFilter) run(y []float64, s etsShape) (sse, logs float64) {
	switch {
	case s.trend == 'M':
		return f.factors(y, s)
	case s.season == 'A':
		return f.additive(y)
	case s.season == 'M':
		return f.multiplicative(y)
	}
	return f.plain(y)
}

// gathered adds log(product) to sum where the product has become too large or small for another factor; most factors then
// cost a multiplication and no logarithm.
func gathered(sum, product float64) (float64, float64) {
	if product < 1e200 && product > 1e-200 {
		return sum, product
	}
	return sum + math.Log(product), 1
}

// share is the error e of a forecast as a part of it.
func share(e, forecast float64) float64 {
	if math.Abs(forecast) < 1e-10 {
		return e / (forecast + 1e-10)
	}
	return e / forecast
}

// plain has no season. u is the damped trend, q the level expected of the next value.
func (f *etsFilter) plain(y []float64) (sse, logs float64) {
	keep, pull := 1-f.alpha, f.phi*f.beta
	l, u, product := f.level, f.phi*f.trend, 1.0
	for _, v := range y {
		q := l + u
		e := v - q
		if f.relative {
			e = share(e, q)
			logs, product = gathered(logs, product*math.Abs(q))
		}
		sse += e * e
		l = keep*q + f.alpha*v
		u = f.phi*u + pull*v - pull*q
	}
	return sse, logs + math.Log(product)
}

// additive adds a season.
func (f *etsFilter) additive(y []float64) (sse, logs float64) {
	keep, pull, j := 1-f.alpha, f.phi*f.beta, 0
	l, u, product := f.level, f.phi*f.trend, 1.0
	for _, y := range y {
		s := f.season[j]
		v, q := y-s, l+u
		e := v - q
		f.season[j] = s + f.gamma*e
		if j++; j == len(f.season) {
			j = 0
		}
		if f.relative {
			e = share(e, q+s)
			logs, product = gathered(logs, product*math.Abs(q+s))
		}
		sse += e * e
		l = keep*q + f.alpha*v
		u = f.phi*u + pull*v - pull*q
	}
	return sse, logs + math.Log(product)
}

// multiplicative multiplies by a season.
func (f *etsFilter) multiplicative(y []float64) (sse, logs float64) {
	keep, pull, j := 1-f.alpha, f.phi*f.beta, 0
	l, u, product := f.level, f.phi*f.trend, 1.0
	for _, y := range y {
		s := f.season[j]
		v, q := ratio(y, s), l+u
		e := y - q*s
		f.season[j] = s + f.gamma*(ratio(y, q)-s)
		if j++; j == len(f.season) {
			j = 0
		}
		if f.relative {
			e = share(e, q*s)
			logs, product = gathered(logs, product*math.Abs(q*s))
		}
		sse += e * e
		l = keep*q + f.alpha*v
		u = f.phi*u + pull*v - pull*q
	}
	return sse, logs + math.Log(product)
}

// factors has a multiplicative trend, with or without a season; its powers cost more than any order of operations saves.
func (f *etsFilter) factors(y []float64, s etsShape) (sse, logs float64) {
	l, b, product := f.level, f.trend, 1.0
	for t, v := range y {
		step, c, j := math.Pow(b, f.phi), 0.0, 0
		q := l * step
		forecast := q
		if s.season != 'N' {
			j = t % len(f.season)
			c = f.season[j]
			if s.season == 'A' {
				forecast += c
			} else {
				forecast *= c
			}
		}
		e := v - forecast
		if f.relative {
			e = share(e, forecast)
			logs, product = gathered(logs, product*math.Abs(forecast))
		}
		sse += e * e
		if l, b, c = s.update(v, q, l, step, c, f.alpha, f.beta, f.gamma); s.season != 'N' {
			f.season[j] = c
		}
	}
	return sse, logs + math.Log(product)
}
