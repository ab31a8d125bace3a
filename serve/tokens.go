package serve

import (
	"encoding/json"
	"net/http"

	"github.com/hanji-ml/hanji/tokenizer"
)

// tokenizeRequest is the body of /tokenize, in llama.cpp's words.
type tokenizeRequest struct {
	Model        string `json:"model"`
	Content      string `json:"content"`
	AddSpecial   bool   `json:"add_special"`
	ParseSpecial *bool  `json:"parse_special"`
	WithPieces   bool   `json:"with_pieces"`
}

func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) *fault {
	var t tokenizeRequest
	m, f := s.ask(w, r, &t, &t.Model)
	if f != nil {
		return f
	}
	ids := m.language.Tokenizer.Encode(t.Content, tokenizer.EncodeOptions{NoSpecial: !t.AddSpecial, Verbatim: t.ParseSpecial != nil && !*t.ParseSpecial})
	var tokens any = append([]int32{}, ids...)
	if t.WithPieces {
		type piece struct {
			ID    int32  `json:"id"`
			Piece string `json:"piece"`
		}
		list := make([]piece, len(ids))
		for i, id := range ids {
			list[i] = piece{id, m.text(id)}
		}
		tokens = list
	}
	writeJSON(w, http.StatusOK, map[string]any{"tokens": tokens, "count": len(ids), "max_model_len": m.context})
	return nil
}

// detokenizeRequest is the body of /detokenize.
type detokenizeRequest struct {
	Model  string  `json:"model"`
	Tokens []int32 `json:"tokens"`
}

func (s *Server) detokenize(w http.ResponseWriter, r *http.Request) *fault {
	var d detokenizeRequest
	m, f := s.ask(w, r, &d, &d.Model)
	if f != nil {
		return f
	}
	list := promptList{ids: [][]int32{d.Tokens}}
	if _, f := list.tokens(m, "tokens"); f != nil {
		return f
	}
	writeJSON(w, http.StatusOK, map[string]string{"content": m.language.Tokenizer.Decode(d.Tokens, tokenizer.DecodeOptions{KeepSpecial: true})})
	return nil
}

// templateRequest is the body of /apply-template.
type templateRequest struct {
	Model     string    `json:"model"`
	Messages  []message `json:"messages"`
	Tools     []tool    `json:"tools"`
	AddPrompt *bool     `json:"add_generation_prompt"`

	ChatTemplate json.RawMessage `json:"chat_template" refused:"templates are chosen when the server is started"`
}

func (s *Server) applyTemplate(w http.ResponseWriter, r *http.Request) *fault {
	var t templateRequest
	m, f := s.ask(w, r, &t, &t.Model)
	if f != nil {
		return f
	}
	messages, f := conversation(t.Messages)
	if f != nil {
		return f
	}
	set := toolset{tools: t.Tools}
	if f := set.check(); f != nil {
		return f
	}
	text, f := m.render(messages, set.tools, t.AddPrompt == nil || *t.AddPrompt)
	if f != nil {
		return f
	}
	writeJSON(w, http.StatusOK, map[string]string{"prompt": text})
	return nil
}
