package table

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // for a machine without time zones

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// peerRow is written by parquet-go, whose files the reader must understand.
type peerRow struct {
	Int      int64     `parquet:"int"`
	Small    int32     `parquet:"small,delta"`
	Delta    int64     `parquet:"delta,delta"`
	Unsigned uint32    `parquet:"unsigned"`
	Float    float32   `parquet:"float,split"`
	Double   float64   `parquet:"double,split"`
	Plain    float64   `parquet:"plain"`
	Flag     bool      `parquet:"flag"`
	Text     string    `parquet:"text"`
	Dict     string    `parquet:"dict,dict"`
	DictInt  int64     `parquet:"dictint,dict"`
	Prefix   string    `parquet:"prefix,delta"`
	Opt      *float64  `parquet:"opt,optional"`
	OptText  *string   `parquet:"opttext,optional,dict"`
	Ms       time.Time `parquet:"ms,timestamp(millisecond)"`
	Us       time.Time `parquet:"us,timestamp(microsecond)"`
	Ns       time.Time `parquet:"ns,timestamp(nanosecond)"`
	Day      int32     `parquet:"day,date"`
	Dec32    int32     `parquet:"dec32,decimal(2:9)"`
	Dec64    int64     `parquet:"dec64,decimal(3:18)"`
	ID       [16]byte  `parquet:"id,uuid"`
	Old      deprecated.Int96
}

func peerRows(n int) []peerRow {
	r := rand.New(rand.NewPCG(7, 8))
	rows := make([]peerRow, n)
	for i := range rows {
		at := time.Unix(1467331200+int64(i)*3600, int64(i%7)*1e6).UTC()
		rows[i] = peerRow{Int: r.Int64(), Small: int32(r.Uint32()), Delta: int64(i)*1000 + r.Int64N(50), Unsigned: r.Uint32(), Float: float32(r.NormFloat64()),
			Double: r.NormFloat64(), Plain: math.Float64frombits(r.Uint64()>>2 | 1), Flag: r.IntN(2) == 0, Text: fmt.Sprintf("text %d", r.IntN(1000)),
			Dict: fmt.Sprintf("id%d", i%13), DictInt: int64(i % 5), Prefix: fmt.Sprintf("sensor/%04d", i), Ms: at, Us: at.Add(1000), Ns: at.Add(1),
			Day: int32(i), Dec32: int32(r.IntN(1e6)) - 5e5, Dec64: r.Int64N(1e15) - 5e14, ID: [16]byte{0x12, 15: byte(i)}}
		if i%3 != 0 {
			v, s := r.Float64(), fmt.Sprint("o", i%4)
			rows[i].Opt, rows[i].OptText = &v, &s
		}
		// 2016-07-01 is Julian day 2457571.
		rows[i].Old = deprecated.Int96{0: uint32(i), 2: 2457571}
	}
	return rows
}

