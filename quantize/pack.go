package quantize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

// Methods of Pack.
const (
	GPTQ = "gptq"
	AWQ  = "awq"
	Int8 = "int8"
)

// PackOptions of Pack and PlanPack.
type PackOptions struct {
	Method string // GPTQ, AWQ or Int8

	// Samples are token sequences that the model reads, layer by layer, to find out what its weights multiply. GPTQ and AWQ need them;
	// Int8 uses them if there are any (SmoothQuant). Between two layers a sample takes 4 bytes for each token and channel.
	Samples [][]int32

	Bits  int // of GPTQ: 2, 3, 4 or 8; 0: 4, which is all that AWQ has
	Group int // columns that share scale and zero; 0: 128, −1: all of a row. Not for Int8

	ActOrder bool    // GPTQ: the columns with the largest inputs first ("desc_act")
	Damp     float64 // GPTQ: share of the Hessian's mean diagonal that is added to it; 0: 0.01

	PerTensor bool    // Int8: one scale for all rows of a weight
	Smooth    float64 // Int8 with samples: SmoothQuant's exponent, 0 to 1; 0: 0.5

	Progress func(done, total int) // layers; nil: not told
}

func (o *PackOptions) resolve() error {
	o.Bits, o.Group, o.Damp, o.Smooth = cmp.Or(o.Bits, 4), cmp.Or(o.Group, 128), cmp.Or(o.Damp, 0.01), cmp.Or(o.Smooth, 0.5)
	switch o.Method {
	case GPTQ:
		if o.Bits != 2 && o.Bits != 3 && o.Bits != 4 && o.Bits != 8 {
			return fmt.Errorf("%d bits, want 2, 3, 4 or 8", o.Bits)
		}
	case AWQ:
		if o.Bits != 4 {
			return fmt.Errorf("awq with %d bits, it has 4", o.Bits)
		}
	case Int8:
		o.Bits = 8
	default:
		return fmt.Errorf("method %q is none of %s, %s and %s", o.Method, GPTQ, AWQ, Int8)
	}
	switch {
	case o.Group < -1:
		return fmt.Errorf("group size is %d, want a number of columns, or -1 for whole rows", o.Group)
	case o.ActOrder && o.Method != GPTQ:
		return fmt.Errorf("act-order belongs to %s", GPTQ)
	case o.PerTensor && o.Method != Int8:
		return fmt.Errorf("one scale a tensor belongs to %s", Int8)
	case !(o.Smooth > 0 && o.Smooth <= 1):
		return fmt.Errorf("SmoothQuant's exponent is %v, want a number from 0 to 1", o.Smooth)
	case !(o.Damp > 0 && o.Damp < 1):
		return fmt.Errorf("damping is %v, want a share above 0 and below 1", o.Damp)
	}
	return nil
}

// columns of a group in a row of that many.
func (o *PackOptions) group(cols int) int {
	if o.Group == -1 {
		return cols
	}
	return o.Group
}

// PlanPack says what Pack would write, and refuses what it would refuse but for numbers that do not fit. It needs no samples.
func PlanPack(dir string, o PackOptions) (*Report, error) {
	p, err := newPacker(dir, o)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	defer p.close()
	return p.report, nil
}

// Pack writes the checkpoint folder dir (Llama, Mistral, Qwen2 or Qwen3 in plain floats) to the folder out, which must not exist or be
// empty, with the weights of its layers in the integers of GPTQ, AWQ or INT8: in AutoGPTQ's, AutoAWQ's and compressed-tensors' layout,
// which package weights and other programs read. Embedding, norms, biases and output layer stay as they are, but for norms that
// AWQ and SmoothQuant scale. Only one layer's weights are widened at a time.
//
// GPTQ takes the projections in the order q k v, o, gate up, down, each seeing the inputs that what was quantised before it gives
// (true_sequential); AWQ and SmoothQuant look at the inputs in the original model, as AutoAWQ does.
func Pack(ctx context.Context, dir, out string, o PackOptions) (*Report, error) {
	p, err := newPacker(dir, o)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	defer p.close()
	if err := p.pack(ctx, out); err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	return p.report, nil
}

// packer is a checkpoint on its way.
type packer struct {
	PackOptions
	dir    string
	m      *llama.Model
	source *sourceFolder
	report *Report
	plan   []planned

	shardBytes int // about how much goes into one file, and so how much is held in memory before it is written
	rope       *nn.RoPE
	ctx        *tensor.Ctx
	hidden     [][]float32 // each sample's activations before the present layer
}

