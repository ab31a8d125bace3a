// Package par runs loops on several cores: one pool of workers for the process.
//
//	par.For(len(rows), 16, func(lo, hi int) {
//		for i := lo; i < hi; i++ {
//			work(rows[i])
//		}
//	})
//
// The range is cut into chunks of exactly grain indices (the last may be shorter), whatever the
// number of threads, so a loop that adds up per chunk gives the same bits on 1 and on 64 threads.
// Chunks are handed out in order by an atomic counter, and the caller works too. A loop started
// while the pool is busy (from inside another loop, or by another goroutine) runs inline.
//
// Workers look for the next loop for a few microseconds and then park; the time they look is
// halved whenever it was in vain, so a machine with fewer free cores than threads loses little.
package par

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// Panic is what a caller of For panics with after fn panicked on the pool: the value that fn
// panicked with and the stack it did so on. Loops that run inline panic with the bare value.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string {
	return fmt.Sprintf("%v\n\non a worker of par.For:\n%s", p.Value, p.Stack)
}

// Unwrap gives the value back where it is an error, for errors.As.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// For calls fn(lo, hi) for consecutive ranges of at most grain indices that together cover
// [0, n), on as many threads as Threads says, and returns when all are done. n ≤ grain runs in the
// caller and wakes nobody; grain < 1 means 1. fn must not call runtime.Goexit.
func For(n, grain int, fn func(lo, hi int)) {
	grain = max(grain, 1)
	if n > grain {
		if helpers := min((n-1)/grain, Threads()-1); helpers > 0 && thePool.busy.CompareAndSwap(false, true) {
			thePool.plain = fn
			thePool.run(n, grain, helpers)
			return
		}
	}
	for lo := 0; lo < n; lo += grain {
		fn(lo, min(lo+grain, n))
	}
}

// ForWorker is For that also tells fn which worker it runs on, 0 ≤ worker < Threads(), for scratch
// memory of one's own: no two calls with one worker number overlap within one loop. Inline it is 0.
func ForWorker(n, grain int, fn func(worker, lo, hi int)) {
	grain = max(grain, 1)
	if n > grain {
		if helpers := min((n-1)/grain, Threads()-1); helpers > 0 && thePool.busy.CompareAndSwap(false, true) {
			thePool.numbered = fn
			thePool.run(n, grain, helpers)
			return
		}
	}
	for lo := 0; lo < n; lo += grain {
		fn(0, lo, min(lo+grain, n))
	}
}

var threads atomic.Int64 // 0: GOMAXPROCS

// SetThreads sets how many threads loops use, the caller's included; 0 or less means GOMAXPROCS.
// Loops already running keep theirs.
func SetThreads(n int) { threads.Store(int64(max(n, 0))) }

// Threads is how many threads a loop uses at most, the caller's included.
func Threads() int {
	if n := threads.Load(); n > 0 {
		return int(n)
	}
	return runtime.GOMAXPROCS(0)
}

// Stop ends all workers and waits until they are gone; the next loop starts new ones. It is for
// tests that count goroutines. It must not be called from inside a loop.
func Stop() {
	for !thePool.busy.CompareAndSwap(false, true) {
		runtime.Gosched()
	}
	for _, w := range thePool.workers {
		w.quit.Store(true)
		w.start()
	}
	for _, w := range thePool.workers {
		<-w.gone
	}
	thePool.workers = nil
	thePool.busy.Store(false)
}

// recovered turns what recover gave into the Panic of a caller; a Panic of a nested pool loop
// passes through as it is.
func recovered(v any) *Panic {
	if p, ok := v.(*Panic); ok {
		return p
	}
	return &Panic{Value: v, Stack: debug.Stack()}
}
