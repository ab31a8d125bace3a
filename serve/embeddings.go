package serve

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"

	"github.com/hanji-ml/hanji/model"
)

// embeddingRequest is the body of /v1/embeddings.
type embeddingRequest struct {
	Model      string     `json:"model"`
	Input      promptList `json:"input"`
	Encoding   string     `json:"encoding_format"`
	Dimensions *int       `json:"dimensions"`

	User json.RawMessage `json:"user" ignored:"users are not told apart"`
}

type wireEmbedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"`
}

// embeddings answers with vectors of length 1, one a text.
func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) *fault {
	var e embeddingRequest
	m, f := s.ask(w, r, &e, &e.Model)
	if f != nil {
		return f
	}
	if _, ok := m.language.Decoder.(model.Embedder); !ok {
		return invalid("model", "the model %s gives no embeddings", m.name)
	}
	inputs, f := e.Input.tokens(m, "input")
	if f != nil {
		return f
	}
	width := m.language.Decoder.Spec().Width
	var c checker
	if len(inputs) > s.o.MaxInputs {
		c.bad("input", "%d texts, at most %d", len(inputs), s.o.MaxInputs)
	}
	if e.Dimensions != nil && *e.Dimensions != width {
		c.bad("dimensions", "dimensions is %d: the model's vectors have %d numbers and cannot be cut", *e.Dimensions, width)
	}
	if e.Encoding != "" && e.Encoding != "float" && e.Encoding != "base64" {
		c.bad("encoding_format", "encoding_format is %q, want float or base64", clip(e.Encoding))
	}
	total := 0
	for i, ids := range inputs {
		total += len(ids)
		if len(ids) == 0 {
			c.bad("input", "text %d has no tokens", i)
		}
		if len(ids) > m.context && c.f == nil {
			c.f = &fault{http.StatusBadRequest, "input", "context_length_exceeded",
				fmt.Sprintf("text %d has %d tokens, the model's context is %d", i, len(ids), m.context)}
		}
	}
	if c.f != nil {
		return c.f
	}
	list := make([]wireEmbedding, len(inputs))
	for i, ids := range inputs {
		v, err := m.engine.Embed(r.Context(), ids)
		if err != nil {
			return s.failure(r, nil, false, err)
		}
		list[i] = wireEmbedding{"embedding", i, encodeVector(v, e.Encoding)}
	}
	s.metrics.promptTokens.WithLabelValues(m.name).Add(float64(total))
	writeJSON(w, http.StatusOK, struct {
		Object string          `json:"object"`
		Data   []wireEmbedding `json:"data"`
		Model  string          `json:"model"`
		Usage  any             `json:"usage"`
	}{"list", list, m.name, map[string]int{"prompt_tokens": total, "total_tokens": total}})
	return nil
}

// encodeVector is the list, or its float32 in little-endian as base64, which OpenAI's clients ask for.
func encodeVector(v []float32, encoding string) any {
	if encoding != "base64" {
		return v
	}
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}
