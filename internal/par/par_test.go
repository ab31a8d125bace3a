package par

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func withThreads(t testing.TB, n int) {
	t.Helper()
	SetThreads(n)
	t.Cleanup(func() { SetThreads(0); Stop() })
}

// Every index once, chunk boundaries at multiples of grain, for any number of threads.
func TestForCoversInFixedChunks(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		t.Run(fmt.Sprint(threads), func(t *testing.T) {
			withThreads(t, threads)
			for _, n := range []int{0, 1, 2, 7, 64, 1000} {
				for _, grain := range []int{-1, 1, 3, 64, 2000} {
					seen := make([]atomic.Int32, n)
					g := max(grain, 1)
					ForWorker(n, grain, func(worker, lo, hi int) {
						if lo%g != 0 || hi != min(lo+g, n) || worker < 0 || worker >= threads {
							t.Errorf("n %d, grain %d: worker %d got [%d, %d)", n, grain, worker, lo, hi)
						}
						for i := lo; i < hi; i++ {
							seen[i].Add(1)
						}
					})
					For(n, grain, func(lo, hi int) {
						for i := lo; i < hi; i++ {
							seen[i].Add(1)
						}
					})
					for i := range seen {
						if c := seen[i].Load(); c != 2 {
							t.Fatalf("n %d, grain %d: index %d visited %d times", n, grain, i, c)
						}
					}
				}
			}
		})
	}
}

func TestNestedAndConcurrentRunInline(t *testing.T) {
	withThreads(t, 4)
	var sum atomic.Int64
	done := make(chan struct{})
	for range 4 {
		go func() {
			for range 200 {
				For(8, 1, func(lo, hi int) {
					For(8, 2, func(lo, hi int) { sum.Add(int64(hi - lo)) })
				})
			}
			done <- struct{}{}
		}()
	}
	for range 4 {
		<-done
	}
	if want := int64(4 * 200 * 8 * 8); sum.Load() != want {
		t.Errorf("sum %d, want %d", sum.Load(), want)
	}
}

func TestPanicReachesTheCaller(t *testing.T) {
	withThreads(t, 3)
	const endless = 1 << 40 // chunks: if the others went on after the panic, the test would not end
	for range 50 {
		func() {
			defer func() {
				p, ok := recover().(*Panic)
				if !ok || !errors.Is(p, io.ErrShortWrite) || !strings.Contains(string(p.Stack), "par_test.go") {
					t.Fatalf("recovered %v", p)
				}
			}()
			For(endless, 1, func(lo, hi int) {
				if lo == 10 {
					panic(io.ErrShortWrite)
				}
			})
		}()
	}
	var n atomic.Int64
	For(100, 1, func(lo, hi int) { n.Add(1) })
	if n.Load() != 100 {
		t.Errorf("after a panic: %d of 100 chunks", n.Load())
	}
}

func TestForAllocatesNothing(t *testing.T) {
	withThreads(t, 2)
	var n atomic.Int64
	fn := func(lo, hi int) { n.Add(1) }
	if got := testing.AllocsPerRun(100, func() { For(16, 1, fn) }); got >= 1 {
		t.Errorf("%v allocations per loop", got)
	}
}

// A loop on more threads than free cores may cost some, but must not collapse: without parking a
// single join can wait for a scheduler tick (10 ms), which for 2000 joins would be 20 s.
func TestBusyNeighboursDoNotCollapseIt(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	var stop atomic.Bool
	for range runtime.NumCPU() - 1 {
		go func() {
			for !stop.Load() {
			}
		}()
	}
	defer stop.Store(true)
	spend := func(threads int) time.Duration {
		withThreads(t, threads)
		least := time.Duration(1 << 62)
		for range 3 {
			start := time.Now()
			for range 500 {
				For(16, 1, func(lo, hi int) { pause(500) })
			}
			least = min(least, time.Since(start))
		}
		return least
	}
	one, many := spend(1), spend(2*runtime.NumCPU())
	t.Logf("500 loops beside %d busy goroutines: 1 thread %v, %d threads %v", runtime.NumCPU()-1, one, 2*runtime.NumCPU(), many)
	if many > 3*one+200*time.Millisecond { // 3×: what a shared runner may add; the failure is 100×
		t.Errorf("%d threads take %v, 1 takes %v", 2*runtime.NumCPU(), many, one)
	}
}

func BenchmarkFor(b *testing.B) {
	for _, threads := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("empty/threads=%d", threads), func(b *testing.B) {
			withThreads(b, threads)
			fn := func(lo, hi int) {}
			for b.Loop() {
				For(16, 1, fn)
			}
		})
	}
}

func ExampleFor() {
	squares := make([]int, 6)
	For(len(squares), 2, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			squares[i] = i * i
		}
	})
	fmt.Println(squares)
	// Output: [0 1 4 9 16 25]
}

// stopped ends the workers before goleak counts.
type stopped struct{ *testing.M }

func (m stopped) Run() int {
	defer Stop()
	return m.M.Run()
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(stopped{m}) }
