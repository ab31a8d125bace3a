package generate

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// Finish says why an output ended.
type Finish string

// Reasons, in OpenAI's words.
const (
	FinishStop   Finish = "stop"   // an end token, a stop token or a stop text
	FinishLength Finish = "length" // Options.MaxTokens
)

// Token is one step of an output.
type Token struct {
	ID int32
	// Text may be shown now. It lags behind the tokens while it may be part of a stop text or of a character that is
	// not whole yet; the last token brings the rest. Joined, the texts are the output. "" without a vocabulary.
	Text string
	// LogProb is ln of the token's probability by the model, 0 unless Options.LogProbs; Top the most probable tokens,
	// falling, nil unless Options.TopLogProbs.
	LogProb float64
	Top     []LogProb
	// Finish is "" but for the last token. Stop is the text that ended the output, if one did.
	Finish Finish
	Stop   string
}

// Sequence is one output in the making, without the model: logits in, tokens out. [Stream] drives one; a server that
// decodes many at once drives one each. It is not safe for concurrent use.
type Sequence struct {
	options Options
	start   int // where the output begins
	tokens  []int32
	end     []int32

	processors, warpers Chain
	logits, weight      []float32
	match               matcher // of Options.Constraint, if there is one
	out                 output
	finished            bool
}

// reserve bounds the room made for an output before it is known how long it gets.
const reserve = 4096

// NewSequence begins an output after the prompt, which the model must be given too. It is an error if the options are
// not valid.
func NewSequence(prompt []int32, o Options) (*Sequence, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	room := reserve
	if o.MaxTokens > 0 {
		room = min(o.MaxTokens, reserve)
	}
	s := &Sequence{
		options:    o,
		start:      len(prompt),
		tokens:     append(make([]int32, 0, len(prompt)+room), prompt...),
		end:        o.endTokens(),
		processors: o.processors(len(prompt)),
		warpers:    o.warpers(),
		out:        output{stops: o.Stop},
	}
	if o.Constraint != nil {
		s.match = o.Constraint.matcher()
	}
	return s, nil
}

// Tokens are the prompt and the output so far, the end token included. Next may write behind them.
func (s *Sequence) Tokens() []int32 { return s.tokens }

// Finished tells whether the last token was given.
func (s *Sequence) Finished() bool { return s.finished }

// Next chooses the next token by the model's logits [V] after Tokens, which it does not change. After an error, and
// after a token with a Finish, the sequence is over.
func (s *Sequence) Next(logits []float32) (Token, error) {
	if s.finished {
		return Token{}, errors.New("generate: the sequence is finished")
	}
	s.finished = true // unless all goes well
	if v := s.options.Vocabulary; v != nil && len(logits) < v.Len() {
		return Token{}, fmt.Errorf("generate: %d logits for a vocabulary of %d tokens; is it the model's?", len(logits), v.Len())
	}
	if checkLogits(logits) != nil {
		return Token{}, errLogits
	}
	id, err := s.choose(logits)
	if err != nil {
		return Token{}, err
	}
	s.tokens = append(s.tokens, id)
	t := Token{ID: id}
	if s.options.LogProbs || s.options.TopLogProbs > 0 {
		t.LogProb = float64(logits[id]) - logNormaliser(logits)
		t.Top = TopLogProbs(logits, s.options.TopLogProbs)
	}
	if err := s.conclude(&t); err != nil {
		return Token{}, err
	}
	s.finished = t.Finish != ""
	return t, nil
}

// choose applies the filters to a copy of the logits and takes or draws a token.
func (s *Sequence) choose(logits []float32) (int32, error) {
	x, constrained := logits, s.options.Constraint != nil
	if len(s.processors) > 0 || !s.options.greedy() || constrained {
		x = scratch(&s.logits, len(logits))
		copy(x, logits)
	}
	if constrained {
		if err := s.match.filter(x, logits, s.end); err != nil {
			return 0, err
		}
	}
	s.processors.Apply(x, s.tokens)
	s.warpers.Apply(x, s.tokens)
	err := checkLogits(x)
	if err == errRemoved && constrained {
		copy(x, logits)
		if err := s.match.filter(x, logits, s.end); err != nil {
			return 0, err
		}
		err = checkLogits(x)
	}
	if err != nil {
		return 0, err
	}
	if s.options.greedy() {
		return int32(kernel.ArgMax(x)), nil
	}
	n := uint64(len(s.tokens) - s.start)
	return sample(x, scratch(&s.weight, len(x)), uniform(s.options.Seed, n)), nil
}

// conclude gives the token its text, and its finish if it is the last.
func (s *Sequence) conclude(t *Token) error {
	if slices.Contains(s.end, t.ID) {
		t.Text, t.Finish = s.out.flush(), FinishStop
		return nil
	}
	if v := s.options.Vocabulary; v != nil {
		if t.Text, t.Stop = s.out.write(v.Text(t.ID)); t.Stop != "" {
			t.Finish = FinishStop
			return nil
		}
	}
	if s.options.Constraint != nil {
		if err := s.match.advance(t.ID); err != nil {
			return err
		}
		if s.match.done() {
			t.Finish = FinishStop
		}
	}
	if n := s.options.MaxTokens; t.Finish == "" && n > 0 && len(s.tokens)-s.start >= n {
		t.Finish = FinishLength
	}
	if t.Finish != "" {
		if rest := s.out.flush(); rest != "" {
			t.Text += rest
		}
	}
	return nil
}
