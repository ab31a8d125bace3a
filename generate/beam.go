package generate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// EarlyStopping says when a beam search has enough.
type EarlyStopping string

// Kinds of early stopping, transformers' False, True and "never".
const (
	// StopHeuristic ends when no running beam, were it to end now, would beat the worst finished one.
	StopHeuristic EarlyStopping = "false"
	// StopAtOnce ends as soon as there are NumBeams finished ones.
	StopAtOnce EarlyStopping = "true"
	// StopNever ends when no running beam can beat the worst finished one any more.
	StopNever EarlyStopping = "never"
)

// UnmarshalJSON takes transformers' forms: true, false and "never".
func (e *EarlyStopping) UnmarshalJSON(b []byte) error {
	*e = EarlyStopping(strings.Trim(string(b), `"`)) // Validate knows what it may be
	return nil
}

// BeamOptions are those of a beam search; decode them over [DefaultBeamOptions]. Of Options it takes what holds
// without sampling: penalties, biases, bans, end tokens, the constraint. MaxTokens must be given.
type BeamOptions struct {
	Options `yaml:",inline"`
	// NumBeams is the number of outputs that are followed at once, 1 or more. DefaultBeamOptions: 4.
	NumBeams int `yaml:"num_beams" json:"num_beams"`
	// LengthPenalty is the power of the output's length by which its log-probability is divided: above 0 favours long
	// outputs, below 0 short ones. DefaultBeamOptions: 1.
	LengthPenalty float64 `yaml:"length_penalty" json:"length_penalty"`
	// EarlyStopping says when to end. Default (""): StopHeuristic.
	EarlyStopping EarlyStopping `yaml:"early_stopping,omitempty" json:"early_stopping,omitempty"`
	// NumReturn is how many outputs are returned, at most NumBeams. Default (0): 1.
	NumReturn int `yaml:"num_return_sequences,omitempty" json:"num_return_sequences,omitempty"`
}

// DefaultBeamOptions are four beams with length penalty 1.
func DefaultBeamOptions() BeamOptions { return BeamOptions{NumBeams: 4, LengthPenalty: 1} }

// Validate reports every problem at once; nil if there is none.
func (o BeamOptions) Validate() error {
	errs := []error{o.Options.Validate()}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("generate: "+format, args...)) }
	if o.NumBeams < 1 || o.NumBeams > 1024 {
		bad("num_beams is %d, want 1 to 1024", o.NumBeams)
	}
	if o.NumReturn < 0 || o.NumReturn > o.NumBeams {
		bad("num_return_sequences is %d, want 0 to num_beams %d", o.NumReturn, o.NumBeams)
	}
	if !(math.Abs(o.LengthPenalty) <= 100) {
		bad("length_penalty is %g, want a number from -100 to 100", o.LengthPenalty)
	}
	switch o.EarlyStopping {
	case "", StopHeuristic, StopAtOnce, StopNever:
	default:
		bad("early_stopping is %q, want true, false or never", o.EarlyStopping)
	}
	if o.MaxTokens == 0 {
		bad("max_tokens must be given for a beam search")
	}
	if o.Temperature != 0 || len(o.Stop) > 0 || o.PromptLookup != 0 || o.LogProbs || o.TopLogProbs != 0 {
		bad("a beam search takes no temperature, stop texts, prompt lookup or logprobs")
	}
	return errors.Join(errs...)
}

// Beam is an output of a beam search.
type Beam struct {
	Tokens []int32 // the end token included
	Text   string  // "" without a vocabulary
	Score  float64 // Σ ln p / len(Tokens)^LengthPenalty, p after the filters
	Finish Finish
}

// BeamSearch returns the outputs with the highest scores that it found, falling. It is transformers' _beam_search: the
// filters see log-probabilities, NumBeams running outputs are kept beside NumBeams finished ones, and an output counts
// as finished only if it was among the NumBeams best candidates of its step.
func BeamSearch(ctx context.Context, m Stepper, prompt []int32, o BeamOptions) ([]Beam, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(prompt) == 0 {
		return nil, errNoPrompt
	}
	s := beamSearch{m: m, o: o, start: len(prompt), processors: o.processors(len(prompt)), end: o.endTokens(), open: true}
	seq, err := m.Start()
	if err != nil {
		return nil, err
	}
	s.running = []running{{seq: seq, tokens: prompt}}
	if o.Constraint != nil {
		s.running[0].match = o.Constraint.matcher()
	}
	defer s.free()
	inputs := []Input{{Seq: seq, Tokens: prompt}}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err := m.Step(ctx, inputs)
		if err != nil {
			return nil, err
		}
		candidates, err := s.candidates(rows)
		if err != nil {
			return nil, err
		}
		if more, err := s.advance(candidates); err != nil || !more {
			return s.finished[:min(max(o.NumReturn, 1), len(s.finished))], err
		}
		inputs = inputs[:0]
		for i := range s.running {
			t := s.running[i].tokens
			inputs = append(inputs, Input{Seq: s.running[i].seq, Tokens: t[len(t)-1:]})
		}
	}
}

// running is an output that goes on.
type running struct {
	seq    int
	tokens []int32 // prompt and output
	score  float64 // Σ ln p
	match  matcher // of Options.Constraint, if there is one
}

