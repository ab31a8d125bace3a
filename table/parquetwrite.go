package table

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	groupRows = 1 << 20 // rows in a row group
	pageRows  = 1 << 16 // rows in a page
)

// layoutKey begins the metadata keys under which WriteParquet notes the form of a Time column, so that it can be
// written as it was read.
const layoutKey = "hanji.layout:"

func layoutsOf(meta *format.FileMetaData) map[string]string {
	m := map[string]string{}
	for i := range meta.KeyValueMetadata {
		if name, ok := strings.CutPrefix(meta.KeyValueMetadata[i].Key, layoutKey); ok {
			m[name] = meta.KeyValueMetadata[i].Value
		}
	}
	return m
}

// zonesOf are the time zones of columns of instants, as pandas notes them: Parquet itself has no place for one. A name that
// this machine does not know is left out, and the column stays in UTC.
func zonesOf(meta *format.FileMetaData) map[string]*time.Location {
	m := map[string]*time.Location{}
	for i := range meta.KeyValueMetadata {
		if meta.KeyValueMetadata[i].Key != "pandas" {
			continue
		}
		var notes struct {
			Columns []struct {
				Field    string `json:"field_name"`
				Metadata struct {
					Zone string `json:"timezone"`
				} `json:"metadata"`
			} `json:"columns"`
		}
		// Notes of another form are no reason to refuse the data.
		if json.Unmarshal([]byte(meta.KeyValueMetadata[i].Value), &notes) != nil {
			continue
		}
		for _, c := range notes.Columns {
			if c.Metadata.Zone == "" || c.Metadata.Zone == "Local" { // this machine's zone says nothing about the file
				continue
			}
			if loc, err := time.LoadLocation(c.Metadata.Zone); err == nil {
				m[c.Field] = loc
			}
		}
	}
	return m
}

// parquetWriter writes flat columns in plain encoding, zstd-compressed, which every reader understands.
type parquetWriter struct {
	w    *bufio.Writer
	pos  int64
	t    *Table
	zst  *zstd.Encoder
	meta format.FileMetaData
	cols []parquetOut
	raw  []byte
	pack []byte
}

// parquetOut is how a column is stored.
type parquetOut struct {
	c        *Column
	kind     format.Type
	optional bool
	unit     int64 // of a Time, in 1/unit seconds; 0 for a date
}

// WriteParquet writes t as Parquet: Int as INT64, Float as DOUBLE, Bool as BOOLEAN, String as a BYTE_ARRAY of UTF-8,
// Time as DATE where it has no clock, else as TIMESTAMP in the coarsest of milli-, micro- and nanoseconds that loses
// nothing (an instant where the times name a zone, else a reading of a clock). Missing cells are null.
func WriteParquet(w io.Writer, t *Table) error {
	if err := t.writable(); err != nil {
		return err
	}
	zst, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("table: %w", err)
	}
	defer zst.Close()
	p := &parquetWriter{w: bufio.NewWriterSize(w, 1<<18), t: t, zst: zst}
	if err := p.write(); err != nil {
		return fmt.Errorf("table: writing Parquet: %w", err)
	}
	return nil
}

func (p *parquetWriter) write() error {
	p.schema()
	if err := p.put([]byte("PAR1")); err != nil {
		return err
	}
	rows := p.t.Rows()
	for first := 0; first < rows; first += groupRows {
		if err := p.group(first, min(first+groupRows, rows)); err != nil {
			return err
		}
	}
	p.meta.NumRows = int64(rows)
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &p.meta)
	if err != nil {
		return err
	}
	if len(footer) > maxFooter {
		return fmt.Errorf("a footer of %d bytes; too many columns", len(footer))
	}
	footer = append(binary.LittleEndian.AppendUint32(footer, uint32(len(footer))), "PAR1"...)
	if err := p.put(footer); err != nil {
		return err
	}
	return p.w.Flush()
}

