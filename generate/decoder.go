package generate

import (
	"context"
	"fmt"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Decoder is a [Stepper] on a language model with a cache of its own. It is not safe for concurrent use; the model may
// be shared. Close it when it is not needed any more.
type Decoder struct {
	m     model.Decoder
	cache *nn.Cache
	ctx   *tensor.Ctx
	last  int // sequence given out

	batch  model.Batch
	logits []float32
	rows   [][]float32
}

var _ Stepper = (*Decoder)(nil)

// prefill is how many tokens of a prompt go through the model at once: enough for its products to be bound by
// arithmetic, few enough to bound the memory of a step and to look at the context in between.
const prefill = 256

// NewDecoder makes a Stepper whose cache o describes; by default it has room for the model's context.
func NewDecoder(m model.Decoder, o nn.CacheOptions) (*Decoder, error) {
	cache, err := m.NewCache(o)
	if err != nil {
		return nil, err
	}
	return &Decoder{m: m, cache: cache, ctx: tensor.New(tensor.Options{}), last: -1}, nil
}

// Close gives the memory of the last step back.
func (d *Decoder) Close() { d.ctx.Close() }

// Len is the number of tokens of a sequence.
func (d *Decoder) Len(seq int) int { return d.cache.Len(seq) }

// Start implements Stepper.
func (d *Decoder) Start() (int, error) {
	d.last++
	return d.last, nil
}

// Step implements Stepper. A prompt of many tokens, when it is the only input, is worked on in pieces; between them a context
// that is done ends the step.
func (d *Decoder) Step(ctx context.Context, inputs []Input) ([][]float32, error) {
	if len(inputs) == 1 && !inputs[0].All {
		for in := &inputs[0]; len(in.Tokens) > prefill; {
			if _, err := d.forward([]Input{{Seq: in.Seq, Tokens: in.Tokens[:prefill]}}); err != nil {
				return nil, err
			}
			if err := context.Cause(ctx); err != nil {
				return nil, err
			}
			inputs = []Input{{Seq: in.Seq, Tokens: in.Tokens[prefill:]}}
			in = &inputs[0]
		}
	}
	return d.forward(inputs)
}

func (d *Decoder) forward(inputs []Input) ([][]float32, error) {
	b := &d.batch
	b.Tokens, b.Seq, b.Want = b.Tokens[:0], b.Seq[:0], b.Want[:0]
	wanted := 0
	for _, in := range inputs {
		for i, t := range in.Tokens {
			want := in.All || i == len(in.Tokens)-1
			if want {
				wanted++
			}
			b.Tokens, b.Seq, b.Want = append(b.Tokens, t), append(b.Seq, in.Seq), append(b.Want, want)
		}
	}
	d.ctx.Next(0)
	logits, err := d.m.Forward(d.ctx, *b, d.cache)
	if err != nil {
		return nil, err
	}
	v := logits.Dim(1)
	d.logits = scratch(&d.logits, wanted*v)
	logits.ReadInto(d.logits)
	d.rows = d.rows[:0]
	for i := range wanted {
		d.rows = append(d.rows, d.logits[i*v:][:v:v])
	}
	return d.rows, nil
}

// Fork implements Stepper.
func (d *Decoder) Fork(seq int) (int, error) {
	to, _ := d.Start()
	if d.cache.Len(seq) == 0 {
		return to, nil
	}
	return to, d.cache.Fork(seq, to)
}

// Truncate implements Stepper.
func (d *Decoder) Truncate(seq, n int) error {
	if n == 0 && d.cache.Len(seq) == 0 {
		return nil
	}
	if err := d.cache.Truncate(seq, n); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	return nil
}

// Free implements Stepper.
func (d *Decoder) Free(seq int) { d.cache.Free(seq) }
