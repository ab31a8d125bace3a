package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/internal/progress"
	"github.com/hanji-ml/hanji/quantize"
)

type quantizeFlags struct {
	Type         string
	TensorType   []string
	Requantize   bool
	DryRun, JSON bool
}

func newQuantizeCmd(g *globals) *cobra.Command {
	o := &quantizeFlags{}
	cmd := &cobra.Command{
		Use:   "quantize IN OUT",
		Short: "Write a language model in fewer bits",
		Long: `Reads IN, a GGUF file (F32, F16 or BF16; any part of a split model stands for all) or the folder of a Llama, Mistral,
Mixtral, Qwen2, Qwen3 or Gemma 3 checkpoint (config.json, safetensors, tokenizer), and writes OUT, one GGUF file with the
bytes that llama.cpp writes: each tensor in the type that the mix named by --type gives it, norms and vectors in F32.

Mixes: q8_0, q6_k, q5_k_m, q5_k_s, q4_k_m, q4_k_s, q3_k_l, q3_k_m, q3_k_s, q2_k, q5_1, q5_0, q4_1, q4_0, iq4_nl, iq4_xs, and
f32, f16, bf16. The report names each tensor's type and its relative error: root mean square of the difference over that
of the weights. hanji eval perplexity --against IN says what it does to the model's answers.`,
		Example: `  hanji quantize model-f16.gguf model-q4_k_m.gguf --type q4_k_m
  hanji quantize model-f16.gguf small.gguf --type q4_0 --tensor-type ffn_down=q6_k --tensor-type '^output=q8_0'
  hanji quantize Llama-2-7b-hf llama-2-7b-q8_0.gguf --type q8_0
  hanji quantize model-f16.gguf out.gguf --type q3_k_s --dry-run --json`,
		Args: takes(2, 2, "IN and OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, g, args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Type, "type", "", "mix of types, such as q4_k_m (needed)")
	f.StringArrayVar(&o.TensorType, "tensor-type", nil, "PATTERN=TYPE: weights whose name matches the regular expression get this type; the first that matches decides (repeatable)")
	f.BoolVar(&o.Requantize, "requantize", false, "allow IN to be quantised already; its error is added to the new one")
	f.BoolVar(&o.DryRun, "dry-run", false, "only say what would be written")
	f.BoolVar(&o.JSON, "json", false, "the report as one JSON object")
	return cmd
}

// options turns flags into the job's.
func (o *quantizeFlags) options() (q quantize.Options, err error) {
	if o.Type == "" {
		return q, usagef("quantize needs --type, such as q4_k_m or q8_0")
	}
	if q.Type, err = quantize.ParseType(o.Type); err != nil {
		return q, usagef("--type: %v", err)
	}
	for _, s := range o.TensorType {
		v, err := quantize.ParseOverride(s)
		if err != nil {
			return q, usagef("--tensor-type: %v", err)
		}
		q.Overrides = append(q.Overrides, v)
	}
	q.Requantize = o.Requantize
	return q, nil
}

func (o *quantizeFlags) run(cmd *cobra.Command, g *globals, in, out string) error {
	q, err := o.options()
	if err != nil {
		return err
	}
	m, err := quantize.Open(in)
	if err != nil {
		return err
	}
	defer m.Close()
	r, err := quantize.Plan(m, q)
	if err == nil && !o.DryRun {
		const mega = 1e6
		bar := progress.New(cmd.ErrOrStderr(), progress.Auto(os.Stderr, progress.Options{Title: "quantize", Unit: "MB", Total: r.Before / mega, Quiet: g.Quiet || r.Before < 100*mega}))
		q.Progress = func(done, _ int) { bar.Set(done / mega) }
		r, err = quantize.Run(cmd.Context(), m, out, q)
		bar.Done()
	}
	if err != nil {
		return err
	}
	if o.JSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
	}
	_, err = io.WriteString(cmd.OutOrStdout(), quantizeText(r))
	return err
}

// quantizeText is the report as a table.
func quantizeText(r *quantize.Report) string {
	width := len("tensor")
	for _, t := range r.Tensors {
		width = max(width, len(printable(t.Name)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s  %-16s  %-7s  %-7s  %10s  %s\n", width, "tensor", "shape", "from", "to", "size", "error")
	for _, t := range r.Tensors {
		fmt.Fprintf(&b, "%-*s  %-16s  %-7s  %-7s  %10s  %s\n", width, printable(t.Name), strings.Trim(fmt.Sprint(t.Shape), "[]"), t.From, t.To, size(int64(t.After)), errorText(t.Error))
	}
	fmt.Fprintf(&b, "%s: %s to %s, %.2f to %.2f bits per weight, error %s\n", r.Type, size(int64(r.Before)), size(int64(r.After)), r.BitsWas, r.Bits, errorText(r.Error))
	return b.String()
}

func errorText(e *float64) string {
	switch {
	case e == nil:
		return "–"
	case *e == 0:
		return "0"
	}
	return fmt.Sprintf("%.5f", *e)
}
