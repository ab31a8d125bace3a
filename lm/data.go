package lm

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hanji-ml/hanji/chat"
)

// DataSummary is what a recipe's data came to.
type DataSummary struct {
	Unit    string         `json:"unit"`    // of Samples: documents or conversations
	Samples int            `json:"samples"` // that are trained on
	Rows    int            `json:"rows"`
	Tokens  int            `json:"tokens"`
	Context int            `json:"context"`
	Vocab   int            `json:"vocab"` // of the tokenizer
	ValRows int            `json:"val_rows"`
	Skipped map[string]int `json:"skipped,omitempty"` // conversations left out, by reason
}

// texts reads documents, those that are held out apart.
func (r *Recipe) texts() (train, val []string, err error) {
	read := func(path string) ([]string, error) {
		return Documents(path, DocumentOptions{Column: r.Data.Column, Separator: r.Data.Separator})
	}
	if train, err = each(r.Data.Text, "data.text", read); err != nil {
		return nil, nil, err
	}
	if len(train) == 0 {
		return nil, nil, errors.New("lm: recipe: data.text has no text")
	}
	if len(r.Data.Val) == 0 {
		return heldOut(train, r.valFraction(), r.Train.Seed)
	}
	val, err = each(r.Data.Val, "data.val", read)
	return train, val, err
}

// talks reads conversations, those that are held out apart.
func (r *Recipe) talks() (train, val [][]chat.Message, err error) {
	read := func(path string) ([][]chat.Message, error) { return conversations(path, r.Data.Pair) }
	if train, err = each(r.Data.Conversations, "data.conversations", read); err != nil {
		return nil, nil, err
	}
	if len(r.Data.Val) > 0 {
		val, err = each(r.Data.Val, "data.val", read)
		return train, val, err
	}
	if f := r.valFraction(); f > 0 && len(train) > 1 {
		train, val = split(train, f, r.Train.Seed)
	}
	return train, val, nil
}

func each[T any](paths []string, key string, read func(path string) ([]T, error)) (list []T, err error) {
	for _, p := range paths {
		if p, err = expand(key, p); err != nil {
			return nil, err
		}
		more, err := read(p)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// rows makes the rows that are trained on and those that are held out (nil: none).
func (w *work) rows() (train, val *Rows, sum DataSummary, err error) {
	var a, b []sample
	sum.Unit = "documents"
	if w.r.pretraining() {
		a, b = encode(w.tokenizer, w.train), encode(w.tokenizer, w.val)
		w.train, w.val = nil, nil
	} else {
		sum.Unit = "conversations"
		train, val, err := w.r.talks()
		if err != nil {
			return nil, nil, sum, err
		}
		s := w.speaker()
		if a, sum.Skipped = s.samples(train); len(a) == 0 {
			return nil, nil, sum, fmt.Errorf("lm: recipe: no conversation can be learned from: %s", reasons(sum.Skipped))
		}
		for _, one := range a {
			for _, id := range one.ends {
				if !slices.Contains(w.ends, id) {
					w.ends = append(w.ends, id)
				}
			}
		}
		var skipped map[string]int
		b, skipped = s.samples(val)
		for why, n := range skipped {
			sum.Skipped[why] += n
		}
	}
	train, val = arrange(a, w.context, w.r.pack()), arrange(b, w.context, w.r.pack())
	if cut := len(a) - train.Len(); !w.r.pretraining() && !w.r.pack() && cut > 0 {
		sum.Skipped[fmt.Sprintf("its answers lie beyond data.context, %d tokens", w.context)] += cut
	}
	sum.Samples, sum.Rows, sum.Tokens, sum.Context, sum.Vocab, sum.ValRows = len(a), train.Len(), len(train.Tokens), w.context, w.tokenizer.Len(), val.Len()
	if err := train.enough("training", w.r.batch(), w.context); err != nil {
		if len(sum.Skipped) > 0 {
			err = fmt.Errorf("%w; left out are %s", err, reasons(sum.Skipped))
		}
		return nil, nil, sum, err
	}
	if val.Len() == 0 {
		if len(b) > 0 {
			return nil, nil, sum, fmt.Errorf("lm: recipe: what is held out does not fill one row of %d tokens; give a larger data.val_fraction, or 0", w.context)
		}
		val = nil
	}
	return train, val, sum, nil
}

// speaker is the recipe's template, or the checkpoint's own.
func (w *work) speaker() *speaker {
	s := &speaker{tokenizer: w.tokenizer, template: w.template}
	roles := w.tokenizer.Roles()
	spell := func(id int32) string { token, _ := w.tokenizer.Token(id); return token }
	s.options = chat.Options{BOS: spell(roles.BOS), EOS: spell(roles.EOS)}
	return s
}

// reasons lists why conversations are left out, the most frequent first.
func reasons(skipped map[string]int) string {
	list := slices.SortedFunc(maps.Keys(skipped), func(a, b string) int { return cmp.Or(skipped[b]-skipped[a], cmp.Compare(a, b)) })
	if len(list) == 0 {
		return "there is none"
	}
	return fmt.Sprintf("%d of them: %s", skipped[list[0]], list[0])
}
