package generate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Options say how the next token is chosen and when to stop. The zero value is greedy decoding until an end token.
// The same struct is a recipe's YAML, a command's flags and a request's fields. Names are those of transformers and of
// OpenAI's API where these agree on a meaning.
type Options struct {
	// Temperature divides the logits before sampling. Default (0, and what is below 1e-5): no sampling, the most probable
	// token is taken (of equals the one with the lowest id).
	Temperature float64 `yaml:"temperature,omitempty" json:"temperature,omitempty"`
	// TopK, TopP, MinP, TypicalP, EpsilonCutoff and EtaCutoff cut the tail of what is sampled from; see the filters of
	// these names. Default (0; for TopP and TypicalP also 1): off.
	TopK          int     `yaml:"top_k,omitempty" json:"top_k,omitempty"`
	TopP          float64 `yaml:"top_p,omitempty" json:"top_p,omitempty"`
	MinP          float64 `yaml:"min_p,omitempty" json:"min_p,omitempty"`
	TypicalP      float64 `yaml:"typical_p,omitempty" json:"typical_p,omitempty"`
	EpsilonCutoff float64 `yaml:"epsilon_cutoff,omitempty" json:"epsilon_cutoff,omitempty"`
	EtaCutoff     float64 `yaml:"eta_cutoff,omitempty" json:"eta_cutoff,omitempty"`
	// RepetitionPenalty is for tokens of prompt and output. Default (0, 1): off.
	RepetitionPenalty float64 `yaml:"repetition_penalty,omitempty" json:"repetition_penalty,omitempty"`
	// PresencePenalty and FrequencyPenalty are OpenAI's, in [-2, 2], and count the output only. Default: 0.
	PresencePenalty  float64 `yaml:"presence_penalty,omitempty" json:"presence_penalty,omitempty"`
	FrequencyPenalty float64 `yaml:"frequency_penalty,omitempty" json:"frequency_penalty,omitempty"`
	// NoRepeatNGram is the length of the runs of tokens that may not come twice, prompt included. Default (0): any may.
	NoRepeatNGram int `yaml:"no_repeat_ngram_size,omitempty" json:"no_repeat_ngram_size,omitempty"`
	// LogitBias is added to the logits of tokens; -100 bans one in effect, 100 forces it. Default: none.
	LogitBias map[int32]float32 `yaml:"logit_bias,omitempty" json:"logit_bias,omitempty"`
	// SequenceBias is added to the last token of each run of tokens when the others precede it. Default: none.
	SequenceBias []SequenceBias `yaml:"sequence_bias,omitempty" json:"sequence_bias,omitempty"`
	// BadWords are runs of tokens that never appear. Default: none.
	BadWords [][]int32 `yaml:"bad_words,omitempty" json:"bad_words,omitempty"`
	// SuppressTokens never appear, BeginSuppressTokens not as the first of the output. Default: none.
	SuppressTokens      []int32 `yaml:"suppress_tokens,omitempty" json:"suppress_tokens,omitempty"`
	BeginSuppressTokens []int32 `yaml:"begin_suppress_tokens,omitempty" json:"begin_suppress_tokens,omitempty"`
	// Seed of the draws. Output token number i depends on the logits, the seed and i alone, whatever else is decoded
	// beside it. Default: 0, a seed like any other.
	Seed uint64 `yaml:"seed,omitempty" json:"seed,omitempty"`
	// MaxTokens ends the output after so many tokens. Default (0): it ends by itself or with the model's context.
	MaxTokens int `yaml:"max_tokens,omitempty" json:"max_tokens,omitempty"`
	// MinTokens is the number of tokens before which no end token may come. Default: 0.
	MinTokens int `yaml:"min_tokens,omitempty" json:"min_tokens,omitempty"`
	// Stop are texts before which the output ends; no part of them is given out. They need Vocabulary. Default: none.
	Stop []string `yaml:"stop,omitempty" json:"stop,omitempty"`
	// StopTokens end the output as the vocabulary's end tokens do. Default: none.
	StopTokens []int32 `yaml:"stop_token_ids,omitempty" json:"stop_token_ids,omitempty"`
	// IgnoreEnd goes on after the vocabulary's end tokens (not StopTokens). Default: false.
	IgnoreEnd bool `yaml:"ignore_eos,omitempty" json:"ignore_eos,omitempty"`
	// LogProbs fills Token.LogProb; TopLogProbs (which implies it) the most probable so many in Token.Top. Both are of
	// the model's own distribution, before any filter. Default: neither.
	LogProbs    bool `yaml:"logprobs,omitempty" json:"logprobs,omitempty"`
	TopLogProbs int  `yaml:"top_logprobs,omitempty" json:"top_logprobs,omitempty"`
	// PromptLookup is the number of tokens that may be guessed from an earlier occurrence of the last few and checked
	// in one step of the model. The output is the same as without. Default (0): off.
	PromptLookup int `yaml:"prompt_lookup_num_tokens,omitempty" json:"prompt_lookup_num_tokens,omitempty"`

	// Vocabulary holds the tokens' texts and the end tokens. Default: no texts; the output ends by StopTokens or MaxTokens.
	Vocabulary *Vocabulary `yaml:"-" json:"-"`
	// Constraint is what the output must be a member of. It holds before all filters; a token that they leave none to
	// choose from is chosen by the model's logits under the constraint alone. Default: any text.
	Constraint *Constraint `yaml:"-" json:"-"`
	// Custom filters come after all others that do not cut tails. They are shared by all who use these Options. Default: none.
	Custom []Filter `yaml:"-" json:"-"`
}

