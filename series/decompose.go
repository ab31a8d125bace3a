package series

import "math"

// seasonalIndex is the classical decomposition: the mean of each season's ratio to (or difference from) a centred moving
// average over one season, scaled to mean 1 (shifted to mean 0). It returns the index of each of the m seasons, that of
// y[0] first. len(y) ≥ 2m, and y > 0 where multiplicative. (statsmodels seasonal_decompose, R decompose.)
func seasonalIndex(y []float64, m int, multiplicative bool) []float64 {
	n, half := len(y), m/2
	sum, count := make([]float64, m), make([]float64, m)
	for t := half; t < n-half; t++ {
		trend := 0.0
		if m%2 == 0 {
			trend = (y[t-half] + y[t+half]) / 2
			for _, v := range y[t-half+1 : t+half] {
				trend += v
			}
		} else {
			for _, v := range y[t-half : t+half+1] {
				trend += v
			}
		}
		trend /= float64(m)
		if multiplicative {
			sum[t%m] += y[t] / trend
		} else {
			sum[t%m] += y[t] - trend
		}
		count[t%m]++
	}
	for i := range sum {
		sum[i] /= count[i]
	}
	c := mean(sum)
	for i := range sum {
		if multiplicative {
			sum[i] /= c
		} else {
			sum[i] -= c
		}
	}
	return sum
}

// autocorrelation returns r[0..lags] of y; lags < len(y). A constant series has r = 0 beyond lag 0.
func autocorrelation(y []float64, lags int) []float64 {
	c, r := mean(y), make([]float64, lags+1)
	for k := range r {
		for t := k; t < len(y); t++ {
			r[k] += (y[t] - c) * (y[t-k] - c)
		}
	}
	r0 := r[0]
	for k := range r {
		if r0 > 0 {
			r[k] /= r0
		}
	}
	r[0] = 1
	return r
}

// seasonal adjusts a series for its season and puts the season back on forecasts.
type seasonal struct {
	index          []float64 // nil: no season
	multiplicative bool
}

// decomposed finds the season of y; multiplicative is a wish that zeros, negative values or an index below floor turn down.
func decomposed(y []float64, m int, multiplicative bool, floor float64) seasonal {
	for _, v := range y {
		multiplicative = multiplicative && v > 0
	}
	s := seasonal{index: seasonalIndex(y, m, multiplicative), multiplicative: multiplicative}
	if multiplicative {
		for _, v := range s.index {
			if v < floor {
				return seasonal{index: seasonalIndex(y, m, false)}
			}
		}
	}
	return s
}

// at is the index of step t, counted from the first value of the series: 1 or 0 where there is no season.
func (s seasonal) at(t int) float64 {
	if s.index == nil {
		return 0
	}
	return s.index[t%len(s.index)]
}

// adjust returns y without its season.
func (s seasonal) adjust(y []float64) []float64 {
	out := append([]float64(nil), y...)
	if s.index != nil {
		for t := range out {
			if s.multiplicative {
				out[t] /= s.at(t)
			} else {
				out[t] -= s.at(t)
			}
		}
	}
	return out
}

// restore puts the season of step t on an adjusted value.
func (s seasonal) restore(v float64, t int) float64 {
	if s.multiplicative {
		return v * s.at(t)
	}
	return v + s.at(t)
}

// scale is how much an error of the adjusted series at step t grows when the season is put back.
func (s seasonal) scale(t int) float64 {
	if s.multiplicative {
		return math.Abs(s.at(t))
	}
	return 1
}
