package table

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// BlockReader reads separated text block by block, for files larger than memory: gzip and zstd too, but neither JSON nor
// Parquet nor UTF-16. What the first rows look like holds for all blocks: a column that begins with numbers is Float in
// every block, and text in it is an error; MaxBytes bounds a single row, MaxCells a block,
// and MaxRows nothing.
//
//	b, err := table.NewBlockReader(f, "big.csv", table.Options{})
//	for block, err := b.Next(); err == nil; block, err = b.Next() {
//		t, err := block.Table()
//	}
type BlockReader struct {
	name  string
	o     Options
	r     io.Reader
	d     *dialect
	close func()

	size int    // about how much text a block has
	rest []byte // read, but in no block yet
	line int    // of its first byte
	end  bool   // nothing comes after rest
}

// ErrNoBlocks is wrapped by the error about a table that cannot be read in blocks.
var ErrNoBlocks = errors.New("not readable in blocks")

// blockSize is more than sniffBytes, all that sniffing looks at.
const blockSize = 4 << 20

// NewBlockReader finds out how the text is written from its first rows.
func NewBlockReader(r io.Reader, name string, o Options) (*BlockReader, error) {
	return newBlockReader(r, name, o, blockSize)
}

func newBlockReader(r io.Reader, name string, o Options, size int) (*BlockReader, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	o.MaxRows = 0
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(512)
	if err != nil && err != io.EOF {
		return nil, &Error{Name: name, Msg: "cannot be read: " + err.Error(), Err: err}
	}
	b := &BlockReader{name: name, o: o, size: size, line: 1}
	if b.r, b.close, err = decompress(br, name, head, &o); err != nil {
		return nil, err
	}
	if err := b.begin(); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// begin reads the first block and sniffs.
func (b *BlockReader) begin() error {
	if err := b.more(); err != nil {
		return err
	}
	head := b.rest[:min(len(b.rest), 512)]
	if err := refuse(b.name, head); err != nil {
		return err
	}
	b.rest = bytes.TrimPrefix(b.rest, []byte("\xef\xbb\xbf"))
	utf16 := bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff})
	if utf16 || bytes.HasPrefix(head, []byte("PAR1")) || b.o.Format > CSV || b.o.Format == AnyFormat && looksLikeJSON(b.rest) {
		return &Error{Name: b.name, Msg: "only CSV and TSV in UTF-8 can be read block by block", Err: ErrNoBlocks}
	}
	if len(bytes.TrimSpace(b.rest)) == 0 && b.end {
		return &Error{Name: b.name, Msg: "the file is empty", Err: ErrEmpty}
	}
	text := b.rest[:b.cut()]
	if err := refuseBinary(b.name, text); err != nil {
		return err
	}
	d, err := sniffDialect(b.name, text, &b.o)
	if err != nil {
		return err
	}
	if _, err := pickColumns(b.name, d.names, b.o.Columns); err != nil {
		return err
	}
	for i, k := range d.kinds {
		if k == Int || k == Auto {
			d.kinds[i] = Float
		}
	}
	b.d = d
	if err := checkTypes(b.name, d.names, &b.o); err != nil || !d.header {
		return err
	}
	s := b.scanner(text, b.line)
	if _, err := s.row(len(d.names)); err != nil {
		return err
	}
	b.rest, b.line = b.rest[s.pos:], s.line
	return nil
}

func (b *BlockReader) scanner(text []byte, line int) scanner {
	s := scanner{name: b.name, buf: text, quotes: !b.o.NoQuotes, line: line}
	if b.d != nil {
		s.sep = b.d.sep
	}
	return s
}

// more reads on until there is a whole block with a line break in it, or the end.
func (b *BlockReader) more() error {
	want := b.size
	for {
		b.rest = append(make([]byte, 0, want+bytes.MinRead), b.rest...) // blocks keep the old one
		for len(b.rest) < want && !b.end {
			n, err := b.r.Read(b.rest[len(b.rest):cap(b.rest)])
			b.rest = b.rest[:len(b.rest)+n]
			switch {
			case err == io.EOF:
				b.end = true
			case err != nil:
				msg := "cannot be read to its end: " + err.Error()
				if err == io.ErrUnexpectedEOF {
					msg += "; truncated download?"
				}
				return &Error{Name: b.name, Line: b.line, Msg: msg, Err: err}
			}
		}
		if b.end {
			b.rest = endLine(b.rest)
		}
		if b.end || b.cut() > 0 {
			return nil
		}
		if int64(len(b.rest)) > b.o.MaxBytes {
			e := tooBig(b.o.MaxBytes).(*Error)
			e.Name, e.Line = b.name, b.line
			return e
		}
		want *= 2
	}
}

