package gbdt

import (
	"fmt"
	"slices"

	"github.com/hanji-ml/hanji/internal/par"
)

// sparseRows holds the bins of features that are nearly always in their most frequent one: for each row the numbers of all other
// bins, ascending (LightGBM's MultiValSparseBin). Which bin of which feature a number is, is for featurePlace to say.
type sparseRows struct {
	start   []int     // of each row's numbers, and how many there are
	list    binColumn // numbers of all rows
	numbers int       // one more than the largest
}

// find gives the number of a row in lo…lo+n−1; 0 if there is none.
func (s *sparseRows) find(row int32, lo, n uint32) int {
	from, to := s.start[row], s.start[row+1]
	switch {
	case s.list.u8 != nil:
		return findNumber(s.list.u8[from:to], lo, n)
	case s.list.u16 != nil:
		return findNumber(s.list.u16[from:to], lo, n)
	}
	return findNumber(s.list.u32[from:to], lo, n)
}

func findNumber[T uint8 | uint16 | uint32](list []T, lo, n uint32) int {
	i := firstNumber(list, lo)
	if i < len(list) && uint32(list[i])-lo < n {
		return int(list[i])
	}
	return 0
}

// firstNumber gives the place of the first number that is not below lo.
func firstNumber[T uint8 | uint16 | uint32](list []T, lo uint32) int {
	i, j := 0, len(list)
	for i < j {
		if h := int(uint(i+j) >> 1); uint32(list[h]) < lo {
			i = h + 1
		} else {
			j = h
		}
	}
	return i
}

// sparsePiece gathers numbers of some rows, in any order of features.
type sparsePiece struct {
	first, rows int
	row         []int32 // of each number, less first
	number      []uint32
	counts      []int // by row, once sorted
}

func (p *sparsePiece) add(row int, number uint32) {
	p.row = append(p.row, int32(row-p.first))
	p.number = append(p.number, number)
}

// sort brings the numbers of each row together, ascending.
func (p *sparsePiece) sort() {
	p.counts = make([]int, p.rows)
	for _, r := range p.row {
		p.counts[r]++
	}
	at, sum := make([]int, p.rows), 0
	for r, n := range p.counts {
		at[r] = sum
		sum += n
	}
	out := make([]uint32, len(p.number))
	for i, r := range p.row {
		out[at[r]] = p.number[i]
		at[r]++
	}
	for r, n := range p.counts {
		if list := out[at[r]-n : at[r]]; !slices.IsSorted(list) {
			slices.Sort(list)
		}
	}
	p.row, p.number = nil, out
}

// join makes the rows of sorted pieces, which together are all of them.
func (s *sparseRows) join(rows int, pieces []*sparsePiece) {
	slices.SortFunc(pieces, func(a, b *sparsePiece) int { return a.first - b.first })
	s.start = make([]int, 1, rows+1)
	begin := make([]int, len(pieces))
	for i, p := range pieces {
		begin[i] = s.start[len(s.start)-1]
		for _, n := range p.counts {
			s.start = append(s.start, s.start[len(s.start)-1]+n)
		}
	}
	s.list = makeBins(s.start[rows], s.numbers)
	par.For(len(pieces), 1, func(i, _ int) {
		for k, number := range pieces[i].number {
			s.list.set(begin[i]+k, int(number))
		}
		pieces[i].number = nil
	})
}

// subset gives what some rows have.
func (s *sparseRows) subset(rows []int) *sparseRows {
	out := &sparseRows{numbers: s.numbers, start: make([]int, 1, len(rows)+1)}
	for _, r := range rows {
		out.start = append(out.start, out.start[len(out.start)-1]+s.start[r+1]-s.start[r])
	}
	out.list = binColumn{pickLists(s.list.u8, s.start, rows), pickLists(s.list.u16, s.start, rows), pickLists(s.list.u32, s.start, rows)}
	return out
}

func pickLists[T any](v []T, start, rows []int) []T {
	if v == nil {
		return nil
	}
	out := []T{}
	for _, r := range rows {
		out = append(out, v[start[r]:start[r+1]]...)
	}
	return out
}

// lengths gives how many numbers each row has.
func (s *sparseRows) lengths() []int32 {
	out := make([]int32, len(s.start)-1)
	for i := range out {
		out[i] = int32(s.start[i+1] - s.start[i])
	}
	return out
}

// check finds what no sparse rows have.
func (s *sparseRows) check() error {
	for i := range len(s.start) - 1 {
		last := 0
		for k := s.start[i]; k < s.start[i+1]; k++ {
			number := s.list.at(k)
			if number <= last || number >= s.numbers {
				return fmt.Errorf("row %d has sparse bin %d of %d after %d", i, number, s.numbers, last)
			}
			last = number
		}
	}
	if n := s.start[len(s.start)-1]; n != s.list.len() {
		return fmt.Errorf("rows have %d sparse bins, there are %d", n, s.list.len())
	}
	return nil
}

// addSparse adds rows to the histograms of numbers from one cut to the next; nil rows are those from lo on.
func (b *histogramBuild) addSparse(k int, rows []int32, lo int, p []gradPair) {
	s, at := b.sparse, b.offset[len(b.store)]
	part := sparsePart{start: s.start, to: uint32(s.numbers), rows: rows, lo: lo}
	if k > 0 {
		part.from = b.cuts[k-1]
	}
	if k < len(b.cuts) {
		part.to = b.cuts[k]
	}
	switch ints := b.h.ints != nil; {
	case ints && s.list.u8 != nil:
		addNumbersInt(&part, b.h.ints[at:], s.list.u8, asInts(p))
	case ints && s.list.u16 != nil:
		addNumbersInt(&part, b.h.ints[at:], s.list.u16, asInts(p))
	case ints:
		addNumbersInt(&part, b.h.ints[at:], s.list.u32, asInts(p))
	case s.list.u8 != nil:
		addNumbers(&part, b.h.bins[at:], s.list.u8, p)
	case s.list.u16 != nil:
		addNumbers(&part, b.h.bins[at:], s.list.u16, p)
	default:
		addNumbers(&part, b.h.bins[at:], s.list.u32, p)
	}
}

// sparsePart is numbers from…to−1 of some rows.
type sparsePart struct {
	start    []int
	from, to uint32
	rows     []int32 // nil: those from lo on
	lo       int
}

// numbersOf gives those of the i-th row that are not below from.
func numbersOf[T uint8 | uint16 | uint32](p *sparsePart, list []T, i int) []T {
	row := p.lo + i
	if p.rows != nil {
		row = int(p.rows[i])
	}
	list = list[p.start[row]:p.start[row+1]]
	if p.from > 0 {
		list = list[firstNumber(list, p.from):]
	}
	return list
}

func addNumbers[T uint8 | uint16 | uint32](part *sparsePart, bins []binSum, list []T, p []gradPair) {
	to := part.to
	for i, p := range p {
		grad, hess := float64(p.grad), float64(p.hess)
		for _, number := range numbersOf(part, list, i) {
			if uint32(number) >= to {
				break
			}
			e := &bins[number]
			e.grad += grad
			e.hess += hess
		}
	}
}

func addNumbersInt[T uint8 | uint16 | uint32](part *sparsePart, bins []intSum, list []T, p []intSum) {
	to := part.to
	for i, v := range p {
		for _, number := range numbersOf(part, list, i) {
			if uint32(number) >= to {
				break
			}
			bins[number] += v
		}
	}
}