// Validate reports every problem at once, by the fields' YAML names; nil if there is none.
func (o Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("generate: "+format, args...)) }
	within := func(name string, v, lo, hi float64) {
		if !(v >= lo && v <= hi) {
			bad("%s is %g, want a number from %g to %g", name, v, lo, hi)
		}
	}
	within("temperature", o.Temperature, 0, 1e4)
	within("top_p", o.TopP, 0, 1)
	within("min_p", o.MinP, 0, 1)
	within("typical_p", o.TypicalP, 0, 1)
	within("epsilon_cutoff", o.EpsilonCutoff, 0, 1)
	within("eta_cutoff", o.EtaCutoff, 0, 1)
	within("repetition_penalty", o.RepetitionPenalty, 0, 1e4)
	within("presence_penalty", o.PresencePenalty, -2, 2)
	within("frequency_penalty", o.FrequencyPenalty, -2, 2)
	for _, n := range []struct {
		name string
		v    int
	}{
		{"top_k", o.TopK}, {"no_repeat_ngram_size", o.NoRepeatNGram}, {"max_tokens", o.MaxTokens},
		{"min_tokens", o.MinTokens}, {"top_logprobs", o.TopLogProbs}, {"prompt_lookup_num_tokens", o.PromptLookup},
	} {
		if n.v < 0 {
			bad("%s is %d, want 0 or more", n.name, n.v)
		}
	}
	if o.MaxTokens > 0 && o.MinTokens > o.MaxTokens {
		bad("min_tokens is %d, more than max_tokens %d", o.MinTokens, o.MaxTokens)
	}
	for _, id := range slices.Sorted(maps.Keys(o.LogitBias)) {
		o.validateBias(bad, fmt.Sprintf("logit_bias: token %d", id), o.LogitBias[id], id)
	}
	for i, s := range o.SequenceBias {
		if len(s.Tokens) == 0 {
			bad("sequence_bias: entry %d has no tokens", i)
		}
		o.validateBias(bad, fmt.Sprintf("sequence_bias: entry %d", i), s.Bias, s.Tokens...)
	}
	for i, w := range o.BadWords {
		if len(w) == 0 {
			bad("bad_words: entry %d has no tokens", i)
		}
		o.validateBias(bad, fmt.Sprintf("bad_words: entry %d", i), 0, w...)
	}
	o.validateBias(bad, "suppress_tokens", 0, o.SuppressTokens...)
	o.validateBias(bad, "begin_suppress_tokens", 0, o.BeginSuppressTokens...)
	o.validateBias(bad, "stop_token_ids", 0, o.StopTokens...)
	o.validateStop(bad)
	if o.Constraint != nil && o.Constraint.v != o.Vocabulary {
		bad("the constraint was made for another vocabulary than Vocabulary")
	}
	return errors.Join(errs...)
}