// cut is the length of the whole rows at the start of rest.
func (b *BlockReader) cut() int {
	if b.end {
		return len(b.rest)
	}
	n := bytes.LastIndexByte(b.rest, '\n') + 1
	if b.o.NoQuotes || bytes.IndexByte(b.rest[:n], '"') < 0 {
		return n
	}
	s := b.scanner(b.rest[:n], b.line)
	if s.sep == 0 {
		s.sep = sniffSeparator(b.rest[:n], true, b.o.Decimal)
	}
	whole := 0
	for s.pos < n { // a quoted field may hold line breaks: the last one may be in one
		_, last, err := s.field()
		if err != nil {
			if whole == 0 && !errors.Is(err, errUnclosed) {
				return n // for the reading proper to tell
			}
			break
		}
		if last {
			whole = s.pos
		}
	}
	return whole
}

// Names are the columns' names.
func (b *BlockReader) Names() []string { return b.d.names }

// Pick has the blocks from here on hold these columns only, as Options.Columns does.
func (b *BlockReader) Pick(columns []string) error {
	if _, err := pickColumns(b.name, b.d.names, columns); err != nil {
		return err
	}
	b.o.Columns = columns
	return nil
}

// Close frees what decompression needs. It does not close the reader.
func (b *BlockReader) Close() { b.close() }

// Block is some rows of the text.
type Block struct {
	b    *BlockReader
	text []byte
	line int
}

// Next gives the next rows, io.EOF behind the last. Blocks stay valid, and may be parsed at the same time.
func (b *BlockReader) Next() (*Block, error) {
	for {
		if len(b.rest) < b.size/2 && !b.end {
			if err := b.more(); err != nil {
				return nil, err
			}
		}
		n := b.cut()
		if n == 0 {
			if b.end {
				return nil, io.EOF
			}
			if err := b.more(); err != nil {
				return nil, err
			}
			continue
		}
		block := &Block{b: b, text: b.rest[:n:n], line: b.line}
		b.line += bytes.Count(block.text, []byte{'\n'})
		b.rest = b.rest[n:]
		return block, nil
	}
}

// Rows counts the rows without parsing them.
func (k *Block) Rows() (int, error) {
	s := k.b.scanner(k.text, k.line)
	if k.b.o.NoQuotes || bytes.IndexByte(k.text, '"') < 0 {
		rows := 0
		for text := k.text; len(text) > 0; {
			n := bytes.IndexByte(text, '\n') + 1
			if n > 2 || n == 2 && text[0] != '\r' {
				rows++
			}
			text = text[n:]
		}
		return rows, nil
	}
	rows := 0
	for s.pos < len(s.buf) {
		if s.blankLine() {
			continue
		}
		for last := false; !last; {
			var err error
			if _, last, err = s.field(); err != nil {
				return 0, err
			}
		}
		rows++
	}
	return rows, nil
}

// Table parses the rows. There may be none.
func (k *Block) Table() (*Table, error) {
	b, o := k.b, k.b.o
	if err := refuseBinary(b.name, k.text); err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.Line += k.line - 1
		}
		return nil, err
	}
	picked, err := pickColumns(b.name, b.d.names, o.Columns)
	if err != nil {
		return nil, err
	}
	r := &csvReader{scanner: b.scanner(k.text, k.line), o: &o, d: b.d, cols: make([]*builder, len(b.d.names))}
	missing := newMissingSet(missingWords(&o), b.d.mark)
	rows := min(bytes.Count(k.text, []byte("\n"))+1, len(k.text)/len(b.d.names)+1) // a cell and what ends it are a byte or more
	for _, i := range picked {
		r.cols[i] = newBuilder(b.d.names[i], b.d.kinds[i], missing, b.d.mark, &o)
		r.cols[i].declared = r.cols[i].declared || b.d.kinds[i] == Float
		r.cols[i].reserve(rows)
	}
	r.start = r.scanner
	if err := r.fill(true); err != nil {
		return nil, err
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	t := &Table{Name: b.name, lines: r.lines}
	for _, i := range picked {
		t.Columns = append(t.Columns, r.cols[i].col)
	}
	return t, nil
}
