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

// cuts divides the numbers into ranges with about as many entries each: where all but the first begin.
func (s *sparseRows) cuts(ranges int) []uint32 {
	count := make([]int, s.numbers)
	switch {
	case s.list.u8 != nil:
		countNumbers(count, s.list.u8)
	case s.list.u16 != nil:
		countNumbers(count, s.list.u16)
	default:
		countNumbers(count, s.list.u32)
	}
	var out []uint32
	sum, all := 0, s.start[len(s.start)-1]
	for number, n := range count {
		if sum += n; len(out) < ranges-1 && sum*ranges >= (len(out)+1)*all {
			out = append(out, uint32(number+1))
		}
	}
	return out
}

func countNumbers[T uint8 | uint16 | uint32](count []int, list []T) {
	for _, number := range list {
		count[number]++
	}
}

// buildSparse adds up the numbers of rows in row order.
func (l *binLayout) buildSparse(h *histogram, rows []int32, gh []gradPair) {
	s := l.sparse
	all := h.bins[l.offset[len(l.offset)-1]:][:s.numbers]
	cut := func(k int) {
		lo, hi := uint32(0), uint32(s.numbers)
		if k > 0 {
			lo = l.cuts[k-1]
		}
		if k < len(l.cuts) {
			hi = l.cuts[k]
		}
		clear(all[lo:hi])
		switch {
		case s.list.u8 != nil:
			addSparse(all, s.start, s.list.u8, rows, gh, lo, hi)
		case s.list.u16 != nil:
			addSparse(all, s.start, s.list.u16, rows, gh, lo, hi)
		default:
			addSparse(all, s.start, s.list.u32, rows, gh, lo, hi)
		}
	}
	grain := 1
	if len(gh) < smallLeaf/8 {
		grain = len(l.cuts) + 1
	}
	par.For(len(l.cuts)+1, grain, func(from, to int) {
		for k := from; k < to; k++ {
			cut(k)
		}
	})
}

// addSparse adds up those numbers that are in lo…hi−1.
func addSparse[T uint8 | uint16 | uint32](bins []binSum, start []int, numbers []T, rows []int32, gh []gradPair, lo, hi uint32) {
	for i, p := range gh {
		row := i
		if rows != nil {
			row = int(rows[i])
		}
		list := numbers[start[row]:start[row+1]]
		if lo > 0 {
			list = list[firstNumber(list, lo):]
		}
		g, w := float64(p.grad), float64(p.hess)
		for _, number := range list {
			if uint32(number) >= hi {
				break
			}
			e := &bins[number]
			e.grad += g
			e.hess += w
		}
	}
}

// lookUp writes the bins of a feature in some rows into a column.
func (ds *Dataset) lookUp(column *binColumn, j int32, rows []int32) {
	par.For(len(rows), 1<<12, func(lo, hi int) {
		for _, row := range rows[lo:hi] {
			column.set(int(row), ds.bin(j, row))
		}
	})
}
