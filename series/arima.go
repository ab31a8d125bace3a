package series

import (
	"fmt"
	"math"
	"slices"
)

// ARIMA is a seasonal ARIMA model whose orders are found by Hyndman and Khandakar's stepwise search (J. Stat. Softw. 27(3),
// 2008; R's auto.arima, statsforecast's AutoARIMA): a seasonal difference where the season is strong (STL, above 0.64), as
// many differences as the KPSS test asks for (5 %, at most 2), then the orders of least AICc. Each is fitted by conditional
// least squares and from there by exact maximum likelihood; models with roots within 1 % of the unit circle are passed over.
type ARIMA struct {
	// MaxOrder bounds p and q, default 5; seasonal orders are at most 2.
	MaxOrder int
	// MaxModels bounds the models tried, default 94.
	MaxModels int
}

var _ Method = ARIMA{}

// Name implements [Method].
func (a ARIMA) Name() string { return "ARIMA" }

// ARIMAFit is a fitted [ARIMA] model.
type ARIMAFit struct {
	P, D, Q                           int // order
	SeasonalP, SeasonalD, SeasonalQ   int
	Season                            int
	AR, MA, SeasonalAR, SeasonalMA    []float64
	Constant                          bool
	Mean                              float64 // of the differenced series: the mean, the drift per step (d = 1) or per season (D = 1)
	Sigma2                            float64
	LogLik, AICc                      float64
	resid, tail, ahead, phiFull, psi0 []float64
}

// Fit implements [Method]; one point is enough, though below four it is [Naive]. The result is an [*ARIMAFit] unless the
// series was constant or no model could be fitted.
func (a ARIMA) Fit(y []float64, m int) (Fitted, error) {
	m, err := check(a.Name(), y, m, 1)
	if err != nil {
		return nil, err
	}
	if len(y) < 4 || constant(y) {
		return Naive{}.Fit(y, m)
	}
	s := arimaSearch{y: y, m: m, most: defaulted(a.MaxOrder, 5), models: defaulted(a.MaxModels, 94), tried: map[arimaOrder]bool{}}
	if s.most > 15 {
		return nil, fmt.Errorf("series: ARIMA: largest order %d: want at most 15", s.most)
	}
	best := s.run()
	if best == nil {
		return Drift{}.Fit(y, m)
	}
	return best, nil
}

// differences chooses d and D.
func differences(y []float64, m int) (d, sd int, w []float64) {
	w = y
	if m > 1 && len(y) > 2*m && seasonalStrength(y, m) > 0.64 {
		sd, w = 1, difference(w, m)
	}
	x := w
	for d < 2 && len(x) > 3 && !constant(x) && kpss(x) > 0.463 {
		d++
		w = difference(w, 1)
		// statsforecast drops one more value before each further test; the decision at the edge depends on it
		if x = difference(x, 1); len(x) > 1 {
			x = x[1:]
		}
	}
	return d, sd, w
}

func difference(y []float64, lag int) []float64 {
	out := make([]float64, len(y)-lag)
	for t := range out {
		out[t] = y[t+lag] - y[t]
	}
	return out
}

// kpss is the statistic of Kwiatkowski, Phillips, Schmidt and Shin (J. Econom. 54, 1992) for a constant level, with
// Bartlett weights over ⌊3√n/13⌋ lags; 0.463 is its 5 % point.
func kpss(y []float64) float64 {
	n, c := len(y), mean(y)
	lags := int(3 * math.Sqrt(float64(n)) / 13)
	sum, eta, long := 0.0, 0.0, 0.0
	for t := range y {
		sum += y[t] - c
		eta += sum * sum
		long += (y[t] - c) * (y[t] - c)
	}
	for k := 1; k <= lags; k++ {
		s := 0.0
		for t := k; t < n; t++ {
			s += (y[t] - c) * (y[t-k] - c)
		}
		long += 2 * s * (1 - float64(k)/float64(lags+1))
	}
	if !(long > 0) {
		return 0
	}
	return eta / float64(n) / long
}

type arimaSearch struct {
	y      []float64
	m      int
	most   int
	models int
	work   *arimaWork
	best   *ARIMAFit
	at     arimaOrder
	tried  map[arimaOrder]bool
}

// run walks from four simple models to better neighbours until there is none.
func (s *arimaSearch) run() *ARIMAFit {
	d, sd, w := differences(s.y, s.m)
	if len(w) < 2 {
		return nil
	}
	s.work = newARIMAWork(w, s.m)
	constantOK := d+sd <= 1
	base := arimaOrder{d: d, sd: sd, constant: constantOK}
	if constant(w) {
		s.work.order = base
		return s.work.deterministic(s.y, w[0])
	}
	n := len(s.y)
	most, seasons := min(s.most, n/3), 0
	if s.m > 1 {
		most = min(most, s.m-1)
		seasons = min(2, n/3/s.m)
	}
	limit := func(v, most int) int { return min(v, most) }
	start, one, oneS := 2, min(1, most), min(1, seasons)
	if n < 10 {
		start = 1
	}
	first := base
	first.p, first.q = limit(start, most), limit(start, most)
	if n >= 10 {
		first.sp, first.sq = oneS, oneS
	}
	s.try(first)
	s.try(base)
	ar, ma := base, base
	ar.p, ar.sp = one, oneS
	ma.q, ma.sq = one, oneS
	s.try(ar)
	s.try(ma)
	if constantOK {
		plain := base
		plain.constant = false
		s.try(plain)
	}
	for s.step(most, seasons, constantOK) {
	}
	return s.best
}

