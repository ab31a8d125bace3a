package series

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// TSF is what a .tsf file of the Monash archive holds (Godahewa et al. 2021; TSForecasting: utils/data_loader).
type TSF struct {
	Relation  string
	Frequency string // as written, such as "half_hourly"; "" if not given
	// Horizon is the file's forecast horizon; 0 if not given. A numeric attribute "horizon" of a series goes to
	// Series.Horizon, which otherwise repeats this one.
	Horizon     int
	Missing     bool // what @missing claims
	EqualLength bool // what @equallength claims
	Attributes  []TSFAttribute
	Panel       Panel
}

// TSFAttribute is a declared property of every series.
type TSFAttribute struct {
	Name string
	Type string // numeric, string or date
}

// TSFOptions bounds what a file may cost. The zero value works.
type TSFOptions struct {
	// MaxBytes of the file; a longer one is an error. Default (0): 2 GiB.
	MaxBytes int64
}

const tsfDate = "2006-01-02 15-04-05"

// ReadTSF reads a .tsf file; name is for messages. The text is UTF-8 or, where a line is not, Windows-1252.
//
// The id of a series is its attribute series_name, else the first string attribute, else T and its number; the start is
// its first date; other attributes become static ones. "?" is a missing value; a series of nothing else, two series of
// one id, a value that is no finite number and a wrong count of fields are errors that name the line.
func ReadTSF(r io.Reader, name string, o TSFOptions) (*TSF, error) {
	limit := o.MaxBytes
	if limit <= 0 {
		limit = 2 << 30
	}
	p := tsfParser{name: name, out: &TSF{Panel: Panel{Name: name}}, seen: map[string]int{}}
	in := bufio.NewReaderSize(io.LimitReader(r, limit+1), 1<<16)
	read := int64(0)
	for {
		line, err := in.ReadString('\n')
		read += int64(len(line))
		if read > limit {
			return nil, fmt.Errorf("series: %s: larger than %d bytes; raise the limit", name, limit)
		}
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("series: %s: %w", name, err)
		}
		if line != "" {
			p.line++
			if p.line == 1 {
				line = strings.TrimPrefix(line, "\ufeff") // before decoding: one bad byte turns the whole line
			}
			if err := p.parse(strings.TrimSpace(decode1252(line))); err != nil {
				return nil, fmt.Errorf("series: %s:%d: %w", name, p.line, err)
			}
		}
		if err == io.EOF {
			break
		}
	}
	switch {
	case !p.data:
		return nil, fmt.Errorf("series: %s: no @data line; is it a .tsf file?", name)
	case len(p.out.Panel.Series) == 0:
		return nil, fmt.Errorf("series: %s: no series after @data", name)
	}
	return p.out, nil
}

type tsfParser struct {
	name string
	line int
	data bool
	freq Freq
	out  *TSF
	seen map[string]int // id → line
}

func (p *tsfParser) parse(text string) error {
	switch {
	case text == "" || text[0] == '#':
		return nil
	case p.data:
		return p.record(text)
	case text[0] == '@':
		return p.header(text)
	}
	return fmt.Errorf("%q before @data is neither a comment nor a tag", clipText(text))
}

func (p *tsfParser) header(text string) error {
	words := strings.Fields(text)
	tag := strings.ToLower(words[0])
	if tag == "@data" {
		if len(words) > 1 {
			return errors.New("@data stands alone on its line")
		}
		p.data = true
		return nil
	}
	if tag == "@relation" {
		p.out.Relation = strings.Join(words[1:], " ")
		return nil
	}
	if tag == "@attribute" {
		return p.attribute(words[1:])
	}
	if len(words) != 2 {
		return fmt.Errorf("%s wants one value", clipText(words[0]))
	}
	var err error
	switch value := words[1]; tag {
	case "@frequency":
		p.out.Frequency = value
		p.freq, err = ParseFreq(value)
	case "@horizon":
		p.out.Horizon, err = tsfHorizon(value)
	case "@missing":
		p.out.Missing, err = tsfBool(value)
	case "@equallength":
		p.out.EqualLength, err = tsfBool(value)
	default:
		err = fmt.Errorf("unknown tag %q; there are @relation, @attribute, @frequency, @horizon, @missing, @equallength, @data", clipText(words[0]))
	}
	return err
}

func (p *tsfParser) attribute(words []string) error {
	if len(words) != 2 {
		return errors.New("want @attribute NAME TYPE")
	}
	a := TSFAttribute{words[0], strings.ToLower(words[1])}
	switch a.Type {
	case "numeric", "string", "date":
	default:
		return fmt.Errorf("attribute %q has type %q; want numeric, string or date", clipText(a.Name), clipText(words[1]))
	}
	for _, b := range p.out.Attributes {
		if a.Name == b.Name {
			return fmt.Errorf("attribute %q is declared twice", clipText(a.Name))
		}
	}
	p.out.Attributes = append(p.out.Attributes, a)
	return nil
}

