package par

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"
)

// thePool is the process's one pool. busy is its lock: whoever fails to take it runs inline.
var thePool pool

type pool struct {
	busy     atomic.Bool
	plain    func(lo, hi int)         // one of the two is set while a loop runs
	numbered func(worker, lo, hi int) //
	n, grain int
	workers  []*worker
	joined   chan struct{} // a worker tells a parked caller that it has finished
	patience patience      // the caller's, at the join

	_      cpu.CacheLinePad
	next   atomic.Int64 // first index not yet handed out; beyond n: nothing left
	_      cpu.CacheLinePad
	failed atomic.Pointer[Panic]
}

// The states of a worker. Only the caller of a loop moves it to assigned and back; only the worker
// moves it on from there. So a worker that wakes too late finds its work revoked and nobody waits
// for it: a preempted thread never holds up the others.
const (
	idle     = iota // looking for work
	parked          // asleep on wake
	assigned        // told to help with the pool's loop
	running         // helping
	awaited         // helping, and the caller sleeps on joined
)

type worker struct {
	number   int
	state    atomic.Int32
	quit     atomic.Bool
	wake     chan struct{}
	gone     chan struct{}
	patience patience
	since    time.Time // when it parked
	soon     bool      // it was woken so soon that more patience would have paid
	_        cpu.CacheLinePad
}

// run shares out a loop among the caller and up to helpers workers. The pool is busy and ours.
func (p *pool) run(n, grain, helpers int) {
	p.n, p.grain = n, grain
	p.failed.Store(nil)
	p.next.Store(0)
	for len(p.workers) < helpers {
		p.hire()
	}
	crew := p.workers[:helpers]
	for _, w := range crew {
		w.start()
	}
	p.chunks(0)
	for _, w := range crew {
		p.join(w)
	}
	p.plain, p.numbered = nil, nil
	failed := p.failed.Load()
	p.busy.Store(false)
	if failed != nil {
		panic(failed)
	}
}

// chunks works off chunks until none is left. A panic ends the loop for everyone.
func (p *pool) chunks(number int) {
	defer func() {
		if v := recover(); v != nil {
			p.next.Store(int64(p.n)) // first: writing down the stack takes its time
			p.failed.CompareAndSwap(nil, recovered(v))
		}
	}()
	n, grain := p.n, p.grain
	for {
		lo := int(p.next.Add(int64(grain))) - grain
		if lo >= n {
			return
		}
		if hi := min(lo+grain, n); p.plain != nil {
			p.plain(lo, hi)
		} else {
			p.numbered(number, lo, hi)
		}
	}
}

func (p *pool) hire() {
	if p.joined == nil {
		p.joined = make(chan struct{}, 1)
	}
	w := &worker{number: len(p.workers) + 1, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	w.patience, p.patience = mostPatience, mostPatience
	p.workers = append(p.workers, w)
	go w.live(p)
}

// start assigns the loop to w. Every change from parked comes with exactly one token on wake, and
// every sleep takes exactly one, so none is lost or left over.
func (w *worker) start() {
	if w.state.CompareAndSwap(idle, assigned) {
		return
	}
	w.soon = time.Since(w.since) < mostPatienceTime // was parked: nobody else can touch it now
	w.state.Store(assigned)
	w.wake <- struct{}{}
}

// join waits until w has nothing to do with the loop any more.
func (p *pool) join(w *worker) {
	if w.state.CompareAndSwap(assigned, idle) {
		return
	}
	if p.patience.wait(func() bool { return w.state.Load() == idle || w.state.Load() == parked }) {
		return
	}
	if w.state.CompareAndSwap(running, awaited) {
		<-p.joined
	}
}

func (w *worker) live(p *pool) {
	defer close(w.gone)
	for {
		if !w.patience.wait(func() bool { return w.state.Load() == assigned }) {
			w.since = time.Now()
			if w.state.CompareAndSwap(idle, parked) {
				<-w.wake
				if w.soon { // without this, patience once lost to a long pause would never come back to short ones
					w.patience = min(w.patience*4, mostPatience)
				}
			}
		}
		if w.quit.Load() {
			return
		}
		if !w.state.CompareAndSwap(assigned, running) {
			continue // revoked
		}
		p.chunks(w.number)
		if w.state.Swap(idle) == awaited {
			p.joined <- struct{}{}
		}
	}
}

// patience is how many times to look before parking.
type patience int

const (
	mostPatience     patience = 400 // looks of lookPauses pauses each: about 20 µs
	mostPatienceTime          = 20 * time.Microsecond
	leastPatience    patience = 4
	lookPauses                = 8
)

// wait looks until ok or until out of patience. Success doubles the patience, failure halves it.
func (p *patience) wait(ok func() bool) bool {
	for range *p {
		if ok() {
			*p = min(*p*2, mostPatience)
			return true
		}
		pause(lookPauses)
	}
	if ok() {
		return true
	}
	*p = max(*p/2, leastPatience)
	return false
}
