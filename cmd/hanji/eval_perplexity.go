package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/eval"
	"github.com/hanji-ml/hanji/internal/progress"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/tokenizer"
)

type perplexityFlags struct {
	Model, Text, Protocol, Against, LoRA string
	Ctx, Stride                          int
	JSON                                 bool
}

func newEvalPerplexityCmd(g *globals) *cobra.Command {
	o := &perplexityFlags{}
	cmd := &cobra.Command{
		Use:   "perplexity --model FILE|DIR --text FILE",
		Short: "How well a language model foretells a text",
		Long: `Prints the cross-entropy of the text under the model, a token and a byte, its exponential (perplexity), and the entropy of
the text's own token frequencies. Protocols, whose figures do not compare with each other:

  llama.cpp  chunks of 512 tokens, each scored from its middle on, the tail left out
  gptq       chunks of 2048 tokens, every token but a chunk's first scored, the tail left out
  sliding    a window of 2048 tokens moves by --stride; each token is scored once, with what the window holds before it

With --against REFERENCE, a model with the same tokenizer, also how far the model's probabilities are from its: mean
Kullback-Leibler divergence, and the share of tokens for which both find the same one most probable. For a quantised
model this tells more than perplexity does. Quote protocol and ctx with a figure.`,
		Example: `  hanji eval perplexity --model model-q4_k_m.gguf --text wiki.test.raw
  hanji eval perplexity --model model-q4_k_m.gguf --against model-f16.gguf --text book.txt --json
  hanji eval perplexity --model SmolLM2-135M --text book.txt --protocol sliding --ctx 1024 --stride 256`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := o.run(cmd, g)
			if err != nil {
				return err
			}
			if o.JSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), perplexityText(r))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Model, "model", "", "GGUF file or checkpoint folder (required)")
	f.StringVar(&o.Text, "text", "", "text file, or - for standard input (required)")
	f.StringVar(&o.LoRA, "lora", "", "adapter that is added to the model (not to --against): a folder in peft's layout, or a GGUF file")
	f.StringVar(&o.Protocol, "protocol", eval.LlamaCpp, "llama.cpp, gptq or sliding")
	f.IntVar(&o.Ctx, "ctx", 0, "tokens of a chunk or window (default the protocol's, at most the model's context)")
	f.IntVar(&o.Stride, "stride", 0, "tokens that the window of sliding moves (default half of ctx)")
	f.StringVar(&o.Against, "against", "", "reference model with the same tokenizer, such as the one before quantisation")
	f.BoolVar(&o.JSON, "json", false, "one JSON object")
	for _, name := range []string{"model", "text"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}

func (o *perplexityFlags) run(cmd *cobra.Command, g *globals) (r eval.PerplexityResult, err error) {
	switch o.Protocol {
	case eval.LlamaCpp, eval.GPTQ, eval.Sliding:
	default:
		return r, usagef("--protocol is %q, want %s, %s or %s", o.Protocol, eval.LlamaCpp, eval.GPTQ, eval.Sliding)
	}
	text, err := readInput(cmd.InOrStdin(), []string{o.Text})
	if err != nil {
		return r, err
	}
	if o.Model, err = modelPath(o.Model); err != nil {
		return r, err
	}
	l, err := all.OpenLanguage(o.Model)
	if err != nil {
		return r, err
	}
	defer l.Close()
	if o.LoRA != "" {
		if err := l.AddLoRA(o.LoRA); err != nil {
			return r, err
		}
	}
	eo := eval.PerplexityOptions{Protocol: o.Protocol, Ctx: o.Ctx, Stride: o.Stride}
	if o.Against != "" {
		if o.Against, err = modelPath(o.Against); err != nil {
			return r, err
		}
		ref, err := all.OpenLanguage(o.Against)
		if err != nil {
			return r, err
		}
		defer ref.Close()
		if err := sameTokens(l.Tokenizer, ref.Tokenizer); err != nil {
			return r, fmt.Errorf("--against %s: %w", o.Against, err)
		}
		eo.Against = ref.Decoder
	}
	var bar *progress.Bar
	eo.Progress = func(done, total int) {
		if bar == nil {
			bar = progress.New(cmd.ErrOrStderr(), progress.Auto(os.Stderr, progress.Options{Title: "perplexity", Unit: "tokens", Total: total, Quiet: g.Quiet || total < 5000}))
		}
		bar.Set(done)
	}
	r, err = eval.Perplexity(cmd.Context(), l.Decoder, l.Tokenizer, text, eo)
	if bar != nil {
		bar.Done()
	}
	return r, err
}

// sameTokens holds two vocabularies against each other, as far as both go: a GGUF file names the rows that have no token, a folder does
// not.
func sameTokens(a, b *tokenizer.Tokenizer) error {
	for id := range int32(min(a.Len(), b.Len())) {
		x, _ := a.Token(id)
		if y, _ := b.Token(id); x != y {
			return fmt.Errorf("its token %d is %.40q, the model's %.40q: probabilities of other tokenizers do not compare", id, y, x)
		}
	}
	return nil
}

func perplexityText(r eval.PerplexityResult) string {
	var b strings.Builder
	moved := ""
	if r.Stride > 0 {
		moved = fmt.Sprintf(", stride %d", r.Stride)
	}
	fmt.Fprintf(&b, "%s, protocol %s, ctx %d%s: %d tokens in %d bytes, %d scored in %d chunks\n", r.Family, r.Protocol, r.Ctx, moved, r.Tokens, r.Bytes, r.Scored, r.Chunks)
	fmt.Fprintf(&b, "%-26s %10s %10s\n", "", "nats", "bits")
	fmt.Fprintf(&b, "%-26s %10.5f %10.5f\n", "text's unigrams, a token", r.UnigramNats, r.UnigramBits)
	fmt.Fprintf(&b, "%-26s %10.5f %10.5f\n", "cross-entropy, a token", r.Nats, r.Bits)
	fmt.Fprintf(&b, "%-26s %10.5f %10.5f\n", "cross-entropy, a byte", r.NatsPerByte, r.BitsPerByte)
	fmt.Fprintf(&b, "perplexity %.4f ± %.4f\n", r.Perplexity, r.Error)
	if d := r.Against; d != nil {
		fmt.Fprintf(&b, "reference: perplexity %.4f; KL divergence %.6f nats, top-1 agreement %.2f %%\n", d.Perplexity, d.KL, 100*d.Top1)
	}
	return b.String()
}
