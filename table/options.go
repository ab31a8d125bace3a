package table

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Format is a file format.
type Format uint8

const (
	AnyFormat Format = iota // found from the content
	CSV                     // separated text with any separator, TSV included
	JSONL                   // one JSON object a line; an array of objects is accepted too
	Parquet
)

var formatNames = [...]string{"auto", "csv", "jsonl", "parquet"}

// String gives the lower-case name of f.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return fmt.Sprintf("format(%d)", uint8(f))
}

// Presence answers a yes-or-no question that the content can answer too.
type Presence uint8

const (
	Sniff Presence = iota // decide from the content
	Yes
	No
)

// DefaultMissing lists the cell texts that mean "no value" where Options.Missing is nil.
func DefaultMissing() []string {
	return []string{"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None", "-", "--", "?"}
}

// Limits that hold where the options name none.
const (
	DefaultMaxBytes   = 2 << 30   // of text or Parquet pages after decompression
	DefaultMaxCells   = 256 << 20 // rows × columns: 2 GiB of float64
	DefaultMaxColumns = 1 << 16
)

// Options says how to read a table. The zero value finds everything out from the content.
type Options struct {
	// Format fixes the format. Default: from the content; the file name never decides.
	Format Format

	// Separator of fields of CSV. Default (0): whichever of tab, ';', ',' and '|' cuts the first rows into the same
	// number of fields.
	Separator byte

	// Decimal mark, '.' or ','. Default (0): '.', or ',' where the separator is another character and the first rows
	// hold numbers such as 1,5 and none such as 1.5.
	Decimal byte

	// Header tells whether the first row of a CSV names the columns. Default: it does where some column starts with
	// text and goes on with something else, or where every column is text. Without a header the columns are called
	// column1, column2, …
	Header Presence

	// NoQuotes takes " as an ordinary character, for TSV files that use it so.
	NoQuotes bool

	// Missing lists the texts that mean "no value", compared without surrounding blanks; quoted cells count as well.
	// Default (nil): DefaultMissing. In JSON null is missing and these texts only if listed here.
	Missing []string

	// Columns to read, in the order wanted; a name that is not there is an error. Default: all.
	Columns []string

	// Types fixes the kind of columns by name; one value that does not fit is an error naming its line. Columns not
	// named are inferred over all rows: int, float, bool, time, then string.
	Types map[string]Kind

	// TimeLayout is the form of times: a Go layout ("02/01/2006 15:04"), a strftime pattern ("%d/%m/%Y"), or one of
	// unix, unixms, unixus, unixns (seconds, milli-, micro-, nanoseconds since 1970), 2006Q1, 2006-Q1, 2006M01.
	// Text columns of that form become Time; number columns need Types besides. Default: found for each column.
	TimeLayout string

	// Location gives the zone of times that name none, and the zone in which the others are shown. Default (nil):
	// times without a zone are UTC, the others keep their offset, and instants of a Parquet file the zone pandas noted.
	Location *time.Location

	// Flatten makes nested JSON objects columns with dotted names (meta.unit). Default: they are an error.
	Flatten bool

	// MaxRows stops reading after that many rows. Default (0): all.
	MaxRows int

	// AllowEmpty accepts a table without rows. Default: an error wrapping ErrEmpty.
	AllowEmpty bool

	// Limits on what a file may cost; past one of them reading ends with an error naming it.
	MaxBytes   int64 // default DefaultMaxBytes
	MaxCells   int64 // default DefaultMaxCells
	MaxColumns int   // default DefaultMaxColumns
}

// ErrEmpty is wrapped by the error about a table without rows.
var ErrEmpty = errors.New("has no rows")

// Validate reports every option that cannot be used.
func (o *Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("table: "+format, args...)) }
	if o.Format > Parquet {
		bad("format %d does not exist", o.Format)
	}
	switch sep := o.Separator; {
	case sep >= 0x80, sep == '"', sep == '\n', sep == '\r', sep >= '0' && sep <= '9', sep == '+', sep == '-':
		bad("separator %q cannot part fields", sep)
	case sep == '.' && o.Decimal != ',':
		bad("separator %q is also the decimal mark", sep)
	case sep != 0 && sep == o.Decimal:
		bad("separator and decimal mark are both %q", sep)
	}
	if o.Decimal != 0 && o.Decimal != '.' && o.Decimal != ',' {
		bad("decimal mark %q; give '.' or ','", o.Decimal)
	}
	for name, k := range o.Types {
		if k > String {
			bad("column %q: type %d does not exist", name, k)
		}
	}
	for i, c := range o.Columns {
		if slices.Contains(o.Columns[:i], c) {
			bad("column %q is asked for twice", c)
		}
	}
	if o.MaxRows < 0 || o.MaxBytes < 0 || o.MaxCells < 0 || o.MaxColumns < 0 {
		bad("limits cannot be negative")
	}
	return errors.Join(errs...)
}

// withDefaults fills the fields whose zero value stands for a default.
func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxCells == 0 {
		o.MaxCells = DefaultMaxCells
	}
	if o.MaxColumns == 0 {
		o.MaxColumns = DefaultMaxColumns
	}
	return o
}

// Error is a problem with one place of a file. Line and Column are zero where the problem has none.
type Error struct {
	Name   string // file name as given to Read
	Line   int    // from 1
	Column string
	Msg    string // what is wrong and what to do
	Err    error  // cause, if any
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("table: ")
	b.WriteString(e.Name)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Column != "" {
		fmt.Fprintf(&b, ": column %q", e.Column)
	}
	b.WriteString(": ")
	b.WriteString(e.Msg)
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// clip keeps messages to one line of bearable length.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	n := most
	for n > most-4 && !utf8.RuneStart(s[n]) { // do not cut a character in two
		n--
	}
	return s[:n] + "…"
}
