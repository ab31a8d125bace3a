package gbdt

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
)

// libSVMFile is LibSVM text. Its rows stay sparse until they are bins.
type libSVMFile struct {
	path string
	o    *Options
	r    roles

	grouped, single atomic.Int64 // rows with a qid, and without
}

func (l *libSVMFile) roles() *roles { return &l.r }

func (l *libSVMFile) setFeatures(n int) error {
	if n == 0 {
		return fmt.Errorf("gbdt: %s: no row has a feature", l.path)
	}
	if all := l.grouped.Load() + l.single.Load(); l.grouped.Load() > 0 {
		if l.r.group = 0; l.single.Load() > 0 {
			return fmt.Errorf("gbdt: %s: %d of %d lines have a qid", l.path, l.grouped.Load(), all)
		}
	}
	l.r.columns = make([]Column, n)
	setCategorical(l.r.columns, l.o)
	return nil
}

func (l *libSVMFile) open() (pieceReader, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, fmt.Errorf("gbdt: %w", err)
	}
	return &libSVMPieces{l: l, f: f, r: bufio.NewReaderSize(f, 1<<16), line: 1}, nil
}

type libSVMPieces struct {
	l    *libSVMFile
	f    io.Closer
	r    *bufio.Reader
	line int
}

func (p *libSVMPieces) close() {
	if p.f != nil {
		p.f.Close()
	}
}

// libSVMPieceSize is about how much text a piece has.
const libSVMPieceSize = 2 << 20

// next reads on to the end of a line.
func (p *libSVMPieces) next() (piece, error) {
	text := make([]byte, libSVMPieceSize, libSVMPieceSize+1<<14)
	n, err := io.ReadFull(p.r, text)
	text = text[:n]
	switch {
	case err == io.EOF:
		return nil, io.EOF
	case err == nil:
		for err == nil || err == bufio.ErrBufferFull {
			var more []byte
			more, err = p.r.ReadSlice('\n')
			text = append(text, more...)
			if err == nil || len(text) > libSVMPieceSize+maxLibSVMLine { // a line too long is for the parser to tell
				break
			}
		}
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF && err != bufio.ErrBufferFull {
		return nil, fmt.Errorf("gbdt: %s: %w", p.l.path, err)
	}
	out := &libSVMPiece{p.l, text, p.line}
	p.line += bytes.Count(text, []byte{'\n'})
	return out, nil
}

type libSVMPiece struct {
	l    *libSVMFile
	text []byte
	line int
}

func (p *libSVMPiece) read() (*libSVMRows, error) {
	rows, err := parseLibSVM(bytes.NewReader(p.text), p.line, bytes.Count(p.text, []byte{':'}))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.l.path, err)
	}
	return rows, nil
}

func (p *libSVMPiece) count() (rows, features int, err error) {
	r, err := p.read()
	switch {
	case err != nil:
		return 0, 0, err
	case r.query != nil:
		p.l.grouped.Add(int64(len(r.label)))
	default:
		p.l.single.Add(int64(len(r.label)))
	}
	return len(r.label), r.features, nil
}

func (p *libSVMPiece) parse() (pieceRows, error) { return p.read() }

func (p *libSVMRows) len() int { return len(p.label) }

func (p *libSVMRows) labels() (label, weight, group []float64) { return p.label, nil, p.query }

// eachCell calls do with the cells of features below n, in order of rows; of several of one row and feature only the last.
func (p *libSVMRows) eachCell(n int, do func(x libSVMCell)) {
	last := make([]int32, n) // cell that counts, of the row at hand: one more than its place
	for lo := 0; lo < len(p.cells); {
		hi, rising := lo+1, true // as most rows are: no feature comes twice
		for ; hi < len(p.cells) && p.cells[hi].row == p.cells[lo].row; hi++ {
			rising = rising && p.cells[hi].column > p.cells[hi-1].column
		}
		row := p.cells[lo:hi]
		for i, x := range row {
			if int(x.column) < n && !rising {
				last[x.column] = int32(lo + i + 1)
			}
		}
		for i, x := range row {
			if int(x.column) < n && (rising || last[x.column] == int32(lo+i+1)) {
				do(x)
			}
		}
		lo = hi
	}
}

func (p *libSVMRows) sample(columns []sampledColumn, rows []int) {
	at := 0
	p.eachCell(len(columns), func(x libSVMCell) {
		for at < len(rows) && rows[at] < int(x.row) {
			at++
		}
		if at < len(rows) && rows[at] == int(x.row) && !isZero(x.value) {
			columns[x.column].add(at, x.value)
		}
	})
}

func (p *libSVMRows) bin(ds *Dataset, first int, piece *sparsePiece) {
	n := len(p.label)
	for j, f := range ds.used {
		at, zero := &ds.places[j], ds.mappers[f].defaultBin
		for i := first; i < first+n && at.alone && zero != 0; i++ {
			ds.set(at, i, zero)
		}
	}
	p.eachCell(len(ds.columns), func(x libSVMCell) {
		j := ds.inner[x.column]
		if j < 0 {
			return
		}
		row, bin := first+int(x.row), ds.mappers[x.column].bin(x.value)
		if at := &ds.places[j]; at.alone {
			ds.set(at, row, bin)
		} else {
			ds.put(j, row, bin, piece)
		}
	})
	if zeros := ds.zerosLast(); zeros != nil {
		p.putZeros(ds, first, zeros, piece)
	}
}

// putZeros notes the zeros of features, which are those that a row does not name.
func (p *libSVMRows) putZeros(ds *Dataset, first int, features []int32, piece *sparsePiece) {
	named := make([]int, len(ds.columns)) // the last row that did, from 1
	at := 0
	for i := range p.label {
		for ; at < len(p.cells) && int(p.cells[at].row) == i; at++ {
			if c := p.cells[at].column; int(c) < len(named) {
				named[c] = i + 1
			}
		}
		for _, j := range features {
			if f := ds.used[j]; named[f] != i+1 {
				ds.put(j, first+i, ds.mappers[f].defaultBin, piece)
			}
		}
	}
}

func (p *libSVMRows) keep(columns []Column, first int) {
	p.eachCell(len(columns), func(x libSVMCell) { columns[x.column].Float32[first+int(x.row)] = float32(x.value) })
}

func (p *libSVMRows) eachRow(x []float64, lo, hi int, do func(i int) error) error {
	at, _ := slices.BinarySearchFunc(p.cells, lo, func(c libSVMCell, row int) int { return int(c.row) - row })
	for i := lo; i < hi; i++ {
		clear(x)
		for ; at < len(p.cells) && int(p.cells[at].row) == i; at++ {
			if c := p.cells[at]; int(c.column) < len(x) {
				x[c.column] = c.value
			}
		}
		if err := do(i); err != nil {
			return err
		}
	}
	return nil
}
