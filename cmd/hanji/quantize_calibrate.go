package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/eval"
	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/internal/progress"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/quantize"
	"github.com/hanji-ml/hanji/tokenizer"
)

// calibration are the texts of a quantisation: what the model is calibrated on, and what it is measured on.
type calibration struct {
	read, held string
	own        bool // held is a text of its own
}

// heldBytes is the most of a calibration text that is held back: some ten thousand tokens tell two quantisations apart.
const heldBytes = 1 << 16

func (o *quantizeFlags) texts(cmd *cobra.Command) (c calibration, err error) {
	if o.Calibrate != "" {
		if c.read, err = readInput(cmd.InOrStdin(), []string{o.Calibrate}); err != nil {
			return c, err
		}
		if strings.TrimSpace(c.read) == "" {
			return c, fmt.Errorf("--calibrate %s: the text is empty", o.Calibrate)
		}
	}
	if o.EvalText != "" {
		c.own = true
		c.held, err = readInput(cmd.InOrStdin(), []string{o.EvalText})
		return c, err
	}
	at := len(c.read) - min(len(c.read)/10, heldBytes)
	for at < len(c.read) && !utf8.RuneStart(c.read[at]) {
		at++
	}
	c.read, c.held = c.read[:at], c.read[at:]
	return c, nil
}

// openTokenizer reads the vocabulary of a model without its weights.
func openTokenizer(path string) (*tokenizer.Tokenizer, error) {
	if _, err := os.Stat(filepath.Join(path, "config.json")); err == nil {
		return tokenizer.OpenFile(path)
	}
	f, err := gguf.OpenModel(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return tokenizer.FromGGUF(f.Metadata())
}

// samples cuts the calibration text into pieces of tokens.
func (o *quantizeFlags) samples(in string, texts calibration) ([][]int32, error) {
	if o.Calibrate == "" {
		return nil, nil
	}
	t, err := openTokenizer(in)
	if err != nil {
		return nil, fmt.Errorf("--calibrate: the tokenizer of %s: %w", in, err)
	}
	context, err := quantize.Context(in)
	if err != nil {
		return nil, err
	}
	if o.Ctx > context {
		return nil, usagef("--ctx is %d, the model was made for %d tokens", o.Ctx, context)
	}
	n := 128
	if strings.EqualFold(o.Type, quantize.AWQ) {
		n = 32
	}
	tokens := t.Encode(texts.read, tokenizer.EncodeOptions{NoSpecial: true, Verbatim: true})
	return quantize.Samples(tokens, cmp.Or(o.Samples, n), cmp.Or(o.Ctx, min(512, context))), nil
}

// importance of a GGUF file's columns, from a file or by running the model.
func (o *quantizeFlags) importance(cmd *cobra.Command, g *globals, in string, tensors []gguf.Tensor, texts calibration) (map[string][]float32, error) {
	var m *quantize.Importance
	var err error
	switch {
	case o.Importance != "":
		m, err = quantize.ReadImportance(o.Importance)
	case o.Calibrate == "":
		return nil, nil
	case o.DryRun: // the mix depends on whether there is one, not on its numbers
		none := map[string][]float32{}
		for _, t := range tensors {
			none[t.Name] = nil
		}
		return none, nil
	default:
		m, err = o.collect(cmd, g, in, texts)
	}
	if err != nil {
		return nil, err
	}
	return m.Means(), nil
}

func (o *quantizeFlags) collect(cmd *cobra.Command, g *globals, in string, texts calibration) (*quantize.Importance, error) {
	samples, err := o.samples(in, texts)
	if err != nil {
		return nil, err
	}
	bar := progress.New(cmd.ErrOrStderr(), progress.Auto(os.Stderr, progress.Options{Title: "calibrate", Unit: "samples", Total: len(samples), Quiet: g.Quiet || len(samples) < 4}))
	m, err := quantize.CollectImportance(cmd.Context(), in, samples, func(done, _ int) { bar.Set(done) })
	bar.Done()
	if err != nil {
		return nil, err
	}
	m.Datasets = []string{filepath.Base(o.Calibrate)}
	if o.WriteImportance != "" {
		return m, quantize.WriteImportance(o.WriteImportance, m)
	}
	return m, nil
}

// evaluate measures OUT against IN; nil where there is no text for it.
func (o *quantizeFlags) evaluate(cmd *cobra.Command, g *globals, in, out string, texts calibration) (*eval.PerplexityResult, error) {
	if texts.held == "" {
		return nil, nil
	}
	was, err := all.OpenLanguage(in)
	if err != nil {
		return nil, err
	}
	defer was.Close()
	is, err := all.OpenLanguage(out)
	if err != nil {
		return nil, err
	}
	defer is.Close()
	eo := eval.PerplexityOptions{Against: was.Decoder, Ctx: min(512, was.Decoder.Spec().Context)}
	n := len(was.Tokenizer.Encode(strings.TrimSuffix(texts.held, "\n"), tokenizer.EncodeOptions{Verbatim: true}))
	if eo.Ctx = min(eo.Ctx, n); eo.Ctx < 8 && !texts.own {
		g.logger(cmd.ErrOrStderr()).Warn("the text is too short to hold a part back for perplexity; --eval-text names another", "tokens", n)
		return nil, nil
	}
	bar := progress.New(cmd.ErrOrStderr(), progress.Auto(os.Stderr, progress.Options{Title: "perplexity", Unit: "tokens", Total: n, Quiet: g.Quiet || n < 5000}))
	defer bar.Done()
	eo.Progress = func(done, _ int) { bar.Set(done) }
	r, err := eval.Perplexity(cmd.Context(), is.Decoder, is.Tokenizer, texts.held, eo)
	return &r, err
}