func newPacker(dir string, o PackOptions) (*packer, error) {
	if err := o.resolve(); err != nil {
		return nil, err
	}
	q, err := llama.ReadQuantization(dir)
	if err != nil {
		return nil, err
	}
	if q != nil {
		return nil, quantisedAlready(dir, q)
	}
	m, err := llama.Map(dir)
	if err != nil {
		return nil, err
	}
	p := &packer{PackOptions: o, dir: dir, m: m, shardBytes: 2 << 30}
	if p.source, err = openSource(dir); err == nil {
		err = p.makePlan()
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *packer) close() {
	p.m.Close()
	if p.source != nil {
		p.source.Close()
	}
	if p.ctx != nil {
		p.ctx.Close()
	}
}

func (p *packer) pack(ctx context.Context, out string) error {
	if len(p.Samples) == 0 && p.Method != Int8 {
		return fmt.Errorf("%s needs samples of text to see what weights multiply", p.Method)
	}
	if list, err := os.ReadDir(out); err == nil && len(list) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already and not an empty folder", out)
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	w := &shardWriter{dir: out, plan: p.plan}
	if err := p.embed(); err != nil {
		return err
	}
	for i, b := range p.m.Blocks {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l, err := p.newLayer(i, b)
		if err == nil {
			err = l.quantize(ctx)
		}
		if err == nil {
			err = w.add(l.out)
		}
		if err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
		if p.Progress != nil {
			p.Progress(i+1, len(p.m.Blocks))
		}
	}
	if err := w.finish(); err != nil {
		return err
	}
	p.sumUp()
	return p.copyBeside(out)
}

// embed looks the samples up.
func (p *packer) embed() (err error) {
	defer tensor.Recover(&err)
	if len(p.Samples) == 0 {
		return nil
	}
	if p.rope, err = p.m.Config.NewRoPE(); err != nil {
		return err
	}
	p.ctx = tensor.New(tensor.Options{})
	for _, s := range p.Samples {
		if len(s) == 0 || len(s) > p.m.Config.MaxPositions {
			return fmt.Errorf("a sample has %d tokens, want 1 to %d (the model's context)", len(s), p.m.Config.MaxPositions)
		}
		ids := make([]int64, len(s))
		for i, id := range s {
			ids[i] = int64(id)
		}
		p.ctx.Next(0)
		p.hidden = append(p.hidden, p.m.Embed.Forward(p.ctx.Ints(ids, len(ids))).Read())
	}
	return nil
}

// sumUp gives the report its totals.
func (p *packer) sumUp() {
	var difference, norm float64
	for _, t := range p.plan {
		if t.copied {
			p.entry(t.Name).Error = ratio(0, 0)
		}
	}
	for _, t := range p.report.Tensors {
		if t.Error != nil {
			difference += *t.Error * *t.Error * t.norm
		}
		norm += t.norm
	}
	p.report.Error = ratio(difference, norm)
}

// entry is the report's line for a weight.
func (p *packer) entry(name string) *TensorReport {
	i := slices.IndexFunc(p.report.Tensors, func(t TensorReport) bool { return t.Name == name })
	return &p.report.Tensors[i]
}

// projections of a layer, by their names in a checkpoint, in the order in which GPTQ takes them; those of one line share an input.
var projections = [][]string{{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}, {"self_attn.o_proj"}, {"mlp.gate_proj", "mlp.up_proj"}, {"mlp.down_proj"}}

func projection(b *llama.Block, name string) *nn.Linear {
	return map[string]*nn.Linear{"self_attn.q_proj": b.Attn.Q, "self_attn.k_proj": b.Attn.K, "self_attn.v_proj": b.Attn.V, "self_attn.o_proj": b.Attn.Out,
		"mlp.gate_proj": b.MLP.Gate, "mlp.up_proj": b.MLP.Up, "mlp.down_proj": b.MLP.Down}[name]
}

// wide is a weight in float32 as a matrix.
type wide struct {
	w    []float32
	cols int
}

func (m *wide) Shape() (rows, k int) { return len(m.w) / m.cols, m.cols }
func (m *wide) Bytes() int           { return 4 * len(m.w) }

func (m *wide) Row(dst []float32, r int) { copy(dst, m.w[r*m.cols:(r+1)*m.cols]) }

func (m *wide) Mul(dst []float32, ldd int, x []float32, rows, ldx int) {
	kernel.Gemm(rows, len(m.w)/m.cols, m.cols, kernel.RowMajor(x, ldx), kernel.RowMajor(m.w, m.cols).T(), dst, ldd, kernel.Epilogue[float32]{})
}

// values reads a matrix.
func values(m tensor.Matrix) *wide {
	rows, cols := m.Shape()
	w := make([]float32, rows*cols)
	for r := range rows {
		m.Row(w[r*cols:(r+1)*cols], r)
	}
	return &wide{w, cols}
}

// outputError is the root mean square of what a layer's outputs change by, over that of the outputs, for inputs with the second
// moments h: tr(D·H·Dᵀ)/tr(W·H·Wᵀ) with D the change of the weight.
func outputError(was, is []float32, h *quant.Hessian) *float64 {
	change := make([]float32, len(was))
	for i, v := range was {
		change[i] = is[i] - v
	}
	return ratio(h.Energy(change), h.Energy(was))
}
