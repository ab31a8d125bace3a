package par

import (
	"sync/atomic"
	"time"
)

// balance weighs what helpers do against what the caller waits for them at joins. A helper whose core is wanted by another program
// is stopped for milliseconds, as a rule with a chunk in hand. A long loop loses little by that; a token of a language model is a
// hundred loops of a tenth of a millisecond.
type balance struct {
	owed  time.Duration // waited for beyond what was helped with
	until atomic.Int64  // the caller works alone until then; 0: it does not
}

const (
	mostOwed = 4 * time.Millisecond   // more than one such stop
	leastGap = 100 * time.Microsecond // what a join may take without a reason
	restFor  = 40                     // times what is owed: trying again costs little
	mostRest = 250 * time.Millisecond
)

// add is a loop of so many chunks, of which the caller worked off mine and then waited.
func (b *balance) add(chunks, mine int, worked, waited time.Duration) {
	if mine == 0 {
		return // no measure for a chunk
	}
	chunk := worked / time.Duration(mine)
	// Half: the caller would have been faster with the memory to itself.
	b.owed += max(0, waited-leastGap-4*chunk) - time.Duration(chunks-mine)*chunk/2
	switch {
	case b.owed < 0:
		b.owed = 0
	case b.owed > mostOwed:
		b.until.Store(int64(now() + min(restFor*b.owed, mostRest)))
		b.owed = 0
	}
}

// alone tells whether the caller should do without helpers.
func (b *balance) alone() bool {
	until := b.until.Load()
	if until == 0 {
		return false
	}
	if int64(now()) < until {
		return true
	}
	b.until.Store(0)
	return false
}

var began = time.Now()

// now is the time since the process began.
func now() time.Duration { return time.Since(began) }
