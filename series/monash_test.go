package series

import (
	"math"
	"testing"
	"time"
)

// monashMASE is the mean MASE of the Monash archive's protocol: the last horizon points are the test, one origin; where
// the whole series is integer, so is the forecast.
func monashMASE(t testing.TB, rows []tsfRow, forecast func(y []float64, h int) []float64) (plain, rounded float64) {
	for _, r := range rows {
		n := len(r.y) - r.horizon
		train, test := r.y[:n], r.y[n:]
		f := forecast(train, r.horizon)
		plain += mase(train, test, f, 12)
		whole := true
		for _, v := range r.y {
			whole = whole && v == math.Trunc(v)
		}
		if whole {
			for i := range f {
				f[i] = math.Round(f[i])
			}
		}
		rounded += mase(train, test, f, 12)
	}
	return plain / float64(len(rows)), rounded / float64(len(rows))
}

func TestMonash(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute")
	}
	methods := []Method{Theta{}, ETS{}, ARIMA{}}
	for _, set := range []string{"hospital", "cif_2016"} {
		rows := readTSF(t, set)
		for _, method := range methods {
			start := time.Now()
			plain, rounded := monashMASE(t, rows, func(y []float64, h int) []float64 {
				f, err := method.Fit(y, 12)
				if err != nil {
					t.Fatal(err)
				}
				return f.Forecast(h).Mean
			})
			t.Logf("%-9s %-24s %.4f  rounded %.4f  %v", set, method.Name(), plain, rounded, time.Since(start).Round(time.Millisecond))
		}
	}
}
