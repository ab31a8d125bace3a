package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// The sizes of peak.c, beside which these figures stand.
const (
	peakRounds    = 20_000_000
	peakBytes     = 512 << 20
	peakRuns      = 5
	peakFMARounds = 20_000 // one call: some 100 µs, as assembly cannot be preempted
	peakReadFloat = 1 << 18
)

// PeakFMA measures how many GFLOP/s of float32 multiply-adds threads threads reach together on
// registers alone: the roof of every product. It takes the best of five runs, some seconds. A path
// without assembly measures its Go loop.
func PeakFMA(threads int) float64 {
	threads = max(threads, 1)
	lanes, chains, rounds := peakFMAShape(), 24, peakRounds
	if lanes == 1 {
		chains, rounds = 8, peakRounds/10
	} else if lanes == 8 {
		chains = 12
		rounds *= 2
	}
	best := peakTime(threads, func(int) {
		for done := 0; done < rounds; done += peakFMARounds {
			peakFMARun(peakFMARounds, 0.999, 1e-6)
		}
	})
	return 2 * float64(lanes*chains) * float64(rounds) * float64(threads) / best.Seconds() / 1e9
}

// PeakRead measures how many GB/s threads threads read from memory together, each from 512 MiB of
// its own: the roof of every product of few rows. It takes the best of five runs.
func PeakRead(threads int) float64 {
	threads = max(threads, 1)
	mem := make([][]float32, threads)
	for i := range mem {
		mem[i] = make([]float32, peakBytes/4)
		for j := range mem[i] {
			mem[i][j] = 1 // a page that was never written is not there
		}
	}
	var sink atomic.Uint64
	best := peakTime(threads, func(i int) {
		var s float32
		for x := mem[i]; len(x) > 0; x = x[peakReadFloat:] {
			s += peakReadRun(x[:peakReadFloat])
		}
		sink.Add(uint64(s))
	})
	return peakBytes * float64(threads) / best.Seconds() / 1e9
}

// peakTime is the shortest time in which all threads do work, from a common start.
func peakTime(threads int, work func(i int)) time.Duration {
	best := time.Duration(1 << 62)
	for range peakRuns {
		var ready, done sync.WaitGroup
		var start atomic.Bool
		for i := range threads {
			ready.Add(1)
			done.Go(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				ready.Done()
				for !start.Load() {
					runtime.Gosched()
				}
				work(i)
			})
		}
		ready.Wait()
		begin := time.Now()
		start.Store(true)
		done.Wait()
		best = min(best, time.Since(begin))
	}
	return best
}

// peakFMAGeneric is n rounds of acc = acc·x + y on eight accumulators; its result only keeps the
// compiler from leaving them out.
func peakFMAGeneric(n int, x, y float32) float32 {
	var a, b, c, d, e, f, g, h float32
	for range n {
		a, b, c, d = a*x+y, b*x+y, c*x+y, d*x+y
		e, f, g, h = e*x+y, f*x+y, g*x+y, h*x+y
	}
	return a + b + c + d + e + f + g + h
}

func peakReadGeneric(x []float32) float32 {
	var a, b, c, d float32
	for ; len(x) >= 4; x = x[4:] {
		a, b, c, d = a+x[0], b+x[1], c+x[2], d+x[3]
	}
	return a + b + c + d
}
