package eval_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/eval"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/tokenizer"
)

func openLanguage(path string) (model.Decoder, *tokenizer.Tokenizer, error) {
	l, err := all.OpenLanguage(path)
	if err != nil {
		return nil, nil, err
	}
	return l.Decoder, l.Tokenizer, nil
}

// A model trained for a few steps on made-up pages: what is in more bits is closer to it, and half floats are it but for roundings.
func TestLanguage(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "dclm"), 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "dclm", "majority_data.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for page := range 60 {
		text := ""
		for i := range 40 {
			n := page*41 + i*i
			text += fmt.Sprintf("Item %d of %d: the %s costs %d won, %d with tax.\n", i, page, []string{"paper", "brush", "ink", "stone", "seal"}[n%5], n%97, n%97+n%97/10)
		}
		if err := json.NewEncoder(f).Encode(map[string]string{"text": text}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got := map[string]eval.Quantized{}
	err = eval.Language(context.Background(), dir, eval.LanguageOptions{Steps: 4, Samples: 4, Work: dir, Builder: all.Decoders{}, Open: openLanguage}, func(q eval.Quantized) { got[q.Name] = q })
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(eval.LanguageWays("")) {
		t.Fatalf("%d rows", len(got))
	}
	if q := got["f32"]; q.KL > 1e-6 || q.Top1 != 1 || q.Scored < 500 || q.Bits != 32 {
		t.Errorf("f32: %+v", q)
	}
	order := []string{"f16", "q8_0", "q6_k", "q4_k", "q4_0"}
	for i, name := range order[1:] {
		if a, b := got[order[i]], got[name]; !(a.KL < b.KL) || !(a.Bits > b.Bits) {
			t.Errorf("%s: KL %.3g at %.2f bits, %s: %.3g at %.2f", a.Name, a.KL, a.Bits, b.Name, b.KL, b.Bits)
		}
	}
	for _, name := range []string{"gptq", "awq", "int8", "q4_k, importance"} {
		if q := got[name]; !(q.KL > 0 && q.KL < 4*got["q4_0"].KL) {
			t.Errorf("%s: %+v", name, q)
		}
	}
	if q := got["int8"]; !(q.KL < got["gptq"].KL) {
		t.Errorf("int8 is further away than gptq: %.3g, %.3g", q.KL, got["gptq"].KL)
	}
	if q := got["q4_0, QAT"]; !(q.Nats < got["f32"].Nats) {
		t.Errorf("training on lowers no loss: %+v, before %+v", q, got["f32"])
	}
}
