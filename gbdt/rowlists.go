package gbdt

import "github.com/hanji-ml/hanji/internal/par"

// rowLists holds the rows that have each number of sparse rows, ascending: what a split has to look at.
type rowLists struct {
	start []int // of each number's rows, and how many there are
	rows  []int32
}

// lists turns sparse rows over.
func (s *sparseRows) lists() rowLists {
	switch {
	case s.list.u8 != nil:
		return listRows(s, s.list.u8)
	case s.list.u16 != nil:
		return listRows(s, s.list.u16)
	}
	return listRows(s, s.list.u32)
}

func listRows[T uint8 | uint16 | uint32](s *sparseRows, list []T) rowLists {
	l := rowLists{make([]int, s.numbers+1), make([]int32, len(list))}
	for _, number := range list {
		l.start[number]++
	}
	sum := 0
	for number, n := range l.start {
		l.start[number] = sum
		sum += n
	}
	at := append([]int(nil), l.start...)
	for row := range len(s.start) - 1 {
		for _, number := range list[s.start[row]:s.start[row+1]] {
			l.rows[at[number]] = int32(row)
			at[number]++
		}
	}
	return l
}

func (l *rowLists) of(number uint32) []int32 { return l.rows[l.start[number]:l.start[number+1]] }

// cuts divides the numbers into ranges with about as many rows each: where all but the first begin.
func (l *rowLists) cuts(ranges int) []uint32 {
	var out []uint32
	for number, n := range l.start[1:] {
		if len(out) < ranges-1 && n*ranges >= (len(out)+1)*len(l.rows) {
			out = append(out, uint32(number+1))
		}
	}
	return out
}

// sparseSides makes columns of features that have none, for the rows of a leaf that is to be split.
type sparseSides struct {
	lists  rowLists
	marks  []uint8   // by row: 1 if it goes to the other side than most of the feature's rows
	marked []uint32  // numbers whose rows are
	bins   binColumn // of a small leaf's rows
}

func newSparseSides(ds *Dataset, lists rowLists, mostBins int) *sparseSides {
	return &sparseSides{lists: lists, marks: make([]uint8, ds.rows), bins: makeBins(ds.rows, mostBins)}
}

// column gives a column for the rows; table, by bin, becomes one for what is in it.
func (s *sparseSides) column(ds *Dataset, j int32, rows []int32, table []uint8) binColumn {
	const search = 8 // about how many marks are as fast as finding a row's bin
	p, side, marks := &ds.places[j], table[ds.mappers[ds.used[j]].mostFreqBin], 0
	s.marked = s.marked[:0]
	for k := range p.n {
		if table[k+p.skip] != side {
			s.marked = append(s.marked, p.lo+k)
			marks += len(s.lists.of(p.lo + k))
		}
	}
	if marks > search*len(rows) {
		s.marked = s.marked[:0]
		par.For(len(rows), 1<<12, func(lo, hi int) {
			for _, row := range rows[lo:hi] {
				s.bins.set(int(row), ds.bin(j, row))
			}
		})
		return s.bins
	}
	s.set(1)
	table[0], table[1] = side, 1-side
	return binColumn{u8: s.marks}
}

// set sets the rows of the numbers marked; 0 makes the column free for the next.
func (s *sparseSides) set(mark uint8) {
	for _, number := range s.marked {
		for _, row := range s.lists.of(number) {
			s.marks[row] = mark
		}
	}
}
