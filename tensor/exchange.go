package tensor

import (
	"errors"
	"fmt"
	"sync"
)

// Group is the workers that one model is spread over: goroutines of one process, each with a Ctx of its own (Options.Worker),
// which exchange rows where machines of a cluster would use their network. It counts what that would carry.
//
//	g := tensor.NewGroup(4)
//	err := g.Run(func(w *tensor.Worker) error {
//		ctx := tensor.New(tensor.Options{Worker: w})
//		defer ctx.Close()
//		...
//	})
type Group struct {
	workers []*Worker

	mu      sync.Mutex
	turn    *sync.Cond
	arrived int
	round   int
	broken  bool     // a worker has left early: nobody waits for it
	posted  []parcel // of each worker, in this round
	traffic Traffic
}

// Worker is one of a group's.
type Worker struct {
	Group *Group
	Rank  int // 0 … Size − 1
}

// Traffic is bytes that have gone from one worker to another since the group began.
type Traffic struct {
	Forward  int64 `json:"forward"`  // rows, by AllToAll
	Backward int64 `json:"backward"` // their gradients
	Reduce   int64 `json:"reduce"`   // parameters' gradients, by SumGrads
}

// parcel is what a worker sends: the first to[0] rows to worker 0, the next to[1] rows to worker 1, …
type parcel struct {
	rows *Tensor
	to   []int
}

// errBroken is the error of workers whose group has lost one.
var errBroken = errors.New("tensor: another worker of the group has ended")

// NewGroup makes a group of n workers.
func NewGroup(n int) *Group {
	g := &Group{posted: make([]parcel, n)}
	g.turn = sync.NewCond(&g.mu)
	for i := range n {
		g.workers = append(g.workers, &Worker{g, i})
	}
	return g
}

// Size is the number of workers.
func (g *Group) Size() int { return len(g.workers) }

// Traffic is what the group has sent so far.
func (g *Group) Traffic() Traffic {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.traffic
}

// Run runs f for each worker at the same time and waits for all. The error is that of the first by rank that has one of its own;
// a panic with *Error is one. When one fails, the others fail at their next exchange.
func (g *Group) Run(f func(w *Worker) error) error {
	g.broken, g.arrived = false, 0
	errs, panics := make([]error, g.Size()), make([]any, g.Size())
	var all sync.WaitGroup
	for i, w := range g.workers {
		all.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					panics[i] = r
				}
				if errs[i] != nil || panics[i] != nil {
					g.leave()
				}
			}()
			defer Recover(&errs[i])
			errs[i] = f(w)
		})
	}
	all.Wait()
	clear(g.posted)
	var lost error
	for i, err := range errs {
		switch {
		case panics[i] == errBroken || err == errBroken:
			lost = errBroken
		case panics[i] != nil:
			panic(panics[i])
		case err != nil:
			return err
		}
	}
	return lost
}

func (g *Group) leave() {
	g.mu.Lock()
	g.broken = true
	g.turn.Broadcast()
	g.mu.Unlock()
}

// wait returns when all workers have called it.
func (g *Group) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.arrived++; g.arrived == g.Size() {
		g.arrived = 0
		g.round++
		g.turn.Broadcast()
		return
	}
	for round := g.round; round == g.round; {
		if g.broken {
			panic(errBroken)
		}
		g.turn.Wait()
	}
}

// AllToAll sends rows to the workers of a group and receives theirs: the first to[0] rows of x [N, C] go to worker 0, the next to[1]
// to worker 1, and so on. y [M, C] is what has come, that of worker 0 first, from[i] rows from worker i. All workers must call
// it, with the same C, and in a backward pass all must come by: gradients take the way back.
func (x *Tensor) AllToAll(to []int) (y *Tensor, from []int) {
	c := ctxOf("all to all", x)
	sum := 0
	for _, n := range to {
		sum += n
	}
	if c.Worker == nil || x.rank != 2 || len(to) != c.Worker.Group.Size() || sum != x.shape[0] {
		fail("all to all", fmt.Sprintf("rows for %v workers by a Ctx with a Worker are wanted", to), x)
	}
	x = x.packed()
	y, from = c.exchange(x, to, &c.Worker.Group.traffic.Forward)
	if n := c.record("all to all", allToAllBack, y, x); n != nil {
		n.always, n.with = true, from
	}
	return y, from
}

func allToAllBack(n *node) {
	c := n.out.ctx
	dy := n.out.grad
	if dy == nil { // nothing here hangs on what has come, yet the others wait
		dy = c.Zeros(n.out.dt, n.out.shape[:2]...)
	}
	dx, _ := c.exchange(dy.packed(), n.with.([]int), &c.Worker.Group.traffic.Backward)
	n.in[0].accumulate(dx)
}

// exchange posts x's rows, waits for the others', and copies those for this worker; count grows by their bytes.
func (c *Ctx) exchange(x *Tensor, to []int, count *int64) (y *Tensor, from []int) {
	g, me := c.Worker.Group, c.Worker.Rank
	g.posted[me] = parcel{x, to}
	g.wait()
	from = make([]int, len(to))
	total, foreign := 0, 0
	for i, p := range g.posted {
		if from[i] = p.to[me]; i != me {
			foreign += from[i]
		}
		total += from[i]
	}
	y = c.empty(x.dt, []int{total, x.shape[1]})
	at := 0
	for i, p := range g.posted {
		first := 0
		for _, n := range p.to[:me] {
			first += n
		}
		part, rows := *y, *p.rows
		part.off, part.shape[0] = at*y.stride[0], from[i]
		rows.off, rows.shape[0] = rows.off+first*rows.stride[0], from[i]
		if from[i] > 0 {
			prim.copy(&part, &rows)
		}
		at += from[i]
	}
	g.mu.Lock()
	*count += int64(foreign) * int64(x.shape[1]) * int64(x.dt.Size())
	g.mu.Unlock()
	g.wait() // what was posted may change now
	return y, from
}

// SumGrads adds to the gradient of each parameter those of its copies on other workers, in order. It counts what a ring of Size
// workers sends to do that: 2·(Size − 1) times the parameters' bytes, over all workers.
func (g *Group) SumGrads(params []*Tensor, copies ...[]*Tensor) {
	for i, p := range params {
		for _, list := range copies {
			if other := list[i].Grad(); other != nil {
				p.accumulate(other)
			}
		}
		g.traffic.Reduce += int64(2*(g.Size()-1)) * int64(p.Len()*p.dt.Size())
	}
}
