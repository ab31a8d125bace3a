package lm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/train"
)

// storage are the types that weights are saved in.
var storage = map[string]tensor.DType{"": tensor.F32, "f32": tensor.F32, "f16": tensor.F16, "bf16": tensor.BF16}

// vocabularyFiles are those that belong to a tokenizer and its chat template in a published folder.
var vocabularyFiles = []string{"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
	"vocab.txt", "qwen.tiktoken", "chat_template.jinja", "chat_template.json"}

// recipeFile is what a run's folder keeps of its recipe.
const recipeFile = "recipe.json"

// note writes the recipe down, or compares it with that of the run that goes on: train.Run sees only its own part of a recipe.
func (w *work) note() error {
	r := *w.r
	r.Train.CheckpointEvery = 0 // may change
	now, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("lm: recipe: %w", err)
	}
	path := filepath.Join(w.o.Out, recipeFile)
	if _, err := os.Stat(filepath.Join(w.o.Out, "train", train.CheckpointFile)); err == nil {
		was, err := os.ReadFile(path)
		if err == nil && w.o.Resume && !bytes.Equal(was, now) {
			return fmt.Errorf("lm: %s was made by another recipe, that of %s; give the same one, or another --out", w.o.Out, path)
		}
		return nil
	}
	if err := os.MkdirAll(w.o.Out, 0o777); err != nil {
		return fmt.Errorf("lm: %w", err)
	}
	return write(path, now)
}

// save writes adapters, if there are any, in peft's layout, and the folder of a published model: weights, configuration, tokenizer, chat template.
func (w *work) save(out string) error {
	if w.r.LoRA != nil {
		if err := model.SaveLoRA(w.model, filepath.Join(out, "adapter"), model.LoRAConfig{LoRAOptions: w.r.LoRA.WithDefaults(), Base: w.from}); err != nil {
			return err
		}
		if w.opaque {
			return nil
		}
		nn.MergeLoRA(w.model)
	}
	dir := filepath.Join(out, "model")
	if err := w.saveWeights(dir); err != nil {
		return err
	}
	if w.trained != nil {
		if err := w.trained.Save(dir); err != nil {
			return err
		}
	} else if err := copyVocabulary(dir, w.vocabulary); err != nil {
		return err
	}
	if w.jinja != "" {
		if err := write(filepath.Join(dir, "chat_template.jinja"), []byte(w.jinja)); err != nil {
			return err
		}
	}
	generation := map[string]any{"do_sample": true}
	if r := w.tokenizer.Roles(); r.BOS >= 0 {
		generation["bos_token_id"] = r.BOS
	}
	eos := slices.Clone(w.model.Spec().EOS)
	for _, id := range w.ends {
		if !slices.Contains(eos, id) {
			eos = append(eos, id)
		}
	}
	if len(eos) == 1 {
		generation["eos_token_id"] = eos[0]
	} else if len(eos) > 1 {
		generation["eos_token_id"] = eos
	}
	b, err := json.MarshalIndent(generation, "", "  ")
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, "generation_config.json"), append(b, '\n'))
}

func (w *work) saveWeights(dir string) error {
	dt := storage[w.r.Store]
	if s, ok := w.model.(interface {
		SaveAs(dir string, dt tensor.DType) error
	}); ok {
		return s.SaveAs(dir, dt)
	}
	if dt != tensor.F32 {
		return fmt.Errorf("lm: recipe: store %s: the family %s is saved as f32 alone; the last checkpoint holds what was trained", w.r.Store, w.model.Spec().Family)
	}
	return w.model.Save(dir)
}

// copyVocabulary copies the tokenizer's files, of a folder or the one that was named.
func copyVocabulary(dir, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("lm: %w", err)
	}
	names := vocabularyFiles
	if !info.IsDir() {
		from, names = filepath.Dir(from), []string{filepath.Base(from), "tokenizer_config.json"}
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("lm: %w", err)
		}
		if err := write(filepath.Join(dir, name), b); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, data []byte) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
