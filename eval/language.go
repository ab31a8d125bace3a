package eval

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/lm"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/table"
	"github.com/hanji-ml/hanji/tokenizer"
	"github.com/hanji-ml/hanji/train"
)

// LanguageOptions of Language.
type LanguageOptions struct {
	Steps   int    // of training; 0: 300
	Samples int    // of Quantizations
	Work    string // folder for the models; one that is there is not trained again
	Builder lm.Builder
	Open    func(path string) (model.Decoder, *tokenizer.Tokenizer, error)
	Log     func(lm.Event) // of training; may be nil
}

// LanguageWays are the rows of Language's table. qat is the checkpoint that was trained on with weights rounded to Q4_0.
func LanguageWays(qat string) []Way {
	return []Way{{Name: "f32"}, {Name: "f16", Type: "f16"}, {Name: "q8_0", Type: "q8_0"}, {Name: "q6_k", Type: "q6_k"}, {Name: "q4_k", Type: "q4_k"},
		{Name: "q4_k, importance", Type: "q4_k", Importance: true}, {Name: "q4_0", Type: "q4_0"}, {Name: "gptq", Type: "gptq"}, {Name: "awq", Type: "awq"},
		{Name: "int8", Type: "int8"}, {Name: "q4_0, QAT", Type: "q4_0", Dir: qat}}
}

// Language trains a small Llama on web pages (data/dclm), and a little further with weights rounded to Q4_0, and measures it on pages that it
// has not seen, as it is and in fewer bits.
func Language(ctx context.Context, data string, o LanguageOptions, done func(Quantized)) error {
	if o.Steps == 0 {
		o.Steps = 300
	}
	seen, unseen, err := SplitPages(filepath.Join(data, "dclm", "majority_data.jsonl"), o.Work)
	if err != nil {
		return err
	}
	base := lm.Recipe{Task: "language", Batch: 16, Data: lm.DataRecipe{Text: []string{seen.Path}, Val: []string{unseen.Path}, Context: 128, StepsPerEpoch: o.Steps},
		Train: train.Options{Seed: 1, Epochs: 1, ClipNorm: 1}}
	fresh := base
	fresh.Model = lm.ModelRecipe{Family: "llama", Config: map[string]any{"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
		"num_attention_heads": 8, "num_key_value_heads": 4, "tie_word_embeddings": true}}
	fresh.Tokenizer.Train = &tokenizer.TrainOptions{VocabSize: 1024}
	fresh.Train.Optimizer = optim.Options{LR: 1e-3, Betas: [2]float64{0.9, 0.95}}
	fresh.Train.Schedule = optim.Schedule{Name: "cosine_with_min_lr", WarmupSteps: o.Steps / 5, MinLRRate: 0.1}
	dir, err := o.train(ctx, fresh, "model")
	if err != nil {
		return err
	}
	tuned := base
	tuned.Model.From, tuned.QAT = dir, &nn.FakeQuantOptions{Type: "q4_0"}
	tuned.Data.StepsPerEpoch = (o.Steps + 4) / 5
	tuned.Train.Optimizer = optim.Options{LR: 1e-4, Betas: [2]float64{0.9, 0.95}}
	qat, err := o.train(ctx, tuned, "qat")
	if err != nil {
		return err
	}
	return Quantizations(ctx, dir, LanguageWays(qat), QuantizationsOptions{Text: unseen.Text, Calibration: seen.Text, Samples: o.Samples, Work: o.Work, Open: o.Open}, done)
}

// train runs a recipe in a folder of Work and gives the folder of its model.
func (o *LanguageOptions) train(ctx context.Context, r lm.Recipe, name string) (string, error) {
	out := filepath.Join(o.Work, name)
	_, err := r.Run(ctx, o.Builder, lm.RunOptions{Out: out, Resume: true, Log: o.Log})
	return filepath.Join(out, "model"), err
}

// Pages are texts in a file of JSON lines.
type Pages struct {
	Path string
	Text string // all, with an empty line between two
}

// SplitPages writes the texts of a file of JSON lines to two: one page in twenty is unseen.
func SplitPages(path, work string) (seen, unseen Pages, err error) {
	t, err := table.Open(path, table.Options{Columns: []string{"text"}, Types: map[string]table.Kind{"text": table.String}, Missing: []string{}})
	if err != nil {
		return seen, unseen, err
	}
	var texts [2][]string
	for i, s := range t.Column("text").Strings {
		k := 0
		if i%20 == 0 {
			k = 1
		}
		texts[k] = append(texts[k], s)
	}
	if len(texts[0]) == 0 {
		return seen, unseen, errors.New("eval: fewer than two pages")
	}
	for k, p := range []*Pages{&seen, &unseen} {
		p.Path, p.Text = filepath.Join(work, []string{"seen.jsonl", "unseen.jsonl"}[k]), strings.Join(texts[k], "\n\n")
		err := atomicfile.Write(p.Path, func(w io.Writer) error {
			e := json.NewEncoder(w)
			for _, s := range texts[k] {
				if err := e.Encode(map[string]string{"text": s}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return seen, unseen, err
		}
	}
	return seen, unseen, nil
}
