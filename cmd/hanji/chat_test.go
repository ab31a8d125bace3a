package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/quant"
)

// writellm FILE TYPE [TEMPLATE] writes a tiny Llama of drawn weights with a vocabulary of bytes: a script holds no binary.
func writeLLM(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: writellm FILE TYPE [TEMPLATE]")
	}
	template := ""
	if len(args) == 3 {
		template = args[2]
	}
	ts.Check(tinyLLM(ts.MkAbs(args[0]), args[1], template))
}

func tinyLLM(path, typ, template string) error {
	const D, F, V = 64, 96, 3 + 256
	t, err := gguf.ParseType(typ)
	if err != nil {
		return err
	}
	meta := gguf.Metadata{{Key: "general.architecture", Value: "llama"}, {Key: "llama.context_length", Value: uint32(128)},
		{Key: "llama.embedding_length", Value: uint32(D)}, {Key: "llama.block_count", Value: uint32(1)}, {Key: "llama.feed_forward_length", Value: uint32(F)},
		{Key: "llama.attention.head_count", Value: uint32(4)}, {Key: "llama.attention.head_count_kv", Value: uint32(2)},
		{Key: "llama.attention.layer_norm_rms_epsilon", Value: float32(1e-5)}, {Key: "tokenizer.ggml.model", Value: "llama"},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)}, {Key: "tokenizer.ggml.eos_token_id", Value: uint32(2)}}
	tokens, types, scores := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}, make([]float32, V)
	for b := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", b)), append(types, 6)
	}
	meta = append(meta, gguf.KV{Key: "tokenizer.ggml.tokens", Value: tokens}, gguf.KV{Key: "tokenizer.ggml.token_type", Value: types}, gguf.KV{Key: "tokenizer.ggml.scores", Value: scores})
	if template != "" {
		meta = append(meta, gguf.KV{Key: "tokenizer.chat_template", Value: template})
	}
	r := rand.New(rand.NewPCG(1, 2))
	var list []gguf.Tensor
	add := func(name string, typ gguf.Type, shape ...int) error {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			if x[i] = 1; len(shape) == 2 {
				x[i] = float32(r.NormFloat64()) / 4
			}
		}
		size, err := typ.Size(shape)
		if err != nil {
			return err
		}
		b := make([]byte, size)
		list = append(list, gguf.Tensor{Name: name, Type: typ, Shape: shape, Data: b})
		return quant.Quantize(b, x, typ, quant.Options{Cols: shape[len(shape)-1]})
	}
	for _, err := range []error{
		add("token_embd.weight", t, V, D), add("output_norm.weight", gguf.F32, D), add("output.weight", t, V, D), add("blk.0.attn_norm.weight", gguf.F32, D),
		add("blk.0.ffn_norm.weight", gguf.F32, D), add("blk.0.attn_q.weight", t, D, D), add("blk.0.attn_k.weight", t, D/2, D), add("blk.0.attn_v.weight", t, D/2, D),
		add("blk.0.attn_output.weight", t, D, D), add("blk.0.ffn_gate.weight", t, F, D), add("blk.0.ffn_up.weight", t, F, D), add("blk.0.ffn_down.weight", t, D, F),
	} {
		if err != nil {
			return err
		}
	}
	return gguf.Write(path, list, meta)
}

// A conversation reads again only what is new, and its answers are those of a conversation read as a whole; Ctrl-C stops an answer,
// after which it goes on.
func TestTalk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := tinyLLM(path, "Q8_0", "{% for m in messages %}{{ m.role[0] }}{{ m.content }};{% endfor %}{% if add_generation_prompt %}a{% endif %}"); err != nil {
		t.Fatal(err)
	}
	talk := func(input string) string {
		pressed, cancel := context.WithCancel(context.Background())
		cancel() // Ctrl-C at the prompt ends the program's own context: later answers must not suffer
		o := &chatFlags{KVType: "f32"}
		o.MaxTokens = 4
		c, err := openChat(path, o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		var out, messages bytes.Buffer
		c.out, c.messages = &out, &messages
		if err := c.talk(pressed, strings.NewReader(input)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(messages.String(), "prompt tokens") {
			t.Errorf("no rates in %q", messages.String())
		}
		return out.String()
	}
	one := talk("hello\n")
	both := talk("hello\n\nyou\n")
	if !strings.HasPrefix(both, one) || len(both) <= len(one) {
		t.Errorf("%q does not go on from %q", both, one)
	}
	if again := talk("hello\n/reset\nhello\n/exit\nno\n"); again != one+one {
		t.Errorf("after /reset %q, want %q twice", again, one)
	}

	o := &chatFlags{KVType: "f32"}
	o.MaxTokens = 4
	c, err := openChat(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	c.out, c.messages = io.Discard, io.Discard
	first, err := c.ask(context.Background(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if a, err := c.ask(stopped, "you"); err != nil || a.Finish != "interrupted" {
		t.Errorf("%+v, %v after an interruption", a, err)
	}
	second, err := c.ask(context.Background(), "you")
	if err != nil {
		t.Fatal(err)
	}
	if second.CachedTokens < first.PromptTokens {
		t.Errorf("%d of %d tokens were known, the first prompt had %d", second.CachedTokens, second.PromptTokens, first.PromptTokens)
	}
	var fresh bytes.Buffer
	d, err := openChat(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	d.out, d.messages = &fresh, io.Discard
	d.history = append(d.history, c.history[:2]...)
	whole, err := d.ask(context.Background(), "you")
	if err != nil {
		t.Fatal(err)
	}
	if whole.Answer != second.Answer || whole.CachedTokens != 0 {
		t.Errorf("with a cache %q, without %q", second.Answer, whole.Answer)
	}
	if _, err := c.ask(context.Background(), strings.Repeat("long ", 40)); err == nil || !strings.Contains(err.Error(), "there is room for 128; --ctx") {
		t.Errorf("too long a prompt: %v", err)
	}
}