// candidate is a running output with one more token.
type candidate struct {
	parent int
	token  int32
	score  float64
	match  matcher
}

type beamSearch struct {
	m          Stepper
	o          BeamOptions
	start      int
	processors Chain
	end        []int32

	running  []running // best first
	finished []Beam    // best first, at most NumBeams
	open     bool      // a running output may still beat the worst finished one

	logprobs, filtered []float32
}

func (s *beamSearch) free() {
	for _, r := range s.running {
		s.m.Free(r.seq)
	}
}

// candidates are the best continuations of all running outputs, best first: so many that NumBeams of them go on
// even if every other is an end token.
func (s *beamSearch) candidates(rows [][]float32) ([]candidate, error) {
	if len(rows) != len(s.running) {
		return nil, fmt.Errorf("generate: the model gave %d rows of logits, want %d", len(rows), len(s.running))
	}
	keep := max(2, 1+len(s.end)) * s.o.NumBeams
	var all []candidate
	for i, row := range rows {
		if checkLogits(row) != nil {
			return nil, errLogits
		}
		x, p := scratch(&s.filtered, len(row)), scratch(&s.logprobs, len(row))
		kernel.LogSoftmax(p, row)
		copy(x, p)
		if s.o.Constraint != nil {
			if err := s.running[i].match.filter(x, p, s.end); err != nil {
				return nil, err
			}
		}
		s.processors.Apply(x, s.running[i].tokens)
		b := largest(x, min(keep, len(x)))
		for id, v := range x {
			if v < b.value || v == b.value && b.ties == 0 || v == negInf {
				continue
			}
			if v == b.value {
				b.ties--
			}
			all = append(all, candidate{i, int32(id), s.running[i].score + float64(v), s.running[i].match})
		}
	}
	if len(all) == 0 {
		return nil, errRemoved
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	return all[:min(keep, len(all))], nil
}

// advance takes the finished outputs out, lets the best of the others run on, and tells whether to go on.
func (s *beamSearch) advance(candidates []candidate) (bool, error) {
	n := len(s.running[0].tokens) - s.start + 1 // length of the outputs now
	full := len(s.finished) == s.o.NumBeams
	var next []candidate
	for rank, c := range candidates {
		isEnd := slices.Contains(s.end, c.token)
		done := isEnd
		if s.o.Constraint != nil && !isEnd {
			if err := c.match.advance(c.token); err != nil {
				return false, err
			}
			done = c.match.done()
		}
		switch {
		case !done && n < s.o.MaxTokens:
			if len(next) < s.o.NumBeams {
				next = append(next, c)
			}
		case rank < s.o.NumBeams && s.open && !(full && s.o.EarlyStopping == StopAtOnce):
			s.finish(c, n, isEnd, done)
		}
	}
	slices.SortStableFunc(s.finished, func(a, b Beam) int { return cmp.Compare(b.Score, a.Score) })
	s.finished = s.finished[:min(len(s.finished), s.o.NumBeams)]
	if len(next) == 0 {
		return false, nil
	}
	if full = len(s.finished) == s.o.NumBeams; full {
		length := n
		if s.o.EarlyStopping == StopNever && s.o.LengthPenalty > 0 {
			length = s.o.MaxTokens
		}
		worst := s.finished[len(s.finished)-1].Score
		s.open = s.open && next[0].score/math.Pow(float64(length), s.o.LengthPenalty) > worst
	}
	if !s.open || full && s.o.EarlyStopping == StopAtOnce {
		return false, nil
	}
	return true, s.fork(next)
}

// finish puts an output among the finished ones.
func (s *beamSearch) finish(c candidate, n int, isEnd, done bool) {
	b := Beam{
		Tokens: append(slices.Clone(s.running[c.parent].tokens[s.start:]), c.token),
		Score:  c.score / math.Pow(float64(n), s.o.LengthPenalty),
		Finish: FinishLength,
	}
	if done {
		b.Finish = FinishStop
	}
	said := b.Tokens
	if isEnd {
		said = said[:n-1]
	}
	if v := s.o.Vocabulary; v != nil {
		var text strings.Builder
		for _, id := range said {
			text.WriteString(v.Text(id))
		}
		b.Text = valid(text.String())
	}
	s.finished = append(s.finished, b)
}

// fork makes the candidates the running outputs. The last child of a parent takes over its sequence.
func (s *beamSearch) fork(next []candidate) error {
	last := make([]int, len(s.running)) // by parent: 1 + its last child
	for i, c := range next {
		last[c.parent] = i + 1
	}
	old := s.running
	s.running = make([]running, 0, len(next))
	var failed error
	for i, c := range next {
		seq := old[c.parent].seq
		if last[c.parent] != i+1 && failed == nil {
			if seq, failed = s.m.Fork(seq); failed != nil {
				continue
			}
		} else if last[c.parent] != i+1 {
			continue
		}
		s.running = append(s.running, running{seq, append(slices.Clip(old[c.parent].tokens), c.token), c.score, c.match})
	}
	for parent, child := range last {
		if child == 0 {
			s.m.Free(old[parent].seq)
		}
	}
	return failed
}
