package generate

import (
	"fmt"
	"slices"
)

// exclusive are the alternatives of a oneOf: a document must fit exactly one. Generating from the union is right only
// if no document fits two, which is proved by running the automata of each two side by side.
type exclusive struct {
	at   string
	alts []*expr
}

// maxPairs bounds the states of a proof.
const maxPairs = 5000

func (c *schemaCompiler) checkExclusive() {
	for _, x := range c.exclude {
		if len(c.errs) > 0 {
			return // what is wrong already is no use comparing
		}
		for i := range x.alts {
			for k := range i {
				if both, err := c.overlap(x.alts[k], x.alts[i]); err != nil {
					c.bad(x.at, "oneOf: cannot tell alternatives %d and %d apart (%w); use anyOf", k, i, err)
				} else if both != "" {
					c.bad(x.at, "oneOf: %.100s fits alternatives %d and %d; use anyOf", both, k, i)
				}
			}
		}
	}
}

// overlap finds a shortest text that both hold, "" if there is none.
func (c *schemaCompiler) overlap(a, b *expr) (string, error) {
	left, err := newAutomaton(a, c.maxDepth)
	if err != nil {
		return "", nil // the empty set
	}
	right, err := newAutomaton(b, c.maxDepth)
	if err != nil {
		return "", nil
	}
	type pair struct{ left, right *state }
	type step struct {
		to     pair
		before int // index in order; -1: the beginning
		by     byte
	}
	order := []step{{to: pair{left.start, right.start}, before: -1}}
	seen := map[pair]bool{order[0].to: true}
	for i := 0; i < len(order); i++ {
		if len(order) > maxPairs {
			return "", fmt.Errorf("over %d states", maxPairs)
		}
		at := order[i].to
		if at.left.accept && at.right.accept {
			var text []byte
			for k := i; order[k].before >= 0; k = order[k].before {
				text = append(text, order[k].by)
			}
			slices.Reverse(text)
			return string(text), nil
		}
		for b := range 256 {
			x, err := left.step(at.left, byte(b))
			if err != nil {
				return "", err
			}
			y, err := right.step(at.right, byte(b))
			if err != nil {
				return "", err
			}
			if p := (pair{x, y}); x != left.dead && y != right.dead && !seen[p] {
				seen[p] = true
				order = append(order, step{p, i, byte(b)})
			}
		}
	}
	return "", nil
}
