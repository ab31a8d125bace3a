package metric

import "math"

const seasonalTestZ = 1.645 // 90 % two-sided: M4-methods, Benchmarks and Evaluation.R, SeasonalityTest

// Naive2 is the benchmark that OWA is measured against: the last value carried forward after classical multiplicative
// deseasonalisation, if the series passes the seasonality test, times the indices of the months ahead (M4-methods:
// Benchmarks and Evaluation.R). It returns h steps and whether the test was passed; an empty history gives NaN.
//
// The test: n ≥ 3m, m > 1 and |r_m| > 1.645·√((1 + 2·Σ_{k<m} r_k²)/n) with autocorrelations r. R computes lags up to
// 10·log₁₀(n) only; a season beyond that counts as not seasonal, here as there. gluonts' Naive2 uses another test.
// Values of zero or below make the ratios of the decomposition meaningless; as in the reference they are not refused.
func Naive2(train []float64, h, m int) (forecast []float64, seasonal bool) {
	forecast = make([]float64, max(h, 0))
	n := len(train)
	if n == 0 {
		for i := range forecast {
			forecast[i] = math.NaN()
		}
		return forecast, false
	}
	seasonal = m4Seasonal(train, m)
	if !seasonal {
		for i := range forecast {
			forecast[i] = train[n-1]
		}
		return forecast, false
	}
	index := m4Indices(train, m)
	last := train[n-1] / index[(n-1)%m]
	for i := range forecast {
		forecast[i] = last * index[(n+i)%m]
	}
	return forecast, true
}

func m4Seasonal(x []float64, m int) bool {
	n := len(x)
	if m < 2 || m > n/3 || float64(m) > math.Floor(10*math.Log10(float64(n))) {
		return false
	}
	mean := 0.0
	for _, v := range x {
		mean += v / float64(n)
	}
	var total float64
	for _, v := range x {
		total += (v - mean) * (v - mean)
	}
	acf := func(k int) float64 {
		s := 0.0
		for t := k; t < n; t++ {
			s += (x[t] - mean) * (x[t-k] - mean)
		}
		return s / total
	}
	sum := 1.0
	for k := 1; k < m; k++ {
		sum += 2 * acf(k) * acf(k)
	}
	return math.Abs(acf(m)) > seasonalTestZ*math.Sqrt(sum/float64(n))
}

// m4Indices are the m multiplicative seasonal indices of R's decompose: means of x over its centred moving average, by
// position in the season, scaled to mean 1.
func m4Indices(x []float64, m int) []float64 {
	half := m / 2
	sum, count := make([]float64, m), make([]float64, m)
	for t := half; t+half < len(x); t++ {
		avg := 0.0
		for k := -half; k <= half; k++ {
			w := 1.0
			if m%2 == 0 && (k == -half || k == half) {
				w = 0.5
			}
			avg += w * x[t+k]
		}
		sum[t%m] += x[t] * float64(m) / avg
		count[t%m]++
	}
	mean := 0.0
	for i := range sum {
		sum[i] /= count[i]
		mean += sum[i] / float64(m)
	}
	for i := range sum {
		sum[i] /= mean
	}
	return sum
}
