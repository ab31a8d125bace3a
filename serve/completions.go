package serve

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/hanji-ml/hanji/tokenizer"
)

// completionRequest is the body of /v1/completions.
type completionRequest struct {
	Model  string     `json:"model"`
	Prompt promptList `json:"prompt"`
	sampling
	N             *int           `json:"n"`
	BestOf        *int           `json:"best_of"`
	MaxTokens     *int           `json:"max_tokens"`
	Stream        bool           `json:"stream"`
	StreamOptions *streamOptions `json:"stream_options"`
	LogProbs      *int           `json:"logprobs"`
	Echo          bool           `json:"echo"`
	Format        *format        `json:"response_format"` // vLLM's

	User json.RawMessage `json:"user" ignored:"users are not told apart"`

	Suffix json.RawMessage `json:"suffix" refused:"text is continued, not filled in"`
}

// promptList is a text, token ids, or a list of either.
type promptList struct {
	texts []string
	ids   [][]int32
}

func (p *promptList) UnmarshalJSON(b []byte) error {
	*p = promptList{}
	var text string
	var ids []int32
	switch {
	case string(b) == "null":
	case json.Unmarshal(b, &text) == nil:
		p.texts = []string{text}
	case json.Unmarshal(b, &p.texts) == nil && len(p.texts) > 0:
	case json.Unmarshal(b, &ids) == nil && len(ids) > 0:
		p.texts, p.ids = nil, [][]int32{ids}
	case json.Unmarshal(b, &p.ids) == nil && len(p.ids) > 0:
		p.texts = nil
	default:
		return invalid("prompt", "want a text, token ids, or a list of either")
	}
	return nil
}

// tokens are the ids of all.
func (p *promptList) tokens(m *Model, param string) ([][]int32, *fault) {
	for _, ids := range p.ids {
		for _, id := range ids {
			if id < 0 || int(id) >= m.vocab.Len() {
				return nil, invalid(param, "%s names the token %d, the model has ids from 0 to %d", param, id, m.vocab.Len()-1)
			}
		}
	}
	all := p.ids
	for _, text := range p.texts {
		all = append(all, m.language.Tokenizer.Encode(text, tokenizer.EncodeOptions{Verbatim: true}))
	}
	if len(all) == 0 {
		return nil, &fault{http.StatusBadRequest, param, "missing_required_parameter", param + " is missing"}
	}
	return all, nil
}

// The tokens of an answer where none are named, and the most log-probabilities: OpenAI's.
const (
	defaultCompletion   = 16
	maxCompletionProbs  = 5
	completionCandidate = 20 // best_of
)

func (c *completionRequest) request(s *Server, m *Model) (*request, *fault) {
	q := &request{m: m}
	var f *fault
	if q.prompts, f = c.Prompt.tokens(m, "prompt"); f != nil {
		return nil, f
	}
	if q.o, f = c.options(m); f != nil {
		return nil, f
	}
	var check checker
	q.n = within(&check, "n", c.N, 1, s.o.MaxChoices, 1)
	q.max = within(&check, "max_tokens", c.MaxTokens, 1, 1<<30, defaultCompletion)
	if best := within(&check, "best_of", c.BestOf, 1, completionCandidate, q.n); best != q.n {
		check.bad("best_of", "best_of is %d and n %d: outputs are not ranked here", best, q.n)
	}
	q.o.TopLogProbs = within(&check, "logprobs", c.LogProbs, 0, maxCompletionProbs, 0)
	q.o.LogProbs = c.LogProbs != nil
	if c.Echo && q.o.LogProbs {
		check.bad("echo", "echo with logprobs is not supported: those of the prompt are not computed")
	}
	if check.f != nil {
		return nil, check.f
	}
	if f := m.constrain(&q.o, "response_format", c.Format); f != nil {
		return nil, f
	}
	return q, s.check(q, "max_tokens")
}

type wireCompletion struct {
	ID      string          `json:"id"`
	Object  string          `json:"object"`
	Created int64           `json:"created"`
	Model   string          `json:"model"`
	Choices []wireCompleted `json:"choices"`
	Usage   any             `json:"usage,omitempty"`
}

