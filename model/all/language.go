package all

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/tokenizer"
)

// Language is a language model with all that text needs: what a published folder or a GGUF file holds.
type Language struct {
	Decoder   model.Decoder
	Tokenizer *tokenizer.Tokenizer
	Template  *chat.Template // nil: the checkpoint has none, as of models that only continue text
	BOS, EOS  string         // as templates write them
	End       []int32        // tokens that end an answer

	close func() error
}

// OpenLanguage opens a GGUF file or a folder with config.json, safetensors and the tokenizer's files. Close it.
func OpenLanguage(path string) (*Language, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if info.IsDir() {
		if _, err := os.Stat(filepath.Join(path, "config.json")); err == nil {
			return openFolder(path)
		}
	} else if isGGUF, err := beginsGGUF(path); err != nil || !isGGUF {
		return nil, fmt.Errorf("model: %s is no GGUF file; of a safetensors model give the folder, with config.json", path)
	}
	f, err := gguf.OpenModel(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	l, err := languageOf(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("model: %s: %w", path, err)
	}
	return l, nil
}

// AddLoRA gives the model the adapters of a folder in peft's layout or of a GGUF file; before it is used.
func (l *Language) AddLoRA(path string) error {
	_, err := model.LoadLoRA(l.Decoder, path)
	return err
}

// Close gives mapped files back.
func (l *Language) Close() error {
	if l.close == nil {
		return nil
	}
	return l.close()
}

func languageOf(f *gguf.File) (l *Language, err error) {
	l = new(Language)
	if l.Tokenizer, l.Template, err = vocabularyOfGGUF(f); err != nil {
		return nil, err
	}
	if l.Decoder, err = FromGGUF(f); err != nil {
		return nil, err
	}
	l.close = f.Close
	return l, l.finish()
}

// vocabularyOfGGUF is a file's tokenizer and its chat template, nil where it has none.
func vocabularyOfGGUF(f *gguf.File) (*tokenizer.Tokenizer, *chat.Template, error) {
	t, err := tokenizer.FromGGUF(f.Metadata())
	if err != nil {
		return nil, nil, err
	}
	var c *chat.Template
	source, err := f.Metadata().Text("tokenizer.chat_template")
	if err == nil {
		c, err = chat.Parse(source)
	}
	if err != nil && !errors.Is(err, gguf.ErrNoKey) {
		return nil, nil, fmt.Errorf("chat template: %w", err)
	}
	return t, c, nil
}

func openFolder(path string) (*Language, error) {
	t, err := tokenizer.OpenFile(path)
	if err != nil {
		return nil, err
	}
	l := &Language{Tokenizer: t}
	if l.Template, err = chat.OpenDir(path); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		l.Template = nil
	}
	if l.Decoder, err = OpenDecoder(path, nil); err != nil {
		return nil, err
	}
	if c, ok := l.Decoder.(io.Closer); ok {
		l.close = c.Close
	}
	return l, l.finish()
}

// finish finds the tokens that begin and end, and holds the two vocabularies against each other.
func (l *Language) finish() error {
	s, r := l.Decoder.Spec(), l.Tokenizer.Roles()
	if l.Tokenizer.Len() > s.Vocab {
		return fmt.Errorf("the tokenizer has %d tokens, the model's vocabulary %d", l.Tokenizer.Len(), s.Vocab)
	}
	l.End = slices.Clone(s.EOS)
	if r.EOS >= 0 && !slices.Contains(l.End, r.EOS) {
		l.End = append(l.End, r.EOS)
	}
	for _, name := range []string{"<|eot_id|>", "<|im_end|>", "<end_of_turn>"} { // end a turn, whether or not the file says so
		if id, ok := l.Tokenizer.ID(name); ok && l.Tokenizer.IsSpecial(id) && !slices.Contains(l.End, id) {
			l.End = append(l.End, id)
		}
	}
	l.BOS, l.EOS = l.spelled(r.BOS), l.spelled(r.EOS)
	return nil
}

func (l *Language) spelled(id int32) string {
	if id < 0 {
		return ""
	}
	text, _ := l.Tokenizer.Token(id)
	return text
}

// Prompt is the ids of a conversation after which the assistant speaks. Without a template the last message is text to be
// continued.
func (l *Language) Prompt(messages []chat.Message, o chat.Options) ([]int32, error) {
	if l.Template == nil {
		if len(messages) != 1 {
			return nil, errors.New("the model has no chat template, so it continues one text only; name a template")
		}
		return l.Tokenizer.Encode(messages[0].Content, tokenizer.EncodeOptions{Verbatim: true}), nil
	}
	o.AddGenerationPrompt = true
	if o.BOS == "" {
		o.BOS = l.BOS
	}
	if o.EOS == "" {
		o.EOS = l.EOS
	}
	p, err := l.Template.Render(messages, o)
	if err != nil {
		return nil, err
	}
	return l.Tokenizer.Encode(p.Text, tokenizer.EncodeOptions{NoSpecial: true}), nil
}