func (p *parquetWriter) put(b []byte) error {
	n, err := p.w.Write(b)
	p.pos += int64(n)
	return err
}

// schema fills the schema: a root and one leaf a column.
func (p *parquetWriter) schema() {
	p.meta.Version = 2
	p.meta.CreatedBy = "hanji"
	p.meta.Schema = append(p.meta.Schema, format.SchemaElement{Name: "schema", NumChildren: thrift.New(int32(len(p.t.Columns)))})
	for i := range p.t.Columns {
		c := &p.t.Columns[i]
		out := parquetOut{c: c, optional: c.CountMissing() > 0}
		e := format.SchemaElement{Name: c.Name, RepetitionType: thrift.New(format.Required)}
		if out.optional {
			e.RepetitionType.V = format.Optional
		}
		switch c.Kind {
		case Int:
			out.kind = format.Int64
		case Float:
			out.kind = format.Double
		case Bool:
			out.kind = format.Boolean
		case String:
			out.kind = format.ByteArray
			e.ConvertedType = thrift.New(deprecated.UTF8)
			e.LogicalType.Value = new(format.StringType)
		case Time:
			p.timeSchema(&out, &e)
		}
		e.Type = thrift.New(out.kind)
		p.meta.Schema = append(p.meta.Schema, e)
		p.cols = append(p.cols, out)
	}
}

// timeSchema chooses date or timestamp, and notes the layout.
func (p *parquetWriter) timeSchema(out *parquetOut, e *format.SchemaElement) {
	f := out.c.writeLayout()
	p.meta.KeyValueMetadata = append(p.meta.KeyValueMetadata, format.KeyValue{Key: layoutKey + out.c.Name, Value: f.layout()})
	instant := f.zone != zoneNone
	date, unit := true, int64(1e3)
	for i, t := range out.c.Times {
		if out.c.Missing.Get(i) {
			continue
		}
		if _, offset := t.Zone(); offset != 0 {
			instant = true
		}
		ns := t.Nanosecond()
		if ns != 0 || t.Hour() != 0 || t.Minute() != 0 || t.Second() != 0 {
			date = false
		}
		switch {
		case ns%1e3 != 0:
			unit = 1e9
		case ns%1e6 != 0:
			unit = max(unit, 1e6)
		}
	}
	if date && !instant && f.clock == 0 {
		out.kind = format.Int32
		e.ConvertedType = thrift.New(deprecated.Date)
		e.LogicalType.Value = new(format.DateType)
		return
	}
	out.kind, out.unit = format.Int64, unit
	ts := &format.TimestampType{IsAdjustedToUTC: instant}
	switch unit {
	case 1e3:
		ts.Unit.Value = new(format.MilliSeconds)
	case 1e6:
		ts.Unit.Value = new(format.MicroSeconds)
	default:
		ts.Unit.Value = new(format.NanoSeconds)
	}
	e.LogicalType.Value = ts
}

// group writes rows first to last of all columns.
func (p *parquetWriter) group(first, last int) error {
	g := format.RowGroup{NumRows: int64(last - first), FileOffset: p.pos, Ordinal: int16(min(len(p.meta.RowGroups), math.MaxInt16))}
	for i := range p.cols {
		out := &p.cols[i]
		m := format.ColumnMetaData{Type: out.kind, Encoding: []format.Encoding{format.Plain, format.RLE},
			PathInSchema: []string{out.c.Name}, Codec: format.Zstd, NumValues: g.NumRows, DataPageOffset: p.pos}
		for a := first; a < last; a += pageRows {
			if err := p.page(out, a, min(a+pageRows, last), &m); err != nil {
				return err
			}
		}
		g.TotalByteSize += m.TotalUncompressedSize
		g.TotalCompressedSize += m.TotalCompressedSize
		g.Columns = append(g.Columns, format.ColumnChunk{MetaData: m})
	}
	p.meta.RowGroups = append(p.meta.RowGroups, g)
	return nil
}