type wireCompleted struct {
	Index    int        `json:"index"`
	Text     string     `json:"text"`
	LogProbs *listProbs `json:"logprobs"`
	Finish   *string    `json:"finish_reason"`
}

// listProbs is OpenAI's logprobs of a completion.
type listProbs struct {
	Tokens   []string             `json:"tokens"`
	LogProbs []float64            `json:"token_logprobs"`
	Top      []map[string]float64 `json:"top_logprobs"`
	Offset   []int                `json:"text_offset"`
}

// listProbs counts offsets on, in characters, from where the texts of tokens before have come to.
func (q *request) listProbs(probs []tokenProb, offset *int) *listProbs {
	if !q.o.LogProbs {
		return nil
	}
	l := &listProbs{Tokens: []string{}, LogProbs: []float64{}, Top: []map[string]float64{}, Offset: []int{}}
	for _, p := range probs {
		text := q.m.text(p.id)
		l.Tokens, l.LogProbs, l.Offset = append(l.Tokens, text), append(l.LogProbs, max(p.lp, leastLogProb)), append(l.Offset, *offset)
		*offset += len([]rune(text))
		top := map[string]float64{}
		for _, t := range p.top {
			top[q.m.text(t.ID)] = max(t.LogProb, leastLogProb)
		}
		l.Top = append(l.Top, top)
	}
	return l
}

func (s *Server) completions(w http.ResponseWriter, r *http.Request) *fault {
	var c completionRequest
	m, f := s.ask(w, r, &c, &c.Model)
	if f != nil {
		return f
	}
	q, f := c.request(s, m)
	if f != nil {
		return f
	}
	out := wireCompletion{ID: newID("cmpl-"), Object: "text_completion", Created: time.Now().Unix(), Model: m.name}
	echo := make([]string, len(q.prompts))
	if c.Echo {
		for i, p := range q.prompts {
			if echo[i] = m.language.Tokenizer.Decode(p, tokenizer.DecodeOptions{}); c.Prompt.texts != nil {
				echo[i] = c.Prompt.texts[i]
			}
		}
	}
	if c.Stream {
		return s.completionStream(w, r, q, out, echo, c.StreamOptions)
	}
	outs, u, f := s.collect(r, q)
	if f != nil {
		return f
	}
	for i := range outs {
		o, offset := &outs[i], 0
		out.Choices = append(out.Choices, wireCompleted{i, echo[i/q.n] + o.text.String(), q.listProbs(o.probs, &offset), &o.finish})
	}
	out.Usage = u.wire()
	writeJSON(w, http.StatusOK, out)
	return nil
}

// completionStream is the sink of a streamed completion.
type completionStream struct {
	*stream
	q       *request
	out     wireCompletion
	echo    []string
	offsets []int
}

func (s *Server) completionStream(w http.ResponseWriter, r *http.Request, q *request, out wireCompletion, echo []string, o *streamOptions) *fault {
	to := &completionStream{newStream(w), q, out, echo, make([]int, q.n*len(q.prompts))}
	usage := o != nil && o.IncludeUsage
	if usage {
		to.out.Usage = null
	}
	u, f := s.pour(r, to.stream, q, to)
	if f != nil {
		return f
	}
	var last any
	if usage {
		out.Choices, out.Usage = []wireCompleted{}, u.wire()
		last = out
	}
	to.finish(last)
	return nil
}

func (c *completionStream) start() error {
	c.open()
	for i := range c.offsets {
		if text := c.echo[i/c.q.n]; text != "" {
			if err := c.piece(wireCompleted{Index: i, Text: text}); err != nil {
				return err
			}
		}
	}
	return c.idle() // the status goes out now
}

func (c *completionStream) piece(p wireCompleted) error {
	c.out.Choices = []wireCompleted{p}
	return c.send("", c.out)
}

func (c *completionStream) event(e event) error {
	p := wireCompleted{Index: e.choice, Text: e.text, LogProbs: c.q.listProbs(e.probs, &c.offsets[e.choice])}
	if e.finish != "" {
		p.Finish = &e.finish
	}
	return c.piece(p)
}
