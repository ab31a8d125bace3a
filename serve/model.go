package serve

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/tokenizer"
)

// Model is a language model under the names that requests give it.
type Model struct {
	name     string
	aliases  []string
	created  time.Time
	language *all.Language
	engine   Engine
	context  int
	vocab    *generate.Vocabulary

	mu      sync.Mutex
	schemas []compiled // the last used first
}

// ModelOptions say how a model is run.
type ModelOptions struct {
	generate.EngineOptions
	Aliases []string // more names
	Engine  Engine   // that runs it; default: a generate.Engine by EngineOptions
}

// NewModel gives an opened model a name. The caller closes the language model after the server.
func NewModel(name string, l *all.Language, o ModelOptions) (*Model, error) {
	for _, n := range append([]string{name}, o.Aliases...) {
		if n == "" || strings.ContainsFunc(n, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return nil, fmt.Errorf("serve: %q is no name for a model", n)
		}
	}
	m := &Model{name: name, aliases: o.Aliases, created: time.Now(), language: l, engine: o.Engine, context: cmp.Or(o.Context, l.Decoder.Spec().Context)}
	var err error
	if m.vocab, err = generate.NewVocabulary(l.Tokenizer.Pieces(), l.End...); err != nil {
		return nil, err
	}
	if m.engine == nil {
		e, err := generate.NewEngine(l.Decoder, o.EngineOptions)
		if err != nil {
			return nil, err
		}
		m.engine, m.context = engine{e}, e.Options().Context
	}
	return m, nil
}

// names are all that the model answers to.
func (m *Model) names() []string { return append([]string{m.name}, m.aliases...) }

// models are those of a server, by each of their names.
type models struct {
	list   []*Model
	byName map[string]*Model
}

func newModels(list []*Model) (*models, error) {
	set := &models{list: list, byName: map[string]*Model{}}
	for _, m := range list {
		for _, n := range m.names() {
			if set.byName[n] != nil {
				return nil, fmt.Errorf("serve: two models are called %q; give one of them another name", n)
			}
			set.byName[n] = m
		}
	}
	return set, nil
}

// find gives the model that a request names; without a name the only one.
func (s *models) find(name string) (*Model, *fault) {
	if m := s.byName[name]; m != nil {
		return m, nil
	}
	if name == "" && len(s.list) == 1 {
		return s.list[0], nil
	}
	if name == "" {
		return nil, &fault{http.StatusBadRequest, "model", "missing_required_parameter", "several models are served: name one, GET /v1/models lists them"}
	}
	return nil, &fault{http.StatusNotFound, "model", "model_not_found", fmt.Sprintf("the model %q does not exist; GET /v1/models lists those that do", clip(name))}
}

// prompt is the ids of a conversation and the text that they are of.
func (m *Model) prompt(messages []chat.Message, tools []tool) ([]int32, *fault) {
	text, f := m.render(messages, tools, true)
	if f != nil {
		return nil, f
	}
	return m.language.Tokenizer.Encode(text, tokenizer.EncodeOptions{NoSpecial: true}), nil
}

// render is a conversation as the model's template writes it.
func (m *Model) render(messages []chat.Message, tools []tool, ask bool) (string, *fault) {
	t := m.language.Template
	if t == nil {
		return "", &fault{http.StatusBadRequest, "messages", "no_chat_template", "the model has no chat template: ask /v1/completions, or start the server with --template"}
	}
	o := chat.Options{AddGenerationPrompt: ask, BOS: m.language.BOS, EOS: m.language.EOS}
	if len(tools) > 0 {
		if !strings.Contains(t.Source(), "tools") {
			return "", invalid("tools", "the model's chat template has no place for tools")
		}
		o.Extra = map[string]any{"tools": toolsJSON(tools)}
	}
	p, err := t.Render(messages, o)
	var raised *chat.RaisedError
	switch {
	case errors.As(err, &raised):
		return "", invalid("messages", "the model's chat template refuses the conversation: %s", raised.Message)
	case err != nil:
		return "", invalid("messages", "%v", err)
	}
	return p.Text, nil
}

// text is what a token stands for, special ones as they are spelled.
func (m *Model) text(id int32) string {
	if t := m.vocab.Text(id); t != "" {
		return t
	}
	t, _ := m.language.Tokenizer.Token(id)
	return t
}

// compiled is a schema that was asked for before: it remembers which tokens it allowed where.
type compiled struct {
	sum [sha256.Size]byte
	c   *generate.Constraint
}

// maxSchemas bounds how many are remembered.
const maxSchemas = 16

// schema makes a constraint of a JSON schema, or finds it.
func (m *Model) schema(param string, text []byte) (*generate.Constraint, *fault) {
	sum := sha256.Sum256(text)
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.schemas, func(c compiled) bool { return c.sum == sum }); i >= 0 {
		c := m.schemas[i]
		m.schemas = slices.Insert(slices.Delete(m.schemas, i, i+1), 0, c)
		return c.c, nil
	}
	c, err := generate.JSONSchema(m.vocab, text, generate.SchemaOptions{})
	if err != nil {
		return nil, invalid(param, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	m.schemas = slices.Insert(m.schemas, 0, compiled{sum, c})
	m.schemas = m.schemas[:min(len(m.schemas), maxSchemas)]
	return c, nil
}
