package lm

import (
	"context"
	"math"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/train"
)

// Task trains a decoder on rows of tokens; it implements train.Task.
type Task struct {
	Model      model.TrainableDecoder
	Train, Val *Rows      // Val nil: no validation
	Batch      int        // B: rows a batch; the last, smaller batch of a pass is left out
	Accumulate int        // batches a step; 0: 1
	Steps      int        // steps an epoch; 0: a pass through Train
	Seed       uint64     // of the order of rows
	Only       []nn.Param // what is trained and kept in checkpoints; nil: all of Model

	pass   int // whose order is cached below
	order  []int
	tokens int // read in training so far
	last   HeldOut
}

// Params implements train.Task.
func (t *Task) Params() []nn.Param {
	if t.Only != nil {
		return t.Only
	}
	return nn.Walk(t.Model)
}

// batches is how many a pass through Train has.
func (t *Task) batches() int { return t.Train.Len() / max(t.Batch, 1) }

// StepsPerEpoch implements train.Task.
func (t *Task) StepsPerEpoch() int {
	if t.Steps > 0 && t.batches() > 0 {
		return t.Steps
	}
	return (t.batches() + max(t.Accumulate, 1) - 1) / max(t.Accumulate, 1)
}

// Loss implements train.Task: the batches of a run follow each other through passes over the rows, each in an order of its own.
func (t *Task) Loss(ctx *tensor.Ctx, epoch, step int) *tensor.Tensor {
	tokens, labels := t.Train.Batch(ctx, t.rows(epoch, step))
	return t.Model.Loss(ctx, tokens, labels)
}

// rows are those of a batch.
func (t *Task) rows(epoch, step int) []int {
	n := t.batches()
	at := epoch*t.StepsPerEpoch()*max(t.Accumulate, 1) + step
	if pass := at / n; t.order == nil || t.pass != pass {
		t.pass, t.order = pass, train.Order(t.Seed, pass, t.Train.Len())
	}
	at %= n
	rows := t.order[at*t.Batch : (at+1)*t.Batch]
	for _, i := range rows {
		t.tokens += len(t.Train.Row(i))
	}
	return rows
}

// Validate implements train.Task: the loss a token of the held-out rows, in nats.
func (t *Task) Validate(ctx context.Context) (float64, error) {
	if t.Val == nil {
		return math.NaN(), nil
	}
	h, err := Measure(ctx, t.Model, t.Val, t.Batch)
	t.last = h
	return h.Nats, err
}

// HeldOut is how well a model foretells rows that it was not trained on.
type HeldOut struct {
	Tokens      int     `json:"tokens"`        // that the figures are means of
	Nats        float64 `json:"nats"`          // cross-entropy a token
	Perplexity  float64 `json:"perplexity"`    // e^Nats
	BitsPerByte float64 `json:"bits_per_byte"` // of the text: compares across vocabularies

	// Experts is the share of the choices that fell on each expert of each layer, for a mixture of experts: 1/E would be fair.
	Experts [][]float64 `json:"experts,omitempty"`
}

// routed is a mixture of experts.
type routed interface {
	// LossCounts is Loss, and how many choices of the tokens fell on each expert of each layer.
	LossCounts(ctx *tensor.Ctx, tokens, labels *tensor.Tensor) (loss *tensor.Tensor, counts [][]int)
}

// Measure is the mean over all labels of the rows that count, a batch at a time, in inference: without dropout, limits of experts and
// auxiliary losses.
func Measure(ctx context.Context, m model.TrainableDecoder, rows *Rows, batch int) (h HeldOut, err error) {
	defer tensor.Recover(&err)
	tctx := tensor.New(tensor.Options{})
	defer tctx.Close()
	sum := 0.0
	var counts [][]int
	for lo := 0; lo < rows.Len(); lo += batch {
		if ctx.Err() != nil {
			return h, context.Cause(ctx)
		}
		var index []int
		for i := lo; i < min(lo+batch, rows.Len()); i++ {
			index = append(index, i)
		}
		tctx.Next(0)
		tokens, labels := rows.Batch(tctx, index)
		n := scored(labels)
		var loss *tensor.Tensor
		if e, ok := m.(routed); ok {
			var more [][]int
			loss, more = e.LossCounts(tctx, tokens, labels)
			counts = added(counts, more)
		} else {
			loss = m.Loss(tctx, tokens, labels)
		}
		sum += loss.Item() * float64(n)
		h.Tokens += n
	}
	h.Nats = sum / float64(h.Tokens)
	h.Perplexity = math.Exp(h.Nats)
	h.BitsPerByte = h.Nats / math.Ln2 * float64(rows.TextTokens) / float64(max(rows.TextBytes, 1))
	h.Experts = shares(counts)
	return h, nil
}

func added(sum, more [][]int) [][]int {
	if sum == nil {
		return more
	}
	for l, layer := range more {
		for e, n := range layer {
			sum[l][e] += n
		}
	}
	return sum
}

func shares(counts [][]int) (list [][]float64) {
	for _, layer := range counts {
		total, share := 0, make([]float64, len(layer))
		for _, n := range layer {
			total += n
		}
		for e, n := range layer {
			share[e] = float64(n) / float64(max(total, 1))
		}
		list = append(list, share)
	}
	return list
}
