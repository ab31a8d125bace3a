package lm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/lm"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/tokenizer"
	"github.com/hanji-ml/hanji/train"
)

// sizes are of a model that trains in a moment.
var sizes = map[string]any{"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "tie_word_embeddings": true}

// story writes a text with an order that can be learned: sums in a row.
func story(dir string, sums int) string {
	var b strings.Builder
	for i := range sums {
		fmt.Fprintf(&b, "%d plus %d is %d. ", i%7, i%3, i%7+i%3)
	}
	path := filepath.Join(dir, "story.txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		panic(err)
	}
	return path
}

func pretraining(text string) lm.Recipe {
	return lm.Recipe{Task: "language", Model: lm.ModelRecipe{Family: "llama", Config: sizes}, Tokenizer: lm.TokenizerRecipe{Train: &tokenizer.TrainOptions{VocabSize: 300}},
		Data: lm.DataRecipe{Text: []string{text}, Context: 32}, Batch: 4,
		Train: train.Options{Seed: 3, Epochs: 2, ClipNorm: 1, Accumulate: 2, CheckpointEvery: 3, Optimizer: optim.Options{LR: 1e-2}, Schedule: optim.Schedule{Name: "cosine", WarmupSteps: 4}}}
}

func weights(t *testing.T, out string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(out, "model", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A run lowers the held-out loss, far below what the text's own letters would allow, and says so of the model that it leaves behind.
func TestPretraining(t *testing.T) {
	dir := t.TempDir()
	r := pretraining(story(dir, 700))
	r.Train.Epochs = 6
	res, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: dir})
	if err != nil {
		t.Fatal(err)
	}
	if res.HeldOut.Nats > res.Before.Nats/2 || res.HeldOut.Nats != res.Train.Best || res.HeldOut.BitsPerByte >= res.Before.BitsPerByte {
		t.Errorf("held out %+v, before %+v, best said to be %v", res.HeldOut, res.Before, res.Train.Best)
	}
	l, err := all.OpenLanguage(filepath.Join(dir, "model"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if s := l.Decoder.Spec(); s.Vocab != l.Tokenizer.Len() || s.Context != 32 || s.BOS != l.Tokenizer.Roles().BOS || len(l.End) != 1 {
		t.Errorf("%+v", s)
	}
}

// A run that is stopped at any step and resumed ends in the bits of one that was not, whatever the batches are.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	r := pretraining(story(dir, 700))
	whole := filepath.Join(dir, "whole")
	if _, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: whole}); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "parts")
	for stops := 0; ; stops++ {
		ctx, cancel := context.WithCancel(context.Background())
		steps := 0
		_, err := r.Run(ctx, all.Decoders{}, lm.RunOptions{Out: out, Resume: true, Log: func(e lm.Event) {
			if e.Kind == "step" {
				if steps++; steps == 1+stops%4 {
					cancel()
				}
			}
		}})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || stops > 100 {
			t.Fatal(err)
		}
	}
	if weights(t, out) != weights(t, whole) {
		t.Error("other weights come of it")
	}
}

// The same, with processes killed outright at random moments.
func TestKill(t *testing.T) {
	if dir := os.Getenv("HANJI_LM_KILL"); dir != "" {
		r := pretraining(filepath.Join(dir, "story.txt"))
		_, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: filepath.Join(dir, "killed"), Resume: true,
			Log: func(lm.Event) { time.Sleep(time.Millisecond) }})
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := t.TempDir()
	r := pretraining(story(dir, 700))
	whole := filepath.Join(dir, "whole")
	if _, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: whole}); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	command := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "HANJI_LM_KILL="+dir)
		return cmd
	}
	for range 12 {
		cmd := command()
		if err := cmd.Start(); err != nil {
			t.Skip("golden: no process can be started here:", err)
		}
		time.Sleep(time.Duration(20+rng.IntN(100)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	if out, err := command().CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if weights(t, filepath.Join(dir, "killed")) != weights(t, whole) {
		t.Error("weights differ from those of the run that nobody killed")
	}
}

// A dry run leaves nothing behind.
func TestDryRun(t *testing.T) {
	dir := t.TempDir()
	r := pretraining(story(dir, 700))
	var got train.Estimate
	out := filepath.Join(dir, "out")
	if _, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: out, DryRun: func(e train.Estimate) { got = e }}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(out); err == nil || got.Steps == 0 || got.Parameters == 0 {
		t.Errorf("%+v", got)
	}
}

// talks writes conversations of sums and answers, in two layouts, with some that are left out.
func talks(dir string) string {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, `{"conversations": [{"from": "human", "value": "%d plus %d?"}, {"from": "gpt", "value": "%d plus %d is %d."}, {"from": "human", "value": "Sure?"}, {"from": "gpt", "value": "Yes."}]}`+"\n",
			i%7, i%3, i%7, i%3, i%7+i%3)
	}
	b.WriteString(`{"messages": [{"role": "user", "content": "Anyone?"}]}`)
	path := filepath.Join(dir, "talks.jsonl")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		panic(err)
	}
	return path
}

