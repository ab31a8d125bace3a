package series

import (
	"fmt"
	"math"
)

// AR is a linear regression of the series on its own lags, with an optional line and a dummy for each season, fitted by
// least squares. Without Lags the lags 1…p of least AICc are taken, every p judged on the same points.
type AR struct {
	// Lags are the lags used, each ≥ 1; default: 1…p with p ≤ MaxLag chosen by AICc.
	Lags []int
	// MaxLag bounds the choice; default one season and a quarter (at least 8) and at most a third of the series.
	MaxLag int
	// Trend adds a straight line in time.
	Trend bool
	// Seasonal adds a level for each season where the series has two of them.
	Seasonal bool
}

var _ Method = AR{}

// Name implements [Method].
func (AR) Name() string { return "AR" }

// ARFit is a fitted [AR].
type ARFit struct {
	Lags         []int
	Coefficients []float64 // of the lags
	Intercept    float64
	Slope        float64   // per step, time counted from 1 at the first value; 0 without Trend
	Season       []float64 // added in each season, that of the first value first; nil without Seasonal
	AICc, Sigma2 float64

	resid, tail []float64
	n           int
}

// Fit implements [Method]; one point is enough, though where no regression has a degree of freedom it is [Naive].
// The result is an [*ARFit] otherwise.
func (a AR) Fit(y []float64, m int) (Fitted, error) {
	m, err := check(a.Name(), y, m, 1)
	if err != nil {
		return nil, err
	}
	for _, l := range a.Lags {
		if l < 1 {
			return nil, fmt.Errorf("series: AR: lag %d: want 1 or more", l)
		}
	}
	if constant(y) {
		return Naive{}.Fit(y, m)
	}
	period := 0
	if a.Seasonal && m > 1 && len(y) >= 2*m {
		period = m
	}
	var best *ARFit
	if a.Lags != nil {
		best = a.regress(y, a.Lags, maximum(a.Lags), period)
	} else {
		most := min(defaulted(a.MaxLag, max(8, m+m/4)), len(y)/3)
		if lags, ok := a.choose(y, most, period); ok {
			// the order is known: use the points that the longest lag had put aside
			if best = a.regress(y, lags, len(lags), period); best == nil {
				best = a.regress(y, lags, most, period)
			}
		}
	}
	if best == nil {
		return Naive{}.Fit(y, m)
	}
	return best, nil
}

func maximum(v []int) int {
	most := 0
	for _, x := range v {
		most = max(most, x)
	}
	return most
}

// choose returns the lags 1…p of least AICc, p ≤ most; none where no order leaves a degree of freedom.
func (a AR) choose(y []float64, most, period int) (lags []int, ok bool) {
	lags = make([]int, most)
	for i := range lags {
		lags[i] = i + 1
	}
	cols := a.columns(y, lags, most, period)
	n, always, left := len(y)-most, len(cols)-most, reflect(cols, y[most:]).left
	best, order := 0.0, -1
	for p := 0; p <= most && always+p < len(left) && n-always-p-2 > 0; p++ {
		if v := regressionAICc(left[always+p], n, always+p); order < 0 || v < best {
			best, order = v, p
		}
	}
	if order < 0 {
		return nil, false
	}
	return lags[:order], true
}

// regressionAICc is that of k coefficients and a variance fitted to n points.
func regressionAICc(sse float64, n, k int) float64 {
	q := float64(k + 1)
	return float64(n)*math.Log(max(sse, math.SmallestNonzeroFloat64)/float64(n)) + 2*q + 2*q*(q+1)/(float64(n)-q-1)
}

// columns of the regression of y[from:], the lags last.
func (a AR) columns(y []float64, lags []int, from, period int) [][]float64 {
	n := len(y) - from
	var cols [][]float64
	add := func(f func(t int) float64) {
		c := make([]float64, n)
		for i := range c {
			c[i] = f(from + i)
		}
		cols = append(cols, c)
	}
	add(func(int) float64 { return 1 })
	if a.Trend {
		add(func(t int) float64 { return float64(t + 1) })
	}
	for j := 1; j < period; j++ {
		add(func(t int) float64 {
			if t%period == j {
				return 1
			}
			return 0
		})
	}
	for _, l := range lags {
		cols = append(cols, y[from-l:len(y)-l])
	}
	return cols
}

// regress fits y[from:]; nil where there are too few points or the columns are collinear.
func (a AR) regress(y []float64, lags []int, from, period int) *ARFit {
	n := len(y) - from
	k := 1 + len(lags) + max(period-1, 0)
	if a.Trend {
		k++
	}
	if n-k-2 <= 0 {
		return nil
	}
	b, sse, ok := leastSquares(a.columns(y, lags, from, period), y[from:])
	if !ok {
		return nil
	}
	f := &ARFit{Lags: lags, Intercept: b[0], n: len(y), Sigma2: sse / float64(n-k), Coefficients: b[len(b)-len(lags):]}
	b = b[1:]
	if a.Trend {
		f.Slope, b = b[0], b[1:]
	}
	if period > 0 {
		f.Season = append([]float64{0}, b[:period-1]...)
	}
	f.AICc = regressionAICc(sse, n, k)
	f.resid = make([]float64, len(y))
	for t := range y {
		if f.resid[t] = math.NaN(); t >= from {
			f.resid[t] = y[t] - f.next(t, func(l int) float64 { return y[t-l] })
		}
	}
	f.tail = append([]float64(nil), y[len(y)-min(len(y), max(maximum(lags), 1)):]...)
	return f
}

// next is the regression at step t, counted from 0 at the first value.
func (f *ARFit) next(t int, back func(lag int) float64) float64 {
	v := f.Intercept + f.Slope*float64(t+1)
	if f.Season != nil {
		v += f.Season[t%len(f.Season)]
	}
	for i, l := range f.Lags {
		v += f.Coefficients[i] * back(l)
	}
	return v
}

// Residuals implements [Fitted]; steps before the longest lag have none.
func (f *ARFit) Residuals() []float64 { return f.resid }

// Forecast implements [Fitted]: forecasts stand in for lags not yet seen. The error variance is σ²·Σψ², ψ the weights of
// past errors; that the coefficients are estimates is not in it.
func (f *ARFit) Forecast(h int) Forecast {
	out := newForecast(h)
	past := append([]float64(nil), f.tail...)
	psi, sum := make([]float64, len(out.Mean)), 0.0
	for k := range out.Mean {
		v := f.next(f.n+k, func(l int) float64 { return past[len(past)-l] })
		past = append(past, v)
		out.Mean[k] = v
		if k == 0 {
			psi[k] = 1
		}
		for i, l := range f.Lags {
			if k >= l {
				psi[k] += f.Coefficients[i] * psi[k-l]
			}
		}
		sum += psi[k] * psi[k]
		out.Sigma[k] = math.Sqrt(f.Sigma2 * sum)
	}
	return out
}
