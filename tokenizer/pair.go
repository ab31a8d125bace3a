package tokenizer

import (
	"errors"
	"fmt"
)

// Input is what a model of the BERT kind reads: T ids with their segments and a mask.
type Input struct {
	Tokens  []Token // of both texts; offsets are those in the text of their segment
	IDs     []int32 // [T]
	TypeIDs []int32 // [T], segment 0 or 1
	Mask    []int32 // [T], 1 for a token, 0 for padding
}

func (in *Input) add(tok Token, typeID int32) {
	in.Tokens = append(in.Tokens, tok)
	in.IDs = append(in.IDs, tok.ID)
	in.TypeIDs = append(in.TypeIDs, typeID)
	in.Mask = append(in.Mask, 1)
}

// Truncation cuts an input down to a length.
type Truncation struct {
	MaxLength int    // in tokens, special ones included
	Strategy  string // longest_first (default), only_first, only_second
	Left      bool   // take tokens away at the left
}

// Padding fills an input up.
type Padding struct {
	Length     int // fill up to this many tokens; 0: only to MultipleOf
	MultipleOf int // then up to a multiple of this; 0: no
	ID, TypeID int32
	Token      string
	Left       bool
}

// PairOptions says how EncodePair shapes its input; the zero value does what the file says
// (see Truncation and Padding of Tokenizer), nothing if it says nothing.
type PairOptions struct {
	EncodeOptions
	Truncation *Truncation // nil: the file's; MaxLength 0: none
	Padding    *Padding    // nil: the file's
}

// Truncation is the one the tokenizer's file asks for, or nil. Encode does not heed it.
func (t *Tokenizer) Truncation() *Truncation { return t.trunc }

// Padding is the one the tokenizer's file asks for, or nil. Encode does not heed it.
func (t *Tokenizer) Padding() *Padding { return t.pad }

// EncodeInput encodes one text as an input.
func (t *Tokenizer) EncodeInput(text string, o PairOptions) (Input, error) {
	return t.input(text, nil, o)
}

// EncodePair encodes two texts as one input: question and passage, premise and hypothesis.
// It fails where the truncation's strategy cannot reach its length.
func (t *Tokenizer) EncodePair(a, b string, o PairOptions) (Input, error) {
	return t.input(a, &b, o)
}

func (t *Tokenizer) input(a string, b *string, o PairOptions) (Input, error) {
	items := t.post.single
	if b != nil {
		items = t.post.pair
	}
	if o.NoSpecial {
		items = bare().single
		if b != nil {
			items = bare().pair
		}
	}
	first := t.sequence(a, o.EncodeOptions)
	var second []Token
	if b != nil {
		second = t.sequence(*b, o.EncodeOptions)
	}
	trunc, pad := o.Truncation, o.Padding
	if trunc == nil {
		trunc = t.trunc
	}
	if pad == nil {
		pad = t.pad
	}
	if trunc != nil && trunc.MaxLength > 0 {
		var err error
		if first, second, err = trunc.apply(first, second, b != nil, extra(items)); err != nil {
			return Input{}, err
		}
	}
	in := t.around(items, first, second)
	if pad != nil {
		pad.apply(&in)
	}
	return in, nil
}

// apply follows tokenizers/src/utils/truncation.rs; added special tokens count.
func (tr *Truncation) apply(a, b []Token, pair bool, added int) ([]Token, []Token, error) {
	room := tr.MaxLength - added
	if room < 0 {
		return nil, nil, fmt.Errorf("truncation to %d tokens leaves no room for %d special ones", tr.MaxLength, added)
	}
	over := len(a) + len(b) - room
	if over <= 0 {
		return a, b, nil
	}
	switch tr.Strategy {
	case "", "longest_first":
		if !pair {
			return tr.cut(a, len(a)-over), b, nil
		}
		short := min(len(a), len(b))
		long := max(short, room-short)
		if short+long > room {
			short = room / 2
			long = short + room%2
		}
		if len(a) > len(b) {
			short, long = long, short
		}
		return tr.cut(a, short), tr.cut(b, long), nil
	case "only_first":
		if len(a) <= over {
			return nil, nil, fmt.Errorf("truncation only_first: the first text has %d tokens, %d would have to go", len(a), over)
		}
		return tr.cut(a, len(a)-over), b, nil
	case "only_second":
		if !pair {
			return nil, nil, errors.New("truncation only_second: there is no second text")
		}
		if len(b) <= over {
			return nil, nil, fmt.Errorf("truncation only_second: the second text has %d tokens, %d would have to go", len(b), over)
		}
		return a, tr.cut(b, len(b)-over), nil
	}
	return nil, nil, fmt.Errorf("truncation strategy %s is unknown; want longest_first, only_first or only_second", clip(tr.Strategy))
}

func (tr *Truncation) cut(tokens []Token, n int) []Token {
	if n >= len(tokens) {
		return tokens
	}
	if tr.Left {
		return tokens[len(tokens)-n:]
	}
	return tokens[:n]
}

func (p *Padding) apply(in *Input) {
	n := max(p.Length, len(in.IDs))
	if p.MultipleOf > 0 && n%p.MultipleOf != 0 {
		n += p.MultipleOf - n%p.MultipleOf
	}
	n -= len(in.IDs)
	if n <= 0 {
		return
	}
	var fill Input
	for range n {
		fill.add(Token{ID: p.ID, Text: p.Token}, p.TypeID)
	}
	clear(fill.Mask)
	if p.Left {
		fill.join(*in)
		*in = fill
		return
	}
	in.join(fill)
}

func (in *Input) join(b Input) {
	in.Tokens = append(in.Tokens, b.Tokens...)
	in.IDs = append(in.IDs, b.IDs...)
	in.TypeIDs = append(in.TypeIDs, b.TypeIDs...)
	in.Mask = append(in.Mask, b.Mask...)
}
