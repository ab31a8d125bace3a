package lm

import (
	"io"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// spread is a Task whose batches are worked on by several workers at once, each with its share of the rows and of every layer's experts
// (expert parallelism: GShard, arXiv 2006.16668, §3.2); it implements train.Spread. A step's gradients are those of the Task, but that
// an expert's capacity, and the losses that even experts out, are counted for each worker's rows.
type spread struct {
	*Task
	group   *tensor.Group
	workers []expertWorker
	shared  []*tensor.Tensor // of Model
	taken   int              // batches
}

// expertWorker has a copy of the model's shared part, and of each layer's experts some that are the model's own.
type expertWorker struct {
	model  model.TrainableDecoder
	shared []*tensor.Tensor
	ctx    *tensor.Ctx
}

// newSpread makes n workers; build makes copies of the task's model.
func newSpread(t *Task, n int, build func() (model.TrainableDecoder, error)) (*spread, error) {
	s := &spread{Task: t, group: tensor.NewGroup(n), shared: nn.Shared(t.Model), workers: make([]expertWorker, n)}
	err := s.group.Run(func(w *tensor.Worker) error {
		m, err := build()
		if err != nil {
			return err
		}
		if err := nn.ShardExperts(m, t.Model, w.Rank, n); err != nil {
			return err
		}
		ctx := tensor.New(tensor.Options{Grad: true, Train: true, Seed: t.Seed, Worker: w})
		s.workers[w.Rank] = expertWorker{m, nn.Shared(m), ctx}
		return nil
	})
	if err != nil {
		s.close()
	}
	return s, err
}

func (s *spread) close() {
	for _, w := range s.workers {
		if w.ctx != nil {
			w.ctx.Close()
		}
		if c, ok := w.model.(io.Closer); ok {
			c.Close()
		}
	}
}

// Gradients implements train.Spread.
func (s *spread) Gradients(step uint64, epoch, batch int, scale float64) (loss float64, err error) {
	rows := s.rows(epoch, batch)
	s.taken++
	each := len(rows) / len(s.workers)
	losses, counts := make([]float64, len(s.workers)), make([]int, len(s.workers))
	total := 0
	for i := range counts {
		counts[i] = s.Train.scored(rows[i*each : (i+1)*each])
		total += counts[i]
	}
	err = s.group.Run(func(w *tensor.Worker) error {
		me := &s.workers[w.Rank]
		for i, p := range me.shared {
			p.Set(s.shared[i])
			p.ZeroGrad()
		}
		me.ctx.Next(step)
		tokens, labels := s.Train.Batch(me.ctx, rows[w.Rank*each:(w.Rank+1)*each])
		l := me.model.Loss(me.ctx, tokens, labels).MulS(scale * float64(counts[w.Rank]) / float64(total))
		losses[w.Rank] = l.Item()
		l.Backward()
		return nil
	})
	if err != nil {
		return 0, err
	}
	copies := make([][]*tensor.Tensor, len(s.workers))
	for i := range s.workers {
		copies[i] = s.workers[i].shared
	}
	s.group.SumGrads(s.shared, copies...)
	for _, l := range losses {
		loss += l
	}
	return loss, nil
}

// traffic is a step's, of those that this process has taken, a batch each.
func (s *spread) traffic() *Traffic {
	t := Traffic{len(s.workers), s.group.Traffic()}
	n := int64(max(s.taken, 1))
	t.Forward, t.Backward, t.Reduce = t.Forward/n, t.Backward/n, t.Reduce/n
	return &t
}
