package kernel

import "testing"

// The loops read and compute what they claim: the sum of ones is their number, and the rates are
// those of a machine, not of a loop that was left out.
func TestPeakLoops(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		x := make([]float32, 1024)
		for i := range x {
			x[i] = 1
		}
		// The assembly gives one lane's sum; all lanes see the same.
		if got := peakReadRun(x) * float32(peakFMAShape()); got != 1024 {
			t.Errorf("sum of 1024 ones is %v", got)
		}
		peakFMARun(10, 0.5, 1)
	})
	if got := peakFMAGeneric(3, 0.5, 1); got != 8*1.75 {
		t.Errorf("three rounds give %v, want 14", got)
	}
}

func TestPeakRates(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds and 512 MiB")
	}
	fma, read := PeakFMA(1), PeakRead(1)
	t.Logf("peak-fma %.1f GFLOP/s, peak-read %.1f GB/s, 1 thread", fma, read)
	if fma < 0.1 || fma > 1000 || read < 0.1 || read > 2000 { // no core ever had or lacked that
		t.Errorf("peak-fma %v GFLOP/s, peak-read %v GB/s", fma, read)
	}
}
