package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/eval"
	"github.com/hanji-ml/hanji/internal/progress"
	"github.com/hanji-ml/hanji/quantize"
)

type quantizeFlags struct {
	Type       string
	TensorType []string
	Requantize bool

	Calibrate, Importance, WriteImportance, EvalText string
	Samples, Ctx                                     int

	Bits, GroupSize     int
	ActOrder, PerTensor bool
	Damp, Smooth        float64

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
f32, f16, bf16. With --calibrate TEXT the model reads the text first, and columns count by what they multiply in it;
--importance takes this from a file of llama.cpp's imatrix.

With --type gptq, awq or int8 IN is the folder of a Llama, Mistral, Qwen2 or Qwen3 and OUT a folder that hanji runs and
others read: AutoGPTQ's, AutoAWQ's and compressed-tensors' layout. gptq and awq need --calibrate, int8 uses it if given.

The report names each tensor's type and its relative error: root mean square of the difference over that of the weights;
and, where that is known, of what they give in the calibration text. With --eval-text, or the last tenth of the
calibration text, which the model is not calibrated on, it ends with the perplexity of OUT and its divergence from IN.`,
		Example: `  hanji quantize model-f16.gguf model-q4_k_m.gguf --type q4_k_m
  hanji quantize model-f16.gguf small.gguf --type q4_0 --tensor-type ffn_down=q6_k --tensor-type '^output=q8_0'
  hanji quantize model-f16.gguf out.gguf --type q3_k_s --calibrate book.txt --write-importance book.imatrix
  hanji quantize Llama-2-7b-hf llama-2-7b-q8_0.gguf --type q8_0
  hanji quantize Llama-2-7b-hf Llama-2-7b-gptq --type gptq --group-size 128 --act-order --calibrate book.txt
  hanji quantize model-f16.gguf out.gguf --type q3_k_s --dry-run --json`,
		Args: takes(2, 2, "IN and OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, g, args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Type, "type", "", "mix of types, such as q4_k_m, or gptq, awq, int8 (needed)")
	f.StringArrayVar(&o.TensorType, "tensor-type", nil, "PATTERN=TYPE: weights whose name matches the regular expression get this type; the first that matches decides (repeatable)")
	f.BoolVar(&o.Requantize, "requantize", false, "allow IN to be quantised already; its error is added to the new one")
	f.StringVar(&o.Calibrate, "calibrate", "", "text file that shows what the model's weights multiply, or - for standard input")
	f.IntVar(&o.Samples, "samples", 0, "pieces of the calibration text that are read (default 128, awq 32)")
	f.IntVar(&o.Ctx, "ctx", 0, "tokens of a piece (default 512, at most the model's context)")
	f.StringVar(&o.Importance, "importance", "", "file of llama.cpp's imatrix, in place of --calibrate")
	f.StringVar(&o.WriteImportance, "write-importance", "", "keep the importance matrix of --calibrate in this file, a GGUF imatrix")
	f.StringVar(&o.EvalText, "eval-text", "", "text file for the perplexity of OUT (default the last tenth of the calibration text)")
	f.IntVar(&o.Bits, "bits", 4, "gptq: 2, 3, 4 or 8")
	f.IntVar(&o.GroupSize, "group-size", 128, "gptq, awq: columns that share a scale and a zero; -1 for whole rows")
	f.BoolVar(&o.ActOrder, "act-order", false, "gptq: columns with large inputs first")
	f.Float64Var(&o.Damp, "damp", 0.01, "gptq: share of the mean diagonal that is added to the Hessian")
	f.Float64Var(&o.Smooth, "smooth", 0.5, "int8 with --calibrate: SmoothQuant's exponent")
	f.BoolVar(&o.PerTensor, "per-tensor", false, "int8: one scale a weight instead of one a row")
	f.BoolVar(&o.DryRun, "dry-run", false, "only say what would be written")
	f.BoolVar(&o.JSON, "json", false, "the report as one JSON object")
	return cmd
}

// packs tells whether OUT is a folder of safetensors.
func (o *quantizeFlags) packs() bool {
	switch strings.ToLower(o.Type) {
	case quantize.GPTQ, quantize.AWQ, quantize.Int8:
		return true
	}
	return false
}

// ofPacks are the flags that belong to folders, and the methods that they belong to; ofMixes those of GGUF files.
var (
	ofPacks = map[string][]string{"bits": {"gptq"}, "group-size": {"gptq", "awq"}, "act-order": {"gptq"}, "damp": {"gptq"}, "smooth": {"int8"}, "per-tensor": {"int8"}}
	ofMixes = []string{"tensor-type", "requantize", "importance", "write-importance"}
)

// check refuses flags that do not go together.
func (o *quantizeFlags) check(given func(flag string) bool) error {
	if o.Type == "" {
		return usagef("quantize needs --type, such as q4_k_m or q8_0")
	}
	kind := strings.ToLower(o.Type)
	for _, name := range slices.Sorted(maps.Keys(ofPacks)) {
		if given(name) && !slices.Contains(ofPacks[name], kind) {
			return usagef("--%s belongs to --type %s", name, strings.Join(ofPacks[name], " and "))
		}
	}
	for _, name := range ofMixes {
		if given(name) && o.packs() {
			return usagef("--%s belongs to types of GGUF, not to %s", name, kind)
		}
	}
	switch {
	case o.Importance != "" && o.Calibrate != "":
		return usagef("--importance stands in for --calibrate; give one of them")
	case o.WriteImportance != "" && o.Calibrate == "":
		return usagef("--write-importance keeps what --calibrate finds; give both")
	case o.Calibrate == "" && !o.DryRun && (kind == quantize.GPTQ || kind == quantize.AWQ):
		return usagef("--type %s needs --calibrate TEXT", kind)
	case o.Samples < 0 || o.Ctx < 0:
		return usagef("--samples and --ctx are numbers from 1")
	}
	return nil
}

// options turns flags into the job's.
func (o *quantizeFlags) options() (q quantize.Options, err error) {
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

// quantizeReport is what the command says.
type quantizeReport struct {
	*quantize.Report
	Eval *eval.PerplexityResult `json:"eval,omitempty"`
}

func (o *quantizeFlags) run(cmd *cobra.Command, g *globals, in, out string) error {
	if err := o.check(cmd.Flags().Changed); err != nil {
		return err
	}
	var r quantizeReport
	var err error
	texts, err := o.texts(cmd)
	if err != nil {
		return err
	}
	if in, err = modelPath(in); err != nil {
		return err
	}
	if o.packs() {
		r.Report, err = o.pack(cmd, g, in, out, texts)
	} else {
		r.Report, err = o.blocks(cmd, g, in, out, texts)
	}
	if err == nil && !o.DryRun {
		r.Eval, err = o.evaluate(cmd, g, in, out, texts)
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

// blocks writes a GGUF file.
func (o *quantizeFlags) blocks(cmd *cobra.Command, g *globals, in, out string, texts calibration) (*quantize.Report, error) {
	q, err := o.options()
	if err != nil {
		return nil, err
	}
	m, err := quantize.Open(in)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if q.Importance, err = o.importance(cmd, g, in, m.Tensors, texts); err != nil {
		return nil, err
	}
	r, err := quantize.Plan(m, q)
	if err != nil || o.DryRun {
		return r, err
	}
	const mega = 1e6
	bar := progress.New(cmd.ErrOrStderr(), progress.Auto(os.Stderr, progress.Options{Title: "quantize", Unit: "MB", Total: r.Before / mega, Quiet: g.Quiet || r.Before < 100*mega}))
	defer bar.Done()
	q.Progress = func(done, _ int) { bar.Set(done / mega) }
	return quantize.Run(cmd.Context(), m, out, q)
}

// pack writes a folder.
func (o *quantizeFlags) pack(cmd *cobra.Command, g *globals, in, out string, texts calibration) (*quantize.Report, error) {
	q := quantize.PackOptions{Method: strings.ToLower(o.Type), ActOrder: o.ActOrder, PerTensor: o.PerTensor, Damp: o.Damp, Smooth: o.Smooth, Bits: o.Bits, Group: o.GroupSize}
	r, err := quantize.PlanPack(in, q)
	if err != nil || o.DryRun {
		return r, err
	}
	if q.Samples, err = o.samples(in, texts); err != nil {
		return nil, err
	}
	var bar *progress.Bar
	q.Progress = func(done, total int) {
		if bar == nil {
			bar = progress.New(cmd.ErrOrStderr(), progress.Auto(os.Stderr, progress.Options{Title: "quantize", Unit: "layers", Total: total, Quiet: g.Quiet || r.Before < 100e6}))
		}
		bar.Set(done)
	}
	r, err = quantize.Pack(cmd.Context(), in, out, q)
	if bar != nil {
		bar.Done()
	}
	return r, err
}

// quantizeText is the report as a table.
func quantizeText(r quantizeReport) string {
	width, outputs := len("tensor"), false
	for _, t := range r.Tensors {
		width = max(width, len(printable(t.Name)))
		outputs = outputs || t.OutputError != nil
	}
	var b strings.Builder
	line := func(name, shape, from, to, size, err, output string) {
		fmt.Fprintf(&b, "%-*s  %-16s  %-7s  %-7s  %10s  ", width, name, shape, from, to, size)
		if outputs {
			fmt.Fprintf(&b, "%-7s  %s\n", err, output)
		} else {
			fmt.Fprintln(&b, err)
		}
	}
	line("tensor", "shape", "from", "to", "size", "error", "outputs")
	for _, t := range r.Tensors {
		line(printable(t.Name), strings.Trim(fmt.Sprint(t.Shape), "[]"), t.From, t.To, size(int64(t.After)), errorText(t.Error), errorText(t.OutputError))
	}
	fmt.Fprintf(&b, "%s: %s to %s, %.2f to %.2f bits per weight, error %s\n", r.Type, size(int64(r.Before)), size(int64(r.After)), r.BitsWas, r.Bits, errorText(r.Error))
	if e := r.Eval; e != nil {
		fmt.Fprintf(&b, "perplexity %.4f before, %.4f ± %.4f after; KL divergence %.6f nats, top-1 agreement %.2f %% (%d tokens, ctx %d)\n",
			e.Against.Perplexity, e.Perplexity, e.Error, e.Against.KL, 100*e.Against.Top1, e.Scored, e.Ctx)
	}
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