// Conversations teach adapters on a model that was made from text; the adapters, the model they are merged into and a resumed run agree.
func TestLoRA(t *testing.T) {
	dir := t.TempDir()
	base := pretraining(story(dir, 2000))
	base.Data.Context = 128
	if _, err := base.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: filepath.Join(dir, "base")}); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(dir, "base", "model")
	r := lm.Recipe{Task: "language", Model: lm.ModelRecipe{From: from}, Data: lm.DataRecipe{Conversations: []string{talks(dir)}, Template: "zephyr"}, Batch: 6,
		LoRA:  &nn.LoRAOptions{Rank: 4, Dropout: 0.1, Targets: []string{"all-linear"}},
		Train: train.Options{Seed: 1, Epochs: 3, CheckpointEvery: 5, Optimizer: optim.Options{LR: 1e-2}}}
	out := filepath.Join(dir, "sft")
	res, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: out})
	if err != nil {
		t.Fatal(err)
	}
	if res.HeldOut.Nats > 0.7*res.Before.Nats || res.Data.Samples != 57 || res.Data.Skipped["the assistant says nothing"] != 1 {
		t.Errorf("%+v before %+v, %+v", res.HeldOut, res.Before, res.Data)
	}
	merged, err := all.OpenLanguage(filepath.Join(out, "model"))
	if err != nil {
		t.Fatal(err)
	}
	defer merged.Close()
	prompt, err := merged.Prompt([]chat.Message{{Role: "user", Content: "1 plus 2?"}}, chat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if text := merged.Tokenizer.Decode(prompt, tokenizer.DecodeOptions{KeepSpecial: true}); text != "<s><|user|>\n1 plus 2?</s>\n<|assistant|>\n" {
		t.Errorf("the model asks by %q", text)
	}
	plain, err := all.OpenDecoder(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := logits(t, plain, prompt)
	if _, err := model.LoadLoRA(plain, filepath.Join(out, "adapter")); err != nil {
		t.Fatal(err)
	}
	a, b := logits(t, plain, prompt), logits(t, merged.Decoder, prompt)
	moved := 0.0
	for i := range a {
		moved = max(moved, math.Abs(float64(a[i]-before[i])))
		if math.Abs(float64(a[i]-b[i])) > 1e-4 { // float32 sums in another order, logits of some tens
			t.Fatalf("logit %d is %v with the adapter, %v merged", i, a[i], b[i])
		}
	}
	if moved < 0.1 {
		t.Errorf("the adapter moves logits by %v", moved)
	}
	stopped := filepath.Join(dir, "stopped")
	ctx, cancel := context.WithCancel(context.Background())
	_, err = r.Run(ctx, all.Decoders{}, lm.RunOptions{Out: stopped, Log: func(e lm.Event) {
		if e.Step == 7 {
			cancel()
		}
	}})
	cancel()
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: stopped, Resume: true}); err != nil {
		t.Fatal(err)
	}
	if weights(t, stopped) != weights(t, out) {
		t.Error("resumed, other weights come of it")
	}
}