func peerFile(t testing.TB, rows []peerRow, o ...parquet.WriterOption) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[peerRow](&buf, o...)
	for len(rows) > 0 {
		n := min(len(rows), 400) // several row groups
		if _, err := w.Write(rows[:n]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		rows = rows[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestReadsWhatParquetGoWrites(t *testing.T) {
	rows := peerRows(1000)
	for name, o := range map[string][]parquet.WriterOption{
		"plain":       {parquet.Compression(&parquet.Uncompressed), parquet.DataPageVersion(1)},
		"snappy":      {parquet.Compression(&parquet.Snappy), parquet.DataPageVersion(2), parquet.PageBufferSize(1000)},
		"zstd":        {parquet.Compression(&parquet.Zstd)},
		"gzip":        {parquet.Compression(&parquet.Gzip), parquet.DataPageVersion(1)},
		"lz4":         {parquet.Compression(&parquet.Lz4Raw)},
		"small pages": {parquet.PageBufferSize(300)},
	} {
		t.Run(name, func(t *testing.T) {
			tb, err := Read(bytes.NewReader(peerFile(t, rows, o...)), "x", Options{})
			if err != nil {
				t.Fatal(err)
			}
			checkPeer(t, tb, rows)
		})
	}
}

func checkPeer(t *testing.T, tb *Table, rows []peerRow) {
	t.Helper()
	if tb.Rows() != len(rows) || len(tb.Columns) != 22 {
		t.Fatalf("%d rows of %d columns", tb.Rows(), len(tb.Columns))
	}
	col := tb.Column
	for i, r := range rows {
		text := func(name string, want any) {
			if got := col(name).Text(i); got != fmt.Sprint(want) {
				t.Fatalf("row %d %s: %q, want %v", i, name, got, want)
			}
		}
		text("int", r.Int)
		text("small", r.Small)
		text("delta", r.Delta)
		text("unsigned", r.Unsigned)
		text("flag", r.Flag)
		text("text", r.Text)
		text("dict", r.Dict)
		text("dictint", r.DictInt)
		text("prefix", r.Prefix)
		text("id", fmt.Sprintf("12000000-0000-0000-0000-0000000000%02x", byte(i)))
		for name, want := range map[string]float64{"float": float64(r.Float), "double": r.Double, "plain": r.Plain, "dec32": float64(r.Dec32) / 100, "dec64": float64(r.Dec64) / 1000} {
			if got := col(name).Floats[i]; got != want {
				t.Fatalf("row %d %s: %v, want %v", i, name, got, want)
			}
		}
		if missing := r.Opt == nil; col("opt").IsMissing(i) != missing || col("opttext").IsMissing(i) != missing ||
			!missing && (col("opt").Floats[i] != *r.Opt || col("opttext").Strings[i] != *r.OptText) {
			t.Fatalf("row %d: optional values differ", i)
		}
		for name, want := range map[string]time.Time{"ms": r.Ms.Truncate(time.Millisecond), "us": r.Us, "ns": r.Ns, "day": time.Unix(int64(i)*86400, 0),
			"Old": time.Date(2016, 7, 1, 0, 0, 0, i, time.UTC)} {
			if got := col(name).Times[i]; !got.Equal(want) {
				t.Fatalf("row %d %s: %v, want %v", i, name, got, want)
			}
		}
	}
}

// parquet-go must read what this package writes.
func TestParquetGoReadsWhatIsWritten(t *testing.T) {
	n := 200_000 // several pages
	tb := &Table{Columns: []Column{{Name: "z, int", Kind: Int}, {Name: "float", Kind: Float}, {Name: "flag", Kind: Bool}, {Name: "text", Kind: String}, {Name: "t", Kind: Time}, {Name: "a day", Kind: Time}}}
	for i := range n {
		tb.Columns[0].Ints = append(tb.Columns[0].Ints, int64(i)*i64(i%3-1))
		tb.Columns[1].Floats = append(tb.Columns[1].Floats, float64(i)/7)
		tb.Columns[2].Bools = append(tb.Columns[2].Bools, i%3 == 0)
		tb.Columns[3].Strings = append(tb.Columns[3].Strings, fmt.Sprint("s", i%100))
		tb.Columns[4].Times = append(tb.Columns[4].Times, time.Unix(int64(i), 0).UTC())
		tb.Columns[5].Times = append(tb.Columns[5].Times, time.Unix(int64(i-500)*86400, 0).UTC())
		if i%11 == 0 {
			tb.Columns[1].Floats[i] = math.NaN()
			tb.Columns[2].Missing.Set(i)
			tb.Columns[3].Missing.Set(i)
			tb.Columns[3].Strings[i] = ""
		}
	}
	var buf bytes.Buffer
	if err := WriteParquet(&buf, tb); err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i, field := range f.Root().Columns() {
		if field.Name() != tb.Columns[i].Name {
			t.Fatalf("column %d is %q", i, field.Name())
		}
	}
	if s := f.Root().Column("t").Type().String(); s != "TIMESTAMP(isAdjustedToUTC=false,unit=MILLIS)" {
		t.Errorf("time is %s", s)
	}
	if s := f.Root().Column("a day").Type().String(); s != "DATE" {
		t.Errorf("day is %s", s)
	}
	for i := range tb.Columns {
		c := &tb.Columns[i]
		pages := f.RowGroups()[0].ColumnChunks()[i].Pages()
		row := 0
		for {
			p, err := pages.ReadPage()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			vals := make([]parquet.Value, p.NumValues())
			if k, err := p.Values().ReadValues(vals); k != len(vals) {
				t.Fatal(k, err)
			}
			for _, v := range vals {
				ok := v.IsNull() == c.IsMissing(row)
				if !v.IsNull() && ok {
					switch i {
					case 0:
						ok = v.Int64() == c.Ints[row]
					case 1:
						ok = v.Double() == c.Floats[row]
					case 2:
						ok = v.Boolean() == c.Bools[row]
					case 3:
						ok = string(v.ByteArray()) == c.Strings[row]
					case 4:
						ok = v.Int64() == c.Times[row].UnixMilli()
					case 5:
						ok = int(v.Int32()) == row-500
					}
				}
				if !ok {
					t.Fatalf("column %q row %d: %v, want %q", c.Name, row, v, c.Text(row))
				}
				row++
			}
		}
		pages.Close()
		if row != n {
			t.Fatalf("column %q has %d rows", c.Name, row)
		}
	}
	got, err := Read(bytes.NewReader(buf.Bytes()), "x", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := same(tb, got); err != nil {
		t.Fatal(err)
	}
}

func i64(i int) int64 { return int64(i) }

func TestBadParquet(t *testing.T) {
	type nested struct {
		A int64
		L []int64
		P struct{ X float64 }
	}
	var buf bytes.Buffer
	if err := parquet.Write(&buf, []nested{{A: 1, L: []int64{1, 2}}}); err != nil {
		t.Fatal(err)
	}
	read := func(b []byte, o Options) string {
		tb, err := Read(bytes.NewReader(b), "x.parquet", o)
		if err != nil {
			return err.Error()
		}
		return show(tb)
	}
	file := buf.Bytes()
	for _, c := range []struct {
		in   []byte
		o    Options
		want string
	}{
		{file, Options{}, `table: x.parquet: column "L": nested and repeated columns are no part of a table; name the columns to read`},
		{file, Options{Columns: []string{"P.X"}}, `table: x.parquet: column "P.X": nested and repeated columns are no part of a table; name the columns to read`},
		{file, Options{Columns: []string{"A"}}, "A:int 1"},
		{file, Options{Columns: []string{"A"}, Types: map[string]Kind{"A": String}}, "A:string 1"},
		{file, Options{Columns: []string{"B"}}, `table: x.parquet: no column "B"; there are A, L, P.X`},
		{file, Options{Columns: []string{"A"}, MaxCells: 1, MaxBytes: 1000}, "A:int 1"},
		{file[:len(file)-1], Options{}, `table: x.parquet: damaged Parquet file: the end of the file is missing`},
		{[]byte("PAR1"), Options{}, `table: x.parquet: damaged Parquet file: unexpected EOF`},
		{append([]byte("PAR1\xff\xff\xff\x7f"), "PAR1"...), Options{}, `table: x.parquet: damaged Parquet file: the footer is longer than the file`},
	} {
		if got := read(c.in, c.o); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// Every byte of a file damaged in turn: an error or a table, never a crash, and never more memory than the file is worth.
func TestDamagedParquet(t *testing.T) {
	for _, o := range [][]parquet.WriterOption{{parquet.Compression(&parquet.Uncompressed)}, {parquet.Compression(&parquet.Lz4Raw), parquet.DataPageVersion(1)}} {
		file := peerFile(t, peerRows(3), o...)
		limits := Options{MaxCells: 1 << 16, MaxBytes: 1 << 20}
		for i := range file {
			b := bytes.Clone(file)
			b[i] ^= []byte{0xff, 0x01, 0x80}[i%3]
			Read(bytes.NewReader(b), "x", limits)
			if i%7 == 0 {
				Read(bytes.NewReader(file[:i]), "x", limits)
			}
		}
	}
}

// The runs, prefixes and copies that make much of little are cut off at what the page says it holds.
func TestBombs(t *testing.T) {
	run := binary.AppendUvarint(nil, 1<<40) // 2^39 times
	if got, err := hybrid(nil, append(run, 7), 8, 5); err != nil || len(got) != 5 || got[4] != 7 {
		t.Errorf("a run gave %v, %v", got, err)
	}
	packed := binary.AppendUvarint(nil, 1<<40|1)
	if got, err := hybrid(nil, append(packed, 0xff), 1, 8); err != nil || len(got) != 8 {
		t.Errorf("packed values gave %v, %v", got, err)
	}
	if _, err := hybrid(nil, packed, 1, 1000); err == nil {
		t.Error("packed values without bytes were read")
	}
	delta := []byte{128, 1, 4, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}
	if _, _, err := deltas(nil, delta, 10); err == nil {
		t.Error("more deltas than values were read")
	}
	if _, err := unpackLZ4([]byte{0x1f, 'a', 1, 0, 255, 255, 255, 255, 0}, 1<<30); err == nil {
		t.Error("LZ4 data of another length was read")
	}
	if got, err := unpackLZ4([]byte{0x12, 'a', 1, 0, 0x10, 'b'}, 8); err != nil || string(got) != "aaaaaaab" {
		t.Errorf("LZ4 gave %q, %v", got, err)
	}
	list := compactWalker{b: []byte{0x19, 0xfc, 0xff, 0xff, 0xff, 0x7f}}
	if err := list.structure(0); err == nil {
		t.Error("a list longer than the file was believed")
	}
	deep := compactWalker{b: bytes.Repeat([]byte{0x1c}, 1<<20)}
	if err := deep.structure(0); err == nil {
		t.Error("a million structures in each other were read")
	}
}

// Encodings that parquet-go does not write here, against values packed by hand.
func TestEncodings(t *testing.T) {
	var v values
	p := physical{kind: format.ByteArray}
	// Lengths 5 and 2 as deltas (block of 128 in 4, first 5, least delta −3, widths 0), then the bytes.
	lengths := []byte{128, 1, 4, 2, 10, 5, 0, 0, 0, 0}
	if err := p.decode(&v, format.DeltaLengthByteArray, append(lengths, "Hellohi"...), 2); err != nil || len(v.bytes) != 2 || string(v.bytes[0]) != "Hello" || string(v.bytes[1]) != "hi" {
		t.Errorf("delta lengths: %q, %v", v.bytes, err)
	}
	v.reset()
	prefixes := []byte{128, 1, 4, 2, 0, 4, 0, 0, 0, 0} // 0, 2
	if err := p.decode(&v, format.DeltaByteArray, append(append(prefixes, lengths...), "Hellohi"...), 2); err != nil || string(v.bytes[1]) != "Hehi" {
		t.Errorf("delta strings: %q, %v", v.bytes, err)
	}
	v.reset()
	flags := physical{kind: format.Boolean}
	if err := flags.decode(&v, format.RLE, []byte{2, 0, 0, 0, 6, 1}, 3); err != nil || len(v.ints) != 3 || v.ints[2] != 1 {
		t.Errorf("booleans as runs: %v, %v", v.ints, err)
	}
	for h, want := range map[uint16]float64{0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: 5.960464477539063e-8, 0x7c00: math.Inf(1)} {
		if got := halfFloat(h); got != want {
			t.Errorf("half %04x is %v, want %v", h, got, want)
		}
	}
	if f, err := bigDecimal([]byte{0xff, 0x38}, 2); err != nil || f != -2 {
		t.Errorf("decimal of −200 over 100 is %v, %v", f, err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 { // bits against a plain loop
		b := make([]byte, 40)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		width := r.IntN(65)
		at := r.IntN(8*len(b) - width + 1)
		var want uint64
		for k := range width {
			want |= uint64(b[(at+k)>>3]>>((at+k)&7)&1) << k
		}
		if got := unpackBits(b, at, width); got != want {
			t.Fatalf("%d bits at %d: %x, want %x", width, at, got, want)
		}
	}
}

// FuzzParquet damages small files of every codec. Tables that come out must be writable.
func FuzzParquet(f *testing.F) {
	for _, o := range [][]parquet.WriterOption{
		{parquet.Compression(&parquet.Uncompressed)}, {parquet.Compression(&parquet.Snappy), parquet.DataPageVersion(1)},
		{parquet.Compression(&parquet.Zstd)}, {parquet.Compression(&parquet.Gzip)}, {parquet.Compression(&parquet.Lz4Raw)},
	} {
		f.Add(peerFile(f, peerRows(2), o...))
	}
	var buf bytes.Buffer
	if err := WriteParquet(&buf, &Table{Columns: []Column{{Name: "a", Kind: Float, Floats: []float64{1, math.NaN()}}, {Name: "b", Kind: String, Strings: []string{"x", "y"}}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		tb, err := Read(bytes.NewReader(in), "f", Options{Format: Parquet, MaxCells: 1 << 18, MaxBytes: 1 << 24})
		if err != nil {
			if tb != nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q with table %v", err, tb)
			}
			return
		}
		checkReadsBack(t, tb)
	})
}

// pandas notes the zone of its times beside the instants; in it midnights across daylight saving are midnights.
func TestParquetZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		When time.Time `parquet:"when,timestamp(nanosecond)"`
		Odd  time.Time `parquet:"odd,timestamp(nanosecond)"`
	}
	rows := make([]row, 3)
	for i := range rows {
		rows[i].When = time.Date(2024, 3, 30+i, 0, 0, 0, 0, berlin)
		rows[i].Odd = rows[i].When
	}
	for note, zone := range map[string]string{
		`{"columns": [{"name": "w", "field_name": "when", "metadata": {"timezone": "Europe/Berlin"}}, {"field_name": "odd", "metadata": {"timezone": "../x"}}]}`: "Europe/Berlin",
		`{"columns": [{"name": "when", "metadata": null}]}`: "UTC",
		`{"columns": 7}`: "UTC",
		`no JSON`:        "UTC",
	} {
		var b bytes.Buffer
		w := parquet.NewGenericWriter[row](&b, parquet.KeyValueMetadata("pandas", note))
		if _, err := w.Write(rows); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		tab, err := Read(bytes.NewReader(b.Bytes()), "x.parquet", Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range tab.Columns[0].Times {
			if !got.Equal(rows[i].When) || got.Location().String() != zone {
				t.Errorf("%s: %v, want %v in %s", note, got, rows[i].When, zone)
			}
		}
		if got := tab.Columns[1].Times[0].Location().String(); got != "UTC" {
			t.Errorf("a zone that is none: %s", got)
		}
		at := time.FixedZone("", 3600)
		tab, err = Read(bytes.NewReader(b.Bytes()), "x.parquet", Options{Location: at})
		if err != nil || tab.Columns[0].Times[0].Location() != at {
			t.Errorf("the option does not hold: %v, %v", tab.Columns[0].Times[0], err)
		}
	}
}
