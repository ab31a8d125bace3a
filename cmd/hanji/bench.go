package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
)

// measurement is one line of `hanji bench`, in the form that peers print theirs.
type measurement struct {
	Case    string  `json:"case"`
	Threads int     `json:"threads"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Who     string  `json:"who"`
}

type benchOptions struct {
	threads, batch, steps int
	depth, trees          int
	model, name, data     string
	text, spm, tiktoken   string
	url                   string
	clients, requests     int
	tokens, leave         int
	asJSON                bool
	w                     io.Writer
}

// benches are the works that can be measured: those of the peers' scripts, under the same names and cases.
var benches = []struct {
	name, what string
	run        func(o benchOptions) error
}{
	{"gemm", "C = A·B in float32: squares and transformer shapes, operands unpacked at entry", benchGemm},
	{"ttm", "Tiny Time Mixer inference (--model r2-512-96): windows of 7 channels a second", benchTTM},
	{"patchtst_train", "one PatchTST training step: forward, backward, Adam; batch 128 × 336 × 7 → 96", benchPatchTST},
	{"llama", "a language model (--model): a prompt of 512 tokens, then 64 tokens one by one, tokens a second", benchLlama},
	{"encode_text", "a text (--text) into the ids of a tokenizer (--model, --spm, --tiktoken), MB a second on one thread", benchEncode},
	{"serve", "a server under load (--model or --url): tokens a second, time to the first piece and to the end", benchServe},
	{"gbdt", "gradient boosting (--data): binning, 100 trees of 255 leaves, prediction of the same rows", benchGBDT},
	{"peak", "the roof: float32 multiply-add rate and read bandwidth", benchPeak},
}

func newBenchCmd() *cobra.Command {
	var o benchOptions
	names := ""
	var valid []string
	for _, b := range benches {
		names += fmt.Sprintf("  %-15s %s\n", b.name, b.what)
		valid = append(valid, b.name)
	}
	cmd := &cobra.Command{
		Use:       "bench NAME",
		Short:     "Measure speed on fixed work",
		Long:      "Prints a line for each case: what was done, on how many threads, how fast. Other programs on the machine make it slower.\n\n" + names,
		Example:   "  hanji bench gemm --threads 1\n  hanji bench ttm --model ttm/r2-512-96 --threads 2 --json\n  hanji bench llama --model tinyllama-1.1b-q4_k_m.gguf --threads 2\n  hanji bench serve --model tinyllama-1.1b-q8_0.gguf --clients 8 --requests 2\n  hanji bench gbdt --data rows.bin --threads 2 --json",
		Args:      takes(1, 1, "NAME"),
		ValidArgs: valid,
		RunE: func(cmd *cobra.Command, args []string) error {
			i := slices.Index(valid, args[0])
			if i < 0 {
				return usagef("no benchmark %q; there are %v", args[0], valid)
			}
			o.w = cmd.OutOrStdout()
			o.threads = par.Threads()
			return benches[i].run(o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.batch, "batch", 64, "ttm: windows at once")
	f.IntVar(&o.steps, "steps", 10, "patchtst_train: steps timed; the median counts")
	f.StringVar(&o.model, "model", "", "ttm: folder of the checkpoint; llama, serve: GGUF file or folder; encode_text: tokenizer.json")
	f.StringVar(&o.text, "text", "", "encode_text: file of text")
	f.StringVar(&o.spm, "spm", "", "encode_text: SentencePiece model")
	f.StringVar(&o.tiktoken, "tiktoken", "", "encode_text: tiktoken table")
	f.IntVar(&o.depth, "depth", 0, "llama: tokens in the cache before those that are generated")
	f.StringVar(&o.name, "case", "", "llama: name of the case (default the file's)")
	f.StringVar(&o.data, "data", "", "gbdt: file of rows, float32 behind two int64, n and columns; the label first")
	f.IntVar(&o.trees, "trees", 100, "gbdt: boosting rounds")
	f.StringVar(&o.url, "url", "", "serve: address of a server that runs, as http://127.0.0.1:8080; its key from HANJI_API_KEYS")
	f.IntVar(&o.clients, "clients", 32, "serve: clients at once")
	f.IntVar(&o.requests, "requests", 20, "serve: requests of each client, one after the other")
	f.IntVar(&o.tokens, "tokens", 32, "serve: tokens of an answer")
	f.IntVar(&o.leave, "leave", 0, "serve: one of how many clients hangs up midway; 0: none")
	f.BoolVar(&o.asJSON, "json", false, "JSON lines")
	return cmd
}

func (o benchOptions) report(name string, value float64, unit string) error {
	m := measurement{name, o.threads, value, unit, "hanji"}
	if o.asJSON {
		return json.NewEncoder(o.w).Encode(m)
	}
	_, err := fmt.Fprintf(o.w, "%-24s %2d threads %10.4g %s\n", m.Case, m.Threads, m.Value, m.Unit)
	return err
}

// fastest runs f for at least half a second and returns the seconds of its quickest run.
func fastest(f func()) float64 {
	f()
	best, spent := math.Inf(1), 0.0
	for spent < 0.5 {
		t := time.Now()
		f()
		d := time.Since(t).Seconds()
		best, spent = min(best, d), spent+d
	}
	return best
}

func benchGemm(o benchOptions) error {
	shapes := []struct {
		name    string
		m, k, n int
	}{{"gemm-256", 256, 256, 256}, {"gemm-512", 512, 512, 512}, {"gemm-1024", 1024, 1024, 1024}, {"gemm-2048", 2048, 2048, 2048},
		{"gemm-1x4096x4096", 1, 4096, 4096}, {"gemm-8x4096x4096", 8, 4096, 4096}, {"gemm-64x768x3072", 64, 768, 3072},
		{"gemm-512x768x768", 512, 768, 768}, {"gemm-512x3072x768", 512, 3072, 768}, {"gemm-197x64x197", 197, 64, 197}}
	for _, s := range shapes {
		ctx := tensor.New(tensor.Options{})
		a, b := ctx.Normal(1, tensor.F32, s.m, s.k), ctx.Normal(2, tensor.F32, s.k, s.n)
		out := ctx.Zeros(tensor.F32, s.m, s.n)
		sec := fastest(func() { tensor.MatMulInto(out, a, b) })
		ctx.Close()
		if err := o.report(s.name, math.Round(20*float64(s.m)*float64(s.k)*float64(s.n)/sec/1e9)/10, "GFLOP/s"); err != nil {
			return err
		}
	}
	return nil
}

func benchTTM(o benchOptions) error {
	if o.model == "" {
		return usagef("bench ttm needs --model, the folder of r2-512-96")
	}
	m, err := all.Open(o.model, nil)
	if err != nil {
		return err
	}
	spec := m.Spec()
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.Normal(1, tensor.F32, o.batch, spec.Context, 7).Keep()
	run := func() {
		ctx.Next(0)
		model.ForecastBatch(ctx, m, model.Window{Past: ctx.Use(x)})
	}
	run()
	n, t := 0, time.Now()
	for time.Since(t) < 3*time.Second {
		run()
		n += o.batch
	}
	return o.report("ttm-windows", math.Round(10*float64(n)/time.Since(t).Seconds())/10, "windows/s")
}

func benchPatchTST(o benchOptions) error {
	m, err := all.Families{}.New("patchtst", []byte(`{"num_input_channels": 7, "context_length": 336, "prediction_length": 96,
		"patch_length": 16, "patch_stride": 8, "d_model": 16, "num_attention_heads": 4, "ffn_dim": 128, "pre_norm": false,
		"path_dropout": 0.3, "ff_dropout": 0.3, "positional_dropout": 0.3}`), 0)
	if err != nil {
		return err
	}
	opt, err := optim.New(optim.Options{Name: "adam", LR: 1e-4}, nn.Trainable(m))
	if err != nil {
		return err
	}
	defer opt.Close()
	ctx := tensor.New(tensor.Options{Grad: true, Train: true})
	defer ctx.Close()
	x, y := ctx.Normal(1, tensor.F32, 128, 336, 7).Keep(), ctx.Normal(2, tensor.F32, 128, 96, 7).Keep()
	var times []float64
	for i := range o.steps + 2 {
		t := time.Now()
		ctx.Next(uint64(i))
		m.Loss(ctx, model.Window{Past: ctx.Use(x)}, y, nil).Backward()
		opt.Step(optim.Rate{LR: 1e-4})
		opt.ZeroGrad()
		times = append(times, time.Since(t).Seconds())
	}
	times = times[2:]
	slices.Sort(times)
	return o.report("patchtst-step", math.Round(times[len(times)/2]*1e4)/1e4, "s")
}

func benchPeak(o benchOptions) error {
	if err := o.report("peak-fma", math.Round(10*kernel.PeakFMA(o.threads))/10, "GFLOP/s"); err != nil {
		return err
	}
	return o.report("peak-read", math.Round(10*kernel.PeakRead(o.threads))/10, "GB/s")
}