func tsfHorizon(s string) (int, error) {
	h, err := strconv.Atoi(s)
	if err != nil || h < 1 || h > maxMultiple {
		return 0, fmt.Errorf("horizon %q: want a number of steps from 1 to a million", clipText(s))
	}
	return h, nil
}

func tsfBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q: want true or false", clipText(s))
}

func (p *tsfParser) record(text string) error {
	attributes := p.out.Attributes
	fields := strings.SplitN(text, ":", len(attributes)+2)
	if len(fields) != len(attributes)+1 {
		return fmt.Errorf("%d fields between colons; %d attributes and the values make %d", 1+strings.Count(text, ":"), len(attributes), len(attributes)+1)
	}
	s := Series{Horizon: p.out.Horizon}
	named, dated := false, false
	for i, a := range attributes {
		v := strings.TrimSpace(fields[i])
		switch {
		case a.Type == "string" && !named || a.Name == "series_name":
			s.ID, named = v, true
		case a.Type == "date":
			t, err := time.Parse(tsfDate, v)
			if err != nil {
				return fmt.Errorf("attribute %q: %q is no date like 2020-01-31 23-30-00", clipText(a.Name), clipText(v))
			}
			if !dated {
				s.Start, dated = t, true
				continue
			}
			s.Static = append(s.Static, Attribute{a.Name, math.NaN(), v})
		case a.Type == "numeric":
			x, err := tsfNumber(v)
			if err != nil {
				return fmt.Errorf("attribute %q: %w", clipText(a.Name), err)
			}
			if a.Name == "horizon" {
				if s.Horizon, err = tsfHorizon(v); err != nil {
					return err
				}
				continue
			}
			s.Static = append(s.Static, Attribute{a.Name, x, v})
		default:
			s.Static = append(s.Static, Attribute{a.Name, math.NaN(), v})
		}
	}
	if dated {
		s.Freq = p.freq.standing(s.Start)
	}
	if !named {
		s.ID = "T" + strconv.Itoa(len(p.out.Panel.Series)+1)
	}
	if first, twice := p.seen[s.ID]; twice {
		return fmt.Errorf("series %q appears twice (first at line %d); rename one", clipText(s.ID), first)
	}
	p.seen[s.ID] = p.line
	if err := s.tsfValues(fields[len(attributes)]); err != nil {
		return fmt.Errorf("series %q: %w", clipText(s.ID), err)
	}
	p.out.Panel.Series = append(p.out.Panel.Series, s)
	return nil
}

func (s *Series) tsfValues(text string) error {
	s.Y = make([]float64, 0, 1+strings.Count(text, ","))
	some := false
	for cell := range strings.SplitSeq(text, ",") {
		cell = strings.TrimSpace(cell)
		if cell == "?" {
			s.Y = append(s.Y, math.NaN())
			continue
		}
		v, err := tsfNumber(cell)
		if err != nil {
			return fmt.Errorf("value %d: %w", len(s.Y)+1, err)
		}
		s.Y, some = append(s.Y, v), true
	}
	if !some {
		return errors.New("every value is missing; remove it")
	}
	return nil
}

func tsfNumber(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) || strings.ContainsAny(s, "xX_") {
		return 0, fmt.Errorf("%q is no finite number", clipText(s))
	}
	return v, nil
}

// standing fixes what the name of a frequency leaves open by where the first stamp stands: the weekday of weeks, the
// side and phase of months, quarters and years.
func (f Freq) standing(start time.Time) Freq {
	f = f.withAnchor()
	month := int(start.Month())
	if f.Unit == Week {
		f.Anchor = int(start.Weekday())
	}
	if f.months() > 0 && f.Side == AnySide && start.Day() == 1 {
		f.Side = Start
	}
	switch {
	case f.Unit == Year:
		f.Anchor = month
	case f.Unit == Quarter && f.Side == Start:
		f.Anchor = (month-1)%3 + 1 // the first quarter of the calendar year, as QS-JAN
	case f.Unit == Quarter:
		f.Anchor = month + (12-month)/3*3 // the last, as QE-DEC
	}
	return f
}

// high1252 are the characters of Windows-1252 at 0x80 to 0x9f; the five without one keep their Latin-1 control.
var high1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}

// decode1252 turns a line that is not UTF-8 from Windows-1252 into it.
func decode1252(line string) string {
	if utf8.ValidString(line) {
		return line
	}
	var b strings.Builder
	for i := range len(line) {
		c := rune(line[i])
		if c >= 0x80 && c < 0xa0 {
			c = high1252[c-0x80]
		}
		b.WriteRune(c)
	}
	return b.String()
}