func (o Options) validateBias(bad func(string, ...any), where string, bias float32, ids ...int32) {
	if bias-bias != 0 {
		bad("%s has a bias of %g, want a finite number", where, bias)
	}
	for _, id := range ids {
		if id < 0 {
			bad("%s: there is no token %d", where, id)
		} else if o.Vocabulary != nil && int(id) >= o.Vocabulary.Len() {
			bad("%s: there is no token %d, the vocabulary has %d", where, id, o.Vocabulary.Len())
		}
	}
}

func (o Options) validateStop(bad func(string, ...any)) {
	for i, s := range o.Stop {
		if s == "" {
			bad("stop: entry %d is empty; it would end every output at once", i)
		}
	}
	if len(o.Stop) > 0 && o.Vocabulary == nil {
		bad("stop: texts are found in the tokens' texts; set Vocabulary")
	}
}

// Filters builds the chain for an output that begins at position start. It is in the order of transformers'
// _get_logits_processor: biases, repetition penalty (here followed by OpenAI's penalties), n-grams, bad words, minimum
// length, suppressed tokens, Custom; and where there is sampling temperature, top-k, top-p, min-p, typical, epsilon, eta.
func (o Options) Filters(start int) Chain {
	return append(o.processors(start), o.warpers()...)
}

// processors are the filters that hold for greedy and beam search too.
func (o Options) processors(start int) Chain {
	var c Chain
	add := func(when bool, f Filter) {
		if when {
			c = append(c, f)
		}
	}
	add(len(o.LogitBias) > 0, LogitBias(o.LogitBias))
	for _, s := range o.SequenceBias {
		add(true, s)
	}
	add(o.RepetitionPenalty != 0 && o.RepetitionPenalty != 1, &RepetitionPenalty{Penalty: float32(o.RepetitionPenalty)})
	add(o.PresencePenalty != 0 || o.FrequencyPenalty != 0,
		&CountPenalty{Presence: float32(o.PresencePenalty), Frequency: float32(o.FrequencyPenalty), Start: start})
	add(o.NoRepeatNGram > 0, NoRepeatNGram{o.NoRepeatNGram})
	add(len(o.BadWords) > 0, BadWords(o.BadWords))
	add(o.MinTokens > 0, MinNewTokens{Start: start, Min: o.MinTokens, End: o.endTokens()})
	add(len(o.SuppressTokens) > 0, SuppressTokens(o.SuppressTokens))
	add(len(o.BeginSuppressTokens) > 0, BeginSuppressTokens{Start: start, Tokens: o.BeginSuppressTokens})
	return append(c, o.Custom...)
}

// coldest is the lowest temperature at which there is sampling: far below, logits overflow.
const coldest = 1e-5

func (o Options) greedy() bool { return o.Temperature < coldest }

// warpers shape what is sampled from; the most probable token passes them all.
func (o Options) warpers() Chain {
	var c Chain
	add := func(when bool, f Filter) {
		if when && !o.greedy() {
			c = append(c, f)
		}
	}
	add(o.Temperature != 1, Temperature{float32(o.Temperature)})
	add(o.TopK > 0, TopK{K: o.TopK})
	add(o.TopP > 0 && o.TopP < 1, &TopP{P: o.TopP})
	add(o.MinP > 0, MinP{P: o.MinP})
	add(o.TypicalP > 0 && o.TypicalP < 1, &TypicalP{P: o.TypicalP})
	add(o.EpsilonCutoff > 0, EpsilonCutoff{Epsilon: o.EpsilonCutoff})
	add(o.EtaCutoff > 0, &EtaCutoff{Epsilon: o.EtaCutoff})
	return c
}

// endTokens are all tokens that end the output.
func (o Options) endTokens() []int32 {
	end := slices.Clone(o.StopTokens)
	if o.Vocabulary != nil && !o.IgnoreEnd {
		end = append(end, o.Vocabulary.end...)
	}
	return end
}
