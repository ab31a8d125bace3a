package eval

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quantize"
	"github.com/hanji-ml/hanji/tokenizer"
)

// Way is one way to have a language model in fewer bits.
type Way struct {
	Name        string
	Type        string               // of quantize.ParseType, or gptq, awq, int8; "": as it is
	Bits, Group int                  // of gptq and awq, 0: theirs; of Rounding Bits is what it says
	Importance  bool                 // blocks that weigh columns by what the calibration text puts into them
	Rounding    *nn.FakeQuantOptions // in place of Type: each weight of the layers where it lies, to an int type's grid
	Dir         string               // checkpoint that is taken in the model's place, such as one trained for this type; "": the model's
}

// Quantized is what came of one.
type Quantized struct {
	Name       string  `json:"name"`
	Bits       float64 `json:"bits_per_weight"`       // of the whole model
	LayerBits  float64 `json:"layer_bits_per_weight"` // of the layers' matrices, without embedding and output
	Perplexity float64 `json:"perplexity"`
	Nats       float64 `json:"nats"`
	KL         float64 `json:"kl"`   // from the model as it is, in nats a token
	Top1       float64 `json:"top1"` // agreement with it
	Scored     int     `json:"scored"`
	Seconds    float64 `json:"seconds"`
}

// QuantizationsOptions of Quantizations.
type QuantizationsOptions struct {
	Text        string // that is measured on; no model and no quantisation has seen it
	Calibration string // what gptq, awq and importance read
	Samples     int    // pieces of it of the model's context; 0: 64
	Work        string // folder for the models that are written
	Open        func(path string) (model.Decoder, *tokenizer.Tokenizer, error)
}

// Quantizations measures a checkpoint's folder as it is and in fewer bits, by llama.cpp's protocol with the model's own context. Each
// outcome goes to done.
func Quantizations(ctx context.Context, dir string, ways []Way, o QuantizationsOptions, done func(Quantized)) error {
	ref, tok, err := o.Open(dir)
	if err != nil {
		return err
	}
	defer closeModel(ref)
	if o.Samples == 0 {
		o.Samples = 64
	}
	context := ref.Spec().Context
	samples := quantize.Samples(tok.Encode(o.Calibration, tokenizer.EncodeOptions{Verbatim: true}), o.Samples, context)
	for _, way := range ways {
		start := time.Now()
		path, report, err := write(ctx, dir, way, samples, o.Work)
		if err != nil {
			return fmt.Errorf("eval: %s: %w", way.Name, err)
		}
		m, _, err := o.Open(path)
		if err != nil {
			return fmt.Errorf("eval: %s: %w", way.Name, err)
		}
		if way.Rounding != nil {
			if _, err := model.SetFakeQuant(m, *way.Rounding); err != nil {
				return fmt.Errorf("eval: %s: %w", way.Name, err)
			}
		}
		p, err := Perplexity(ctx, m, tok, o.Text, PerplexityOptions{Ctx: min(context, 512), Against: ref})
		closeModel(m)
		if err != nil {
			return fmt.Errorf("eval: %s: %w", way.Name, err)
		}
		q := Quantized{Name: way.Name, Bits: 32, LayerBits: 32, Perplexity: p.Perplexity, Nats: p.Nats, KL: p.Against.KL, Top1: p.Against.Top1, Scored: p.Scored, Seconds: time.Since(start).Seconds()}
		if report != nil {
			q.Bits, q.LayerBits = report.Bits, layerBits(report)
		}
		if r := way.Rounding; r != nil { // a scale of 16 bits and a zero for each group
			q.LayerBits = float64(way.Bits) + float64(16+way.Bits)/float64(r.Group)
		}
		done(q)
	}
	return nil
}

// write makes a model in fewer bits; report nil: it is the checkpoint itself.
func write(ctx context.Context, dir string, way Way, samples [][]int32, work string) (path string, report *quantize.Report, err error) {
	if way.Dir != "" {
		dir = way.Dir
	}
	path = filepath.Join(work, strings.Map(func(r rune) rune {
		if strings.ContainsRune(" /,", r) {
			return '-'
		}
		return r
	}, way.Name))
	switch way.Type {
	case "":
		return dir, nil, nil
	case quantize.GPTQ, quantize.AWQ, quantize.Int8:
		o := quantize.PackOptions{Method: way.Type, Bits: way.Bits, Group: way.Group, Samples: samples}
		if way.Type == quantize.Int8 {
			o.Samples, o.Group = nil, 0
		}
		report, err = quantize.Pack(ctx, dir, path, o)
		return path, report, err
	}
	var o quantize.Options
	if o.Type, err = quantize.ParseType(way.Type); err != nil {
		return "", nil, err
	}
	if way.Importance {
		found, err := quantize.CollectImportance(ctx, dir, samples, nil)
		if err != nil {
			return "", nil, err
		}
		o.Importance = found.Means()
	}
	m, err := quantize.Open(dir)
	if err != nil {
		return "", nil, err
	}
	defer m.Close()
	path += ".gguf"
	report, err = quantize.Run(ctx, m, path, o)
	return path, report, err
}

// layerBits is the bits of a weight in the layers' matrices.
func layerBits(r *quantize.Report) float64 {
	bytes, weights := 0, 0
	for _, t := range r.Tensors {
		if len(t.Shape) < 2 || !strings.HasPrefix(t.Name, "blk.") && !strings.Contains(t.Name, ".layers.") {
			continue
		}
		n := 1
		for _, d := range t.Shape {
			n *= d
		}
		bytes, weights = bytes+t.After, weights+n
	}
	return 8 * float64(bytes) / float64(max(weights, 1))
}

func closeModel(m model.Decoder) {
	if c, ok := m.(io.Closer); ok {
		c.Close()
	}
}