// step tries the neighbours of the best order in auto.arima's sequence and tells whether one was better.
func (s *arimaSearch) step(most, seasons int, constantOK bool) bool {
	moves := [][2]int{{-1, 0}, {0, -1}, {1, 0}, {0, 1}, {-1, -1}, {-1, 1}, {1, -1}, {1, 1}}
	for _, v := range moves {
		o := s.at
		o.sp, o.sq = o.sp+v[0], o.sq+v[1]
		if o.sp >= 0 && o.sq >= 0 && o.sp <= seasons && o.sq <= seasons && s.try(o) {
			return true
		}
	}
	for _, v := range moves {
		o := s.at
		o.p, o.q = o.p+v[0], o.q+v[1]
		if o.p >= 0 && o.q >= 0 && o.p <= most && o.q <= most && s.try(o) {
			return true
		}
	}
	o := s.at
	o.constant = !o.constant
	return constantOK && s.try(o)
}

// try fits an order not tried before and tells whether it is the best so far.
func (s *arimaSearch) try(o arimaOrder) bool {
	if s.tried[o] || len(s.tried) >= s.models {
		return false
	}
	s.tried[o] = true
	f := s.work.fit(s.y, o)
	if f == nil || s.best != nil && f.AICc >= s.best.AICc {
		return false
	}
	s.best, s.at = f, o
	return true
}

// fit estimates one order; nil where there are too few points or a root is too close to the unit circle.
func (a *arimaWork) fit(y []float64, o arimaOrder) *ARIMAFit {
	a.order = o
	n, k := len(a.w), o.p+o.q+o.sp+o.sq
	if o.constant {
		k++
	}
	npar := k + 1
	if n-npar-1 <= 0 {
		return nil
	}
	x, value, ok := a.estimate(k)
	if !ok {
		return nil
	}
	mu := a.expand(x, true)
	f := a.describe(mu)
	f.LogLik = -float64(n) * (value + 0.5 + 0.5*math.Log(2*math.Pi))
	f.AICc = -2*f.LogLik + 2*float64(npar) + 2*float64(npar*(npar+1))/float64(n-npar-1)
	ssq := 0.0
	var resid []float64
	a.filter(mu, func(t int, v, fv float64) {
		ssq += v * v / fv
		resid = append(resid, v)
	})
	f.Sigma2 = ssq / float64(n-npar+1)
	f.finish(y, resid, a)
	return f
}

// estimate returns the k parameters and their likelihood; false where a root stays too close to the unit circle.
//
// The exact likelihood of an overdifferenced series piles up at a moving-average root of 1, far from where the conditional
// one is best (Kang 1975; Sargan and Bhargava, Econometrica 51, 1983). There the conditional estimate stands, so that the
// search does not lose the whole branch of models; statsforecast's estimates are conditional ones too.
func (a *arimaWork) estimate(k int) (x []float64, value float64, ok bool) {
	x = make([]float64, k)
	quasiNewton(a.conditional, x, 100)
	started := a.startable(x)
	if !started {
		clear(x)
	}
	first := slices.Clone(x)
	value = quasiNewton(a.likelihood, x, 100)
	if a.sound(x, value) {
		return x, value, true
	}
	value = a.likelihood(first)
	return first, value, started && a.sound(first, value)
}

// sound tells whether the likelihood is finite and no root near the unit circle.
func (a *arimaWork) sound(x []float64, value float64) bool {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return false
	}
	a.expand(x, true)
	return !nearUnit(a.phi, 1) && !nearUnit(a.theta, -1)
}

// startable replaces conditional estimates of the AR parts by unbounded parameters; false where they are not stationary.
func (a *arimaWork) startable(x []float64) bool {
	o := a.order
	for _, part := range [][]float64{x[:o.p], x[o.p+o.q : o.p+o.q+o.sp]} {
		r := toPartial(part)
		for i, v := range r {
			if !(math.Abs(v) < 0.999) {
				return false
			}
			r[i] = math.Atanh(v)
		}
		copy(part, r)
	}
	v := a.likelihood(x)
	return !math.IsNaN(v) && !math.IsInf(v, 0)
}