// page writes a data page of version 1.
func (p *parquetWriter) page(out *parquetOut, a, b int, m *format.ColumnMetaData) error {
	raw := p.raw[:0]
	if out.optional {
		raw = out.levels(append(raw, 0, 0, 0, 0), a, b)
		binary.LittleEndian.PutUint32(raw, uint32(len(raw)-4))
	}
	raw, err := out.values(raw, a, b)
	if err != nil {
		return err
	}
	if len(raw) > maxPage {
		return fmt.Errorf("column %q: texts of more than %d bytes in %d rows", out.c.Name, maxPage, b-a)
	}
	p.raw = raw
	p.pack = p.zst.EncodeAll(raw, p.pack[:0])
	head, err := thrift.Marshal(new(thrift.CompactProtocol), &format.PageHeader{
		Type: format.DataPage, UncompressedPageSize: int32(len(raw)), CompressedPageSize: int32(len(p.pack)),
		DataPageHeader: thrift.New(format.DataPageHeader{NumValues: int32(b - a), Encoding: format.Plain,
			DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE}),
	})
	if err != nil {
		return err
	}
	m.TotalUncompressedSize += int64(len(head) + len(raw))
	m.TotalCompressedSize += int64(len(head) + len(p.pack))
	if err := p.put(head); err != nil {
		return err
	}
	return p.put(p.pack)
}

// levels appends which cells are there, as runs.
func (out *parquetOut) levels(raw []byte, a, b int) []byte {
	for i := a; i < b; {
		missing := out.c.IsMissing(i)
		n := 1
		for i+n < b && out.c.IsMissing(i+n) == missing {
			n++
		}
		raw = binary.AppendUvarint(raw, uint64(n)<<1)
		if missing {
			raw = append(raw, 0)
		} else {
			raw = append(raw, 1)
		}
		i += n
	}
	return raw
}

// values appends the cells that are there.
func (out *parquetOut) values(raw []byte, a, b int) ([]byte, error) {
	c := out.c
	bit := 0
	for i := a; i < b; i++ {
		if out.optional && c.IsMissing(i) {
			continue
		}
		switch c.Kind {
		case Int:
			raw = binary.LittleEndian.AppendUint64(raw, uint64(c.Ints[i]))
		case Float:
			raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(c.Floats[i]))
		case Bool:
			if bit&7 == 0 {
				raw = append(raw, 0)
			}
			if c.Bools[i] {
				raw[len(raw)-1] |= 1 << (bit & 7)
			}
			bit++
		case String:
			raw = binary.LittleEndian.AppendUint32(raw, uint32(len(c.Strings[i])))
			raw = append(raw, c.Strings[i]...)
		case Time:
			v, ok := out.timeValue(c.Times[i])
			if !ok {
				return nil, fmt.Errorf("column %q: %s does not fit a timestamp of nanoseconds (1677 to 2262)", c.Name, c.Times[i])
			}
			if out.unit == 0 {
				raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
			} else {
				raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
			}
		}
	}
	return raw, nil
}

// timeValue is t in the units of the column, false where it does not fit.
func (out *parquetOut) timeValue(t time.Time) (int64, bool) {
	sec := t.Unix()
	switch out.unit {
	case 0:
		return floorDiv(sec, 86400), true
	case 1e9:
		v := t.UnixNano()
		return v, time.Unix(0, v).Equal(t)
	}
	return sec*out.unit + int64(t.Nanosecond())/(1e9/out.unit), true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// writable reports a table that no format can hold.
func (t *Table) writable() error {
	if len(t.Columns) == 0 {
		return errors.New("table: a table without columns cannot be written")
	}
	if err := t.check(); err != nil {
		return err
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		for row, v := range c.Times {
			if y := v.Year(); (y < 0 || y > 9999) && !c.Missing.Get(row) {
				return fmt.Errorf("table: column %q, row %d: year %d cannot be written", c.Name, row+1, y)
			}
		}
	}
	return nil
}
