package gbdt

import "github.com/hanji-ml/hanji/internal/par"

// intSum is a sum of rounded gradients in its upper 32 bits and of rounded hessians, which are never negative, in its
// lower: one addition adds, one subtraction subtracts both. Sums of integers are exact, so they can be made in any order.
type intSum int64

func (p intSum) grad() float64 { return float64(int32(p >> 32)) }
func (p intSum) hess() float64 { return float64(uint32(p)) }

func (l *binLayout) newIntHistogram() *histogram {
	features := len(l.offset) - 1
	return &histogram{ints: make([]intSum, l.offset[features]+256), splittable: make([]bool, features)}
}

// buildInt is build for rounded gradients and hessians.
func (l *binLayout) buildInt(h *histogram, used []bool, rows []int32, gh []intSum) {
	if l.rows == nil {
		l.buildIntByColumn(h, used, rows, gh)
		return
	}
	tasks := min(par.Threads(), l.stride)
	if len(gh)*l.stride < smallLeaf {
		tasks = 1
	}
	for len(l.scratch) < tasks {
		l.scratch = append(l.scratch, make([]uint64, l.stride*histogramBlock))
	}
	par.For(tasks, 1, func(task, _ int) {
		from, to := l.stride*task/tasks, l.stride*(task+1)/tasks
		for f := from * histogramGroup; f < min(to*histogramGroup, len(used)); f++ {
			if used[f] {
				clear(h.ints[l.offset[f]:l.offset[f+1]])
			}
		}
		words := l.scratch[task]
		for lo := 0; lo < len(gh); lo += histogramBlock {
			hi := min(lo+histogramBlock, len(gh))
			var block []int32
			if rows != nil {
				block = rows[lo:hi]
			}
			l.gatherWords(words, lo, hi, block, from, to)
			for g := from; g < to; g++ {
				l.addIntGroup(h, used, g, words[(g-from)*histogramBlock:][:hi-lo], gh[lo:hi])
			}
		}
	})
}

// addIntGroup adds a block of rows to the histograms of the features of a group.
func (l *binLayout) addIntGroup(h *histogram, used []bool, g int, words []uint64, gh []intSum) {
	var skip [256]intSum // takes what is not wanted
	var at [histogramGroup]*[256]intSum
	wanted := [2]bool{}
	for k := range at {
		f := g*histogramGroup + k
		at[k] = &skip
		if f < len(used) && used[f] {
			at[k] = (*[256]intSum)(h.ints[l.offset[f]:])
			wanted[k/4] = true
		}
	}
	if wanted[0] {
		addFourInt(at[0], at[1], at[2], at[3], words, 0, gh)
	}
	if wanted[1] {
		addFourInt(at[4], at[5], at[6], at[7], words, 32, gh)
	}
}

// addFourInt is
//
//	for i, p := range gh, k in 0…3 { h[k][byte k of words[i]>>shift] += p }
func addFourInt(h0, h1, h2, h3 *[256]intSum, words []uint64, shift uint, gh []intSum) {
	words = words[:len(gh)]
	for i, p := range gh {
		w := words[i] >> (shift & 63)
		h0[uint8(w)] += p
		h1[uint8(w>>8)] += p
		h2[uint8(w>>16)] += p
		h3[uint8(w>>24)] += p
	}
}

// buildIntByColumn builds each feature by itself.
func (l *binLayout) buildIntByColumn(h *histogram, used []bool, rows []int32, gh []intSum) {
	par.For(len(l.columns), 1, func(f, _ int) {
		if !used[f] {
			return
		}
		bins := h.ints[l.offset[f]:l.offset[f+1]]
		clear(bins)
		c := &l.columns[f]
		for i, p := range gh {
			row := int32(i)
			if rows != nil {
				row = rows[i]
			}
			bins[c.at(row)] += p
		}
	})
}

// subtractInt makes a histogram that of the sibling.
func subtractInt(from, what []intSum) {
	what = what[:len(from)]
	for i := range from {
		from[i] -= what[i]
	}
}
