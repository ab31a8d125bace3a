package lm_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/lm"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tokenizer"
	"github.com/hanji-ml/hanji/train"
)

// What a run leaves behind, transformers loads and reads alike: weights, vocabulary, chat template. It needs a Python with torch, transformers and
// safetensors, named by HANJI_PYTHON; CONTRIBUTING.md says when to run it.
func TestTransformersLoads(t *testing.T) {
	python := os.Getenv("HANJI_PYTHON")
	if python == "" {
		t.Log("HANJI_PYTHON is not set: not compared with transformers in this run")
		return
	}
	dir := t.TempDir()
	base := pretraining(story(dir, 3000))
	base.Data.Context = 256
	if _, err := base.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: filepath.Join(dir, "base")}); err != nil {
		t.Fatal(err)
	}
	r := lm.Recipe{Task: "language", Model: lm.ModelRecipe{From: filepath.Join(dir, "base", "model")}, Data: lm.DataRecipe{Conversations: []string{talks(dir)}, Template: "vicuna"},
		Train: train.Options{MaxSteps: 5, Optimizer: optim.Options{LR: 1e-2}}}
	if _, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: filepath.Join(dir, "sft")}); err != nil {
		t.Fatal(err)
	}
	l, err := all.OpenLanguage(filepath.Join(dir, "sft", "model"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	messages := []chat.Message{{Role: "user", Content: "3 plus 2?"}}
	prompt, err := l.Prompt(messages, chat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const text = "한지 is paper, 3 plus 4; it's 🙂\n\n  done"
	y := logits(t, l.Decoder, prompt)
	said, err := json.Marshal(map[string]any{"prompt": prompt, "text": text, "ids": l.Tokenizer.Encode(text, tokenizer.EncodeOptions{}), "logits": y[len(y)-l.Decoder.Spec().Vocab:]})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "said.json"), said, 0o666); err != nil {
		t.Fatal(err)
	}
	script := `
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
d = sys.argv[1] + "/sft/model"
said = json.load(open(sys.argv[1] + "/said.json"))
tok = AutoTokenizer.from_pretrained(d)
assert tok(said["text"])["input_ids"] == said["ids"], (tok(said["text"])["input_ids"], said["ids"])
prompt = tok.apply_chat_template([{"role": "user", "content": "3 plus 2?"}], add_generation_prompt=True, return_dict=False)
assert list(prompt) == said["prompt"], (prompt, said["prompt"])
m, info = AutoModelForCausalLM.from_pretrained(d, output_loading_info=True, attn_implementation="eager")
assert not info["missing_keys"] and not info["unexpected_keys"], info
assert m.generation_config.eos_token_id == tok.eos_token_id, m.generation_config
with torch.no_grad(): got = m.eval()(torch.tensor([said["prompt"]])).logits[0, -1]
worst = (got - torch.tensor(said["logits"])).abs().max().item()
print("logits differ by", worst)
assert worst < 1e-5 * max(1.0, got.abs().max().item()), worst  # float32 sums in another order
`
	out, err := exec.Command(python, "-c", script, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