func logits(t *testing.T, m model.Decoder, tokens []int32) []float32 {
	t.Helper()
	cache, err := m.NewCache(nn.CacheOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	y, err := m.Forward(ctx, model.Batch{Tokens: tokens}, cache)
	if err != nil {
		t.Fatal(err)
	}
	return y.Read()
}

// Experts that are evened out get their share; the losses and rules of a recipe reach the model.
func TestMoE(t *testing.T) {
	dir := t.TempDir()
	r := pretraining(story(dir, 700))
	r.Model, r.Train.Epochs = lm.ModelRecipe{Family: "mixtral", Config: with("num_local_experts", 4)}, 8
	idlest := func(name string, m lm.MoERecipe) float64 {
		r.MoE = &m
		res, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: filepath.Join(dir, name)})
		if err != nil {
			t.Fatal(name, err)
		}
		if len(res.HeldOut.Experts) != 2 || res.HeldOut.Nats > 0.8*res.Before.Nats {
			t.Errorf("%s: %+v before %+v", name, res.HeldOut, res.Before)
		}
		t.Logf("%s: %.3v", name, res.HeldOut.Experts)
		least := 1.0
		for _, shares := range res.HeldOut.Experts {
			sum := 0.0
			for _, s := range shares {
				sum += s
			}
			if math.Abs(sum-1) > 1e-9 {
				t.Errorf("%s: shares %v", name, shares)
			}
			least = min(least, slices.Min(shares)*4)
		}
		return least
	}
	f := func(v float64) *float64 { return &v }
	yes := true
	without, with := idlest("without", lm.MoERecipe{Balance: f(0)}), idlest("with", lm.MoERecipe{Balance: f(0.3), ZLoss: f(1e-3)})
	if with < 0.5 || with <= without {
		t.Errorf("the idlest expert has %v of its fair share with balancing, %v without", with, without)
	}
	if noisy := idlest("noisy", lm.MoERecipe{Balance: f(0), Noisy: &yes, Importance: f(0.1), Load: f(0.1)}); noisy <= without {
		t.Errorf("the idlest expert has %v of its fair share with noise and its losses, %v without", noisy, without)
	}
	idlest("limited", lm.MoERecipe{Balance: f(0.05), Capacity: f(1.25), ByChance: &yes})
}

// Weights that are rounded in training lose less when they are quantised.
func TestQAT(t *testing.T) {
	dir := t.TempDir()
	r := pretraining(story(dir, 700))
	r.Model.Config = with("hidden_size", 32)
	r.QAT = &nn.FakeQuantOptions{Type: "q4_0"}
	res, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: filepath.Join(dir, "qat")})
	if err != nil {
		t.Fatal(err)
	}
	if res.HeldOut.Nats > 0.8*res.Before.Nats {
		t.Errorf("%+v before %+v", res.HeldOut, res.Before)
	}
}

// Recipes that cannot be done say why.
func TestValidate(t *testing.T) {
	dir := t.TempDir()
	text := story(dir, 700)
	for want, change := range map[string]func(r *lm.Recipe){
		`task is ""`:                           func(r *lm.Recipe) { r.Task = "" },
		"one of the two":                       func(r *lm.Recipe) { r.Data.Text = nil },
		"needs tokenizer.path":                 func(r *lm.Recipe) { r.Tokenizer.Train = nil },
		"val_fraction is 1":                    func(r *lm.Recipe) { one := 1.0; r.Data.ValFraction = &one },
		"does not fill one row":                func(r *lm.Recipe) { f := 1e-3; r.Data.ValFraction = &f },
		"store is":                             func(r *lm.Recipe) { r.Store = "f64" },
		"the model's vocab_size is 100":        func(r *lm.Recipe) { r.Model.Config = with("vocab_size", 100) },
		"the model was made for 16":            func(r *lm.Recipe) { r.Model.Config = with("max_position_embeddings", 16) },
		`no language model "lama"`:             func(r *lm.Recipe) { r.Model.Family = "lama" },
		"no such file":                         func(r *lm.Recipe) { r.Data.Text = []string{filepath.Join(dir, "none")} },
		`unknown field "expert_capacity_fact`:  func(r *lm.Recipe) { f := 1.0; r.MoE = &lm.MoERecipe{Capacity: &f} },
		"data.pair names 1 keys":               func(r *lm.Recipe) { r.Data.Pair = []string{"a"} },
		`data.template is "vicunia", want one`: func(r *lm.Recipe) { r.Data.Template = "vicunia" },
	} {
		r := pretraining(text)
		change(&r)
		if _, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: filepath.Join(dir, "out")}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func with(key string, v any) map[string]any {
	b, _ := json.Marshal(sizes)
	m := map[string]any{}
	json.Unmarshal(b, &m)
	m[key] = v
	return m
}

func ExampleRecipe_Run() {
	dir, err := os.MkdirTemp("", "lm")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	r := lm.Recipe{
		Task:      "language",
		Model:     lm.ModelRecipe{Family: "llama", Config: sizes},
		Tokenizer: lm.TokenizerRecipe{Train: &tokenizer.TrainOptions{VocabSize: 300}},
		Data:      lm.DataRecipe{Text: []string{story(dir, 700)}, Context: 32},
		Train:     train.Options{Epochs: 4, Optimizer: optim.Options{LR: 1e-2}},
	}
	res, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d %s; better than before: %v\n", res.Data.Samples, res.Data.Unit, res.HeldOut.Nats < res.Before.Nats)
	// Output: 1 documents; better than before: true
}
