package lm

import (
	"fmt"
	"slices"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/tensor"
)

// Rows are the rows of tokens that a model reads, and what it is to learn of each.
type Rows struct {
	Tokens []int32 // of all rows, one after the other
	Labels []int32 // of each token: the token, or model.IgnoreLabel where it is not learned; nil: all are
	Start  []int   // where each row begins in Tokens, and the end of the last

	TextTokens, TextBytes int // what the learned text came to: bytes and the tokens that spell them
}

// Len is the number of rows.
func (r *Rows) Len() int { return max(0, len(r.Start)-1) }

// Row is one row.
func (r *Rows) Row(i int) []int32 { return r.Tokens[r.Start[i]:r.Start[i+1]] }

// add appends a row, unless nothing can be learned from it: the first token has nothing before it.
func (r *Rows) add(tokens, labels []int32) {
	if len(tokens) < 2 || labels != nil && !slices.ContainsFunc(labels[1:], learned) {
		return
	}
	if r.Start == nil {
		r.Start = []int{0}
	}
	r.Tokens = append(r.Tokens, tokens...)
	if labels != nil {
		r.Labels = append(r.Labels, labels...)
	}
	r.Start = append(r.Start, len(r.Tokens))
}

func learned(label int32) bool { return label != model.IgnoreLabel }

// Batch gives tokens and labels, i64 [B, T], of the rows of an index. Shorter rows are filled up with their last token, which is not
// learned again.
func (r *Rows) Batch(ctx *tensor.Ctx, index []int) (tokens, labels *tensor.Tensor) {
	longest := r.longest(index)
	x, y := make([]int64, 0, len(index)*longest), make([]int64, 0, len(index)*longest)
	for _, i := range index {
		for at := r.Start[i]; at < r.Start[i]+longest; at++ {
			id, label := r.Tokens[min(at, r.Start[i+1]-1)], int32(model.IgnoreLabel)
			if at < r.Start[i+1] {
				label = id
				if r.Labels != nil {
					label = r.Labels[at]
				}
			}
			x, y = append(x, int64(id)), append(y, int64(label))
		}
	}
	return ctx.Ints(x, len(index), longest), ctx.Ints(y, len(index), longest)
}

func (r *Rows) longest(index []int) (n int) {
	for _, i := range index {
		n = max(n, len(r.Row(i)))
	}
	return n
}

// scored counts the labels of rows that the loss is a mean of.
func (r *Rows) scored(index []int) (n int) {
	for _, i := range index {
		for at := r.Start[i] + 1; at < r.Start[i+1]; at++ {
			if r.Labels == nil || learned(r.Labels[at]) {
				n++
			}
		}
	}
	return n
}

// scored counts the labels of a batch [B, T] that the loss is a mean of.
func scored(labels *tensor.Tensor) (n int) {
	t := labels.Dim(1)
	for i, v := range labels.ReadInts() {
		if i%t > 0 && v != model.IgnoreLabel {
			n++
		}
	}
	return n
}

// sample is a document or a conversation in tokens.
type sample struct {
	tokens, labels []int32 // labels nil: all tokens are learned
	words, bytes   int     // tokens that spell learned text, and its bytes
	ends           []int32 // special tokens that answers end with
}

// arrange makes rows of at most context tokens. Packed, samples follow each other and rows are cut from that, all of them full and a rest left
// out; attention sees across. Else each begins a row of its own: of a text as many rows as it fills, of a conversation the first.
func arrange(samples []sample, context int, pack bool) *Rows {
	r := &Rows{}
	var tokens, labels []int32
	marked := slices.ContainsFunc(samples, func(s sample) bool { return s.labels != nil })
	flush := func(whole bool) {
		for len(tokens) >= context || !whole && len(tokens) > 0 {
			n := min(context, len(tokens))
			if marked {
				r.add(tokens[:n], labels[:n])
				labels = labels[n:]
			} else {
				r.add(tokens[:n], nil)
			}
			if tokens = tokens[n:]; marked && !pack {
				tokens, labels = nil, nil
			}
		}
	}
	for _, s := range samples {
		tokens = append(tokens, s.tokens...)
		if marked {
			labels = append(labels, s.labels...)
		}
		flush(pack)
		r.TextTokens += s.words
		r.TextBytes += s.bytes
	}
	return r
}

// enough says why rows do not make one batch.
func (r *Rows) enough(what string, batch, context int) error {
	if n := r.Len(); n < batch {
		return fmt.Errorf("lm: recipe: the %s part has %d rows of up to %d tokens, less than one batch of %d; give more data, a smaller batch or a smaller data.context", what, n, context, batch)
	}
	return nil
}
