package serve

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/hanji-ml/hanji/generate"
)

// sampling are the parameters that say how tokens are chosen, under OpenAI's names, and under those of vLLM and llama.cpp for
// what OpenAI does not have.
type sampling struct {
	Temperature       *float64        `json:"temperature"`
	TopP              *float64        `json:"top_p"`
	TopK              *int            `json:"top_k"`
	MinP              *float64        `json:"min_p"`
	PresencePenalty   *float64        `json:"presence_penalty"`
	FrequencyPenalty  *float64        `json:"frequency_penalty"`
	RepetitionPenalty *float64        `json:"repetition_penalty"`
	LogitBias         map[string]bias `json:"logit_bias"`
	Seed              *int64          `json:"seed"`
	Stop              stops           `json:"stop"`
	IgnoreEOS         bool            `json:"ignore_eos"`
}

type bias float32

// stops is a text or a list of texts.
type stops []string

// maxStops bounds their number: each is looked for at every token. OpenAI has four.
const maxStops = 16

func (s *stops) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		if *s = nil; string(b) != "null" {
			*s = stops{one}
		}
		return nil
	}
	var list []string
	if json.Unmarshal(b, &list) != nil {
		return invalid("stop", "stop is neither text nor a list of texts")
	}
	*s = list
	return nil
}

// checker keeps the first thing that is wrong with a request.
type checker struct{ f *fault }

func (c *checker) bad(param, format string, args ...any) {
	if c.f == nil {
		c.f = invalid(param, format, args...)
	}
}

// within holds a number to a range; one that is not given is dflt.
func within[N int | int64 | float64](c *checker, param string, v *N, lo, hi, dflt N) N {
	if v == nil {
		return dflt
	}
	if !(*v >= lo && *v <= hi) {
		c.bad(param, "%s is %v, want %v to %v", param, *v, lo, hi)
	}
	return *v
}

// options are those of generate; the request's draws differ from others' unless it has a seed. Temperature 1 and no filters are
// OpenAI's defaults.
func (p *sampling) options(m *Model) (generate.Options, *fault) {
	var c checker
	o := generate.Options{
		Temperature:       within(&c, "temperature", p.Temperature, 0, 2, 1),
		TopP:              within(&c, "top_p", p.TopP, 0, 1, 1),
		TopK:              max(0, within(&c, "top_k", p.TopK, -1, 1<<30, 0)), // vLLM: -1 is all
		MinP:              within(&c, "min_p", p.MinP, 0, 1, 0),
		PresencePenalty:   within(&c, "presence_penalty", p.PresencePenalty, -2, 2, 0),
		FrequencyPenalty:  within(&c, "frequency_penalty", p.FrequencyPenalty, -2, 2, 0),
		RepetitionPenalty: within(&c, "repetition_penalty", p.RepetitionPenalty, 0.01, 100, 0),
		Seed:              rand.Uint64(),
		IgnoreEnd:         p.IgnoreEOS,
		Vocabulary:        m.vocab,
	}
	if p.Seed != nil {
		o.Seed = uint64(*p.Seed)
	}
	if len(p.Stop) > maxStops {
		c.bad("stop", "%d stop texts, at most %d", len(p.Stop), maxStops)
	}
	for _, s := range p.Stop {
		if s == "" {
			c.bad("stop", "a stop text is empty: it would end every answer at once")
		}
	}
	o.Stop = p.Stop
	for id, b := range p.LogitBias {
		n, err := strconv.ParseUint(id, 10, 31)
		if err != nil || int(n) >= m.vocab.Len() {
			c.bad("logit_bias", "logit_bias names the token %q, the model has ids from 0 to %d", clip(id), m.vocab.Len()-1)
			break
		}
		if !(b >= -100 && b <= 100) {
			c.bad("logit_bias", "the bias of token %s is %v, want -100 to 100", id, b)
		}
		if o.LogitBias == nil {
			o.LogitBias = map[int32]float32{}
		}
		o.LogitBias[int32(n)] = float32(b)
	}
	return o, c.f
}

// format is OpenAI's response_format.
type format struct {
	Type   string       `json:"type"`
	Schema *namedSchema `json:"json_schema"`
}

type namedSchema struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
	Strict      *bool           `json:"strict"` // output is always held to the schema
}

// constrain holds the output to a format.
func (m *Model) constrain(o *generate.Options, param string, f *format) *fault {
	if f == nil {
		return nil
	}
	var schema []byte
	switch f.Type {
	case "text":
		return nil
	case "json_object":
		schema = []byte(`{"type": "object"}`)
	case "json_schema":
		if f.Schema == nil || !present(f.Schema.Schema) {
			return &fault{http.StatusBadRequest, param + ".json_schema", "missing_required_parameter", param + ".json_schema.schema is missing"}
		}
		schema, param = f.Schema.Schema, param+".json_schema.schema"
	default:
		return invalid(param+".type", "%s.type is %q, want text, json_object or json_schema", param, clip(f.Type))
	}
	var bad *fault
	o.Constraint, bad = m.schema(param, schema)
	return bad
}