// nearUnit tells whether 1 − sign·Σc[i]·zⁱ⁺¹ has a root within 1.01 of the origin: scaled by 1.01 it is then not stationary.
// As in statsforecast a polynomial of degree 1 is not looked at: an MA(1) close to −1 after a difference stays a candidate.
func nearUnit(c []float64, sign float64) bool {
	last := len(c)
	for last > 0 && math.Abs(c[last-1]) <= 1e-8 {
		last--
	}
	if last < 2 {
		return false
	}
	scaled, power := make([]float64, last), 1.0
	for i := range scaled {
		power *= 1.01
		scaled[i] = sign * c[i] * power
	}
	for _, r := range toPartial(scaled) {
		if !(math.Abs(r) < 1) {
			return true
		}
	}
	return false
}

func (a *arimaWork) describe(mu float64) *ARIMAFit {
	o := a.order
	part := append([]float64(nil), a.par...)
	if len(part) < o.p+o.q+o.sp+o.sq {
		part = make([]float64, o.p+o.q+o.sp+o.sq)
	}
	f := &ARIMAFit{P: o.p, D: o.d, Q: o.q, SeasonalP: o.sp, SeasonalD: o.sd, SeasonalQ: o.sq, Season: a.m, Constant: o.constant, Mean: mu}
	f.AR, part = part[:o.p], part[o.p:]
	f.MA, part = part[:o.q], part[o.q:]
	f.SeasonalAR, part = part[:o.sp], part[o.sp:]
	f.SeasonalMA = part[:o.sq]
	return f
}

// deterministic is the model of a series whose differences are all the same: no error.
func (a *arimaWork) deterministic(y []float64, step float64) *ARIMAFit {
	if !a.order.constant {
		step = 0
	}
	a.phi, a.theta, a.par = nil, nil, nil
	f := a.describe(step)
	f.AICc, f.LogLik = math.Inf(-1), math.Inf(1)
	resid := make([]float64, len(a.w))
	for i, v := range a.w {
		resid[i] = v - step
	}
	f.finish(y, resid, a)
	return f
}

// finish keeps what forecasts need: the last values, the forecasts of the differenced series' state and polynomials.
func (f *ARIMAFit) finish(y, resid []float64, a *arimaWork) {
	lost := len(y) - len(resid)
	f.resid = make([]float64, len(y))
	for t := range f.resid {
		f.resid[t] = math.NaN()
		if t >= lost {
			f.resid[t] = resid[t-lost]
		}
	}
	f.tail = append([]float64(nil), y[len(y)-lost:]...)
	f.ahead = make([]float64, max(len(a.phi), len(a.theta)+1))
	if len(a.phi)+len(a.theta) > 0 {
		copy(f.ahead, a.buf[:len(f.ahead)]) // filter leaves its last state there
	}
	f.phiFull = append([]float64(nil), a.phi...)
	f.psi0 = append([]float64(nil), a.theta...)
}

// Residuals implements [Fitted]; the values that differencing used up have none.
func (f *ARIMAFit) Residuals() []float64 { return f.resid }

// Forecast implements [Fitted]. The error variance is σ²·Σψ², ψ the weights of past errors in the undifferenced series.
func (f *ARIMAFit) Forecast(h int) Forecast {
	out := newForecast(h)
	a := arimaWork{phi: f.phiFull}
	state := append([]float64(nil), f.ahead...)
	past := append([]float64(nil), f.tail...)
	delta := []float64{1} // (1−B)ᵈ(1−Bᵐ)ᴰ
	for range f.D {
		delta = times(delta, 1)
	}
	for range f.SeasonalD {
		delta = times(delta, f.Season)
	}
	psi := make([]float64, len(out.Mean))
	sum := 0.0
	for k := range out.Mean {
		v := f.Mean + state[0]
		a.transition(state, state)
		for i, c := range delta[1:] {
			v -= c * past[len(past)-1-i]
		}
		past = append(past, v)
		out.Mean[k] = v

		// ψ of the ARMA part, then summed up by the differences; psi holds those of the whole
		w := 0.0
		if k == 0 {
			w = 1
		} else if k <= len(f.psi0) {
			w = f.psi0[k-1]
		}
		psi[k] = w
		for i, c := range delta[1:] {
			if k-i-1 >= 0 {
				psi[k] -= c * psi[k-i-1]
			}
		}
		for i, c := range f.phiFull { // φ(B)·Δ(B)ψ: apply φ to the differenced weights
			for j, e := range delta {
				if k-i-1-j >= 0 {
					psi[k] += c * e * psi[k-i-1-j]
				}
			}
		}
		sum += psi[k] * psi[k]
		out.Sigma[k] = math.Sqrt(f.Sigma2 * sum)
	}
	return out
}

// times multiplies a polynomial by 1 − Bˡᵃᵍ.
func times(p []float64, lag int) []float64 {
	out := make([]float64, len(p)+lag)
	for i, v := range p {
		out[i] += v
		out[i+lag] -= v
	}
	return out
}
