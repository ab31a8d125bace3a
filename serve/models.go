package serve

import (
	"net/http"
	"net/url"
	"strings"
)

// wireModel is OpenAI's model, with llama.cpp's meta.
type wireModel struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	OwnedBy string   `json:"owned_by"`
	Aliases []string `json:"aliases"`
	Meta    wireMeta `json:"meta"`
}

type wireMeta struct {
	Vocab    int  `json:"n_vocab"`
	Context  int  `json:"n_ctx"`       // of this server
	Trained  int  `json:"n_ctx_train"` // of the model
	Width    int  `json:"n_embd"`
	Template bool `json:"chat_template"` // it has one
}

func (m *Model) wire() wireModel {
	spec := m.language.Decoder.Spec()
	return wireModel{m.name, "model", m.created.Unix(), "hanji", append([]string{}, m.aliases...),
		wireMeta{spec.Vocab, m.context, spec.Context, spec.Width, m.language.Template != nil}}
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) *fault {
	list := []wireModel{}
	if set := s.models.Load(); set != nil {
		for _, m := range set.list {
			list = append(list, m.wire())
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Object string      `json:"object"`
		Data   []wireModel `json:"data"`
	}{"list", list})
	return nil
}

func (s *Server) showModel(w http.ResponseWriter, r *http.Request) *fault {
	set := s.models.Load()
	if set == nil {
		return faultf(http.StatusServiceUnavailable, "unavailable", "Loading model")
	}
	name := strings.TrimPrefix(r.URL.Path, "/v1/models/")
	if plain, err := url.PathUnescape(name); err == nil && set.byName[name] == nil {
		name = plain
	}
	m, f := set.find(name)
	if f != nil {
		return f
	}
	writeJSON(w, http.StatusOK, m.wire())
	return nil
}
