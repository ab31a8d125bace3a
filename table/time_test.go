package table

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDetectTime(t *testing.T) {
	utc := func(y, mo, d, h, mi, s, ns int) time.Time {
		return time.Date(y, time.Month(mo), d, h, mi, s, ns, time.UTC)
	}
	for _, c := range []struct {
		text, layout string
		want         time.Time
	}{
		{"2016-07-01T03:04:05Z", "2006-01-02T15:04:05Z07:00", utc(2016, 7, 1, 3, 4, 5, 0)},
		{"2016-07-01T03:04:05.25+02:00", "2006-01-02T15:04:05.00-07:00", utc(2016, 7, 1, 1, 4, 5, 25e7)},
		{"2016-07-01 03:04:05", "2006-01-02 15:04:05", utc(2016, 7, 1, 3, 4, 5, 0)},
		{"2016-07-01 03:04:05.123456789", "2006-01-02 15:04:05.000000000", utc(2016, 7, 1, 3, 4, 5, 123456789)},
		{"2016-07-01 03:04:05,5", "2006-01-02 15:04:05,0", utc(2016, 7, 1, 3, 4, 5, 5e8)},
		{"2016-07-01 03:04", "2006-01-02 15:04", utc(2016, 7, 1, 3, 4, 0, 0)},
		{"2016-07-01 03:04:05 UTC", "2006-01-02 15:04:05 MST", utc(2016, 7, 1, 3, 4, 5, 0)},
		{"2016-07-01 03:04:05+0530", "2006-01-02 15:04:05-0700", utc(2016, 6, 30, 21, 34, 5, 0)},
		{"2016-07-01 03:04:05 -08", "2006-01-02 15:04:05 -07", utc(2016, 7, 1, 11, 4, 5, 0)},
		{"2016-07-01", "2006-01-02", utc(2016, 7, 1, 0, 0, 0, 0)},
		{"2016/07/01", "2006/01/02", utc(2016, 7, 1, 0, 0, 0, 0)},
		{"2016.07.01", "2006.01.02", utc(2016, 7, 1, 0, 0, 0, 0)},
		{"1990/1/1 0:00", "2006/1/2 3:04", utc(1990, 1, 1, 0, 0, 0, 0)},
		{"20160701", "20060102", utc(2016, 7, 1, 0, 0, 0, 0)},
		{"20160701T030405Z", "", time.Time{}},
		{"20160701T03:04:05Z", "20060102T15:04:05Z07:00", utc(2016, 7, 1, 3, 4, 5, 0)},
		{"01/07/2016", "02/01/2006", utc(2016, 7, 1, 0, 0, 0, 0)},
		{"25.12.2016 7:30", "02.01.2006 3:04", utc(2016, 12, 25, 7, 30, 0, 0)},
		{"12/25/2016 3:04:05 PM", "01/02/2006 3:04:05 PM", utc(2016, 12, 25, 15, 4, 5, 0)},
		{"12/25/2016 12:00 am", "01/02/2006 03:04 PM", utc(2016, 12, 25, 0, 0, 0, 0)},
		{"1949-01", "2006-01", utc(1949, 1, 1, 0, 0, 0, 0)},
		{"1949/11", "2006/01", utc(1949, 11, 1, 0, 0, 0, 0)},
		{"1949M01", "2006M01", utc(1949, 1, 1, 0, 0, 0, 0)},
		{"1949M1", "2006M1", utc(1949, 1, 1, 0, 0, 0, 0)},
		{"1949Q1", "2006Q1", utc(1949, 1, 1, 0, 0, 0, 0)},
		{"1949-Q4", "2006-Q1", utc(1949, 10, 1, 0, 0, 0, 0)},
		{"Jan 1949", "Jan 2006", utc(1949, 1, 1, 0, 0, 0, 0)},
		{"january-1949", "January-2006", utc(1949, 1, 1, 0, 0, 0, 0)},
		{"1 Jul 2016", "2 Jan 2006", utc(2016, 7, 1, 0, 0, 0, 0)},
		{"01-Jul-2016 10:00", "02-Jan-2006 15:04", utc(2016, 7, 1, 10, 0, 0, 0)},
		{"Jul 1, 2016", "Jan 2, 2006", utc(2016, 7, 1, 0, 0, 0, 0)},
		{"2016년 7월 1일", "2006년 1월 2일", utc(2016, 7, 1, 0, 0, 0, 0)},
		{"2016년 07월", "2006년 1월", utc(2016, 7, 1, 0, 0, 0, 0)},
		{"2016年7月31日", "2006年1月2日", utc(2016, 7, 31, 0, 0, 0, 0)},
		{"2016. 7. 1.", "2006. 1. 2.", utc(2016, 7, 1, 0, 0, 0, 0)},
		{"2016. 13. 1.", "", time.Time{}},
		{"2016년 2월 30일", "", time.Time{}},
		{"2016-02-29", "2006-01-02", utc(2016, 2, 29, 0, 0, 0, 0)},
		{"2015-02-29", "", time.Time{}},
		{"2016-13-01", "", time.Time{}},
		{"2016-04-31", "", time.Time{}},
		{"2016-07-01 24:00", "", time.Time{}},
		{"2016-07-01 10", "", time.Time{}},
		{"13/13/2016", "", time.Time{}},
		{"01/07/16", "", time.Time{}},
		{"2016", "", time.Time{}},
		{"201607", "", time.Time{}},
		{"2016-7", "", time.Time{}},
		{"1949Q5", "", time.Time{}},
		{"1949M13", "", time.Time{}},
		{"Juli 2016", "", time.Time{}},
		{"2016-07-01T03:04:05+99:00", "", time.Time{}},
		{"2016-07-01x", "", time.Time{}},
		{"3.14", "", time.Time{}},
		{"1-2", "", time.Time{}},
		{"192.168.1.12", "", time.Time{}},
	} {
		got, f, ok := detectTime([]byte(c.text), orderNone, nil)
		switch {
		case ok != (c.layout != ""):
			t.Errorf("%q: read as %v %v", c.text, got, ok)
		case ok && (!got.Equal(c.want) || f.layout() != c.layout):
			t.Errorf("%q: got %v in %q, want %v in %q", c.text, got, f.layout(), c.want, c.layout)
		}
	}
}

// Every layout that a column can get reads and writes itself, in its own parser and not by way of time.Parse.
func TestCompileLayout(t *testing.T) {
	for _, s := range []string{"2006-01-02", "2006/1/2 3:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05.000Z07:00", "02/01/2006",
		"01/02/2006 3:04:05 PM", "2006-01", "2006M01", "2006Q1", "2006-Q1", "Jan 2006", "January 2006", "2 Jan 2006", "Jan 02, 2006",
		"20060102", "200601", "2006", "unix", "unixms", "unixus", "unixns", "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05-0700",
		"2006-01-02 15:04:05.000000-07", "02.01.2006 15:04:05,000"} {
		f := compileLayout(s)
		if f.order == orderCustom || f.layout() != s {
			t.Errorf("%q compiles to order %d, %q", s, f.order, f.layout())
		}
	}
	for pattern, want := range map[string]string{"%d/%m/%Y": "02/01/2006", "%Y-%m-%d %H:%M:%S": "2006-01-02 15:04:05", "%m/%d/%Y %I:%M %p": "01/02/2006 03:04 PM", "%s": "unix"} {
		if f := compileLayout(pattern); f.layout() != want {
			t.Errorf("%q compiles to %q, want %q", pattern, f.layout(), want)
		}
	}
	if f := compileLayout("Mon Jan _2 2006"); f.order != orderCustom {
		t.Error("a form that is not ours should be left to time.Parse")
	} else if got, _, ok := f.parse([]byte("Fri Jul  1 2016"), nil); !ok || got.Day() != 1 {
		t.Errorf("custom layout read %v", got)
	}
}

func readColumn(t *testing.T, cells []string, o Options) (*Column, error) {
	t.Helper()
	o.Header = Yes
	tb, err := Read(strings.NewReader("when\n"+strings.Join(cells, "\n")+"\n"), "x.csv", o)
	if err != nil {
		return nil, err
	}
	return &tb.Columns[0], nil
}

func TestTimeColumns(t *testing.T) {
	asTime := map[string]Kind{"when": Time}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		name  string
		cells []string
		o     Options
		last  string // RFC 3339
		text  string // of the last cell as written
		err   string
	}{
		{"month first is decided by a later row", []string{"01/02/2016", "02/03/2016", "01/31/2016"}, Options{}, "2016-01-31T00:00:00Z", "01/31/2016", ""},
		{"and the rows before follow", []string{"01/31/2016", "02/03/2016"}, Options{}, "2016-02-03T00:00:00Z", "02/03/2016", ""},
		{"day first", []string{"31/01/2016", "02/03/2016"}, Options{}, "2016-03-02T00:00:00Z", "02/03/2016", ""},
		{"day first by a later row", []string{"02/03/2016", "31/01/2016", "03/02/2016"}, Options{}, "2016-02-03T00:00:00Z", "03/02/2016", ""},
		{"undecided", []string{"01/02/2016", "02/02/2016"}, Options{}, "", "",
			`table: x.csv: column "when": "01/02/2016" may name the day or the month first and no row decides; give --time-format 02/01/2006 (day first) or 01/02/2006 (month first)`},
		{"told", []string{"01/02/2016", "02/03/2016"}, Options{TimeLayout: "%m/%d/%Y"}, "2016-02-03T00:00:00Z", "02/03/2016", ""},
		{"midnight left out", []string{"2016-07-01", "2016-07-01 01:00:00"}, Options{}, "2016-07-01T01:00:00Z", "2016-07-01 01:00:00", ""},
		{"fractions come and go", []string{"2016-07-01 00:00:00.5", "2016-07-01 00:00:01"}, Options{}, "2016-07-01T00:00:01Z", "2016-07-01 00:00:01.0", ""},
		{"offset changes", []string{"2016-03-27T01:00:00+01:00", "2016-03-27T03:00:00+02:00"}, Options{}, "2016-03-27T03:00:00+02:00", "2016-03-27T03:00:00+02:00", ""},
		{"location for times without a zone", []string{"2016-07-01 02:00"}, Options{Location: berlin}, "2016-07-01T02:00:00+02:00", "2016-07-01 02:00", ""},
		{"location for times with one", []string{"2016-07-01T00:00:00Z"}, Options{Location: berlin}, "2016-07-01T02:00:00+02:00", "2016-07-01T02:00:00+02:00", ""},
		{"years when asked", []string{"1949", "1950"}, Options{Types: asTime}, "1950-01-01T00:00:00Z", "1950", ""},
		{"months without separator when asked", []string{"194912", "195001"}, Options{Types: asTime}, "1950-01-01T00:00:00Z", "195001", ""},
		{"days without separator when asked", []string{"20160630", "20160701"}, Options{Types: asTime}, "2016-07-01T00:00:00Z", "20160701", ""},
		{"seconds when asked", []string{"1467331200", "1467334800"}, Options{Types: asTime}, "2016-07-01T01:00:00Z", "1467334800", ""},
		{"seconds with fractions", []string{"1467331200.5", "1467334800.0"}, Options{Types: asTime}, "2016-07-01T01:00:00Z", "1467334800", ""},
		{"milliseconds when asked", []string{"1467331200000"}, Options{Types: asTime}, "2016-07-01T00:00:00Z", "1467331200000", ""},
		{"nanoseconds when asked", []string{"1467331200000000001"}, Options{Types: asTime}, "2016-07-01T00:00:00.000000001Z", "1467331200000000001", ""},
		{"no such day", append(months(), "2016-02-30"), Options{}, "", "",
			`table: x.csv:14: column "when": "2016-02-30" is not a time of the form 2006-01-02; fix the cell or give --time-format`},
		{"two forms", append(months(), "07/13/2016"), Options{}, "", "",
			`table: x.csv:14: column "when": "07/13/2016" is not a time of the form 2006-01-02; fix the cell or give --time-format`},
		{"zone in some rows", append(months(), "2016-07-13T00:00:00Z", "2016-07-14T00:00:00"), Options{}, "", "",
			`table: x.csv:15: column "when": "2016-07-14T00:00:00" is not a time of the form 2006-01-02T15:04:05Z07:00; fix the cell or give --time-format`},
	} {
		t.Run(c.name, func(t *testing.T) {
			col, err := readColumn(t, c.cells, c.o)
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Fatalf("got error %v\nwant %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			n := col.Len() - 1
			if col.Kind != Time || col.Times[n].Format(time.RFC3339Nano) != c.last || col.Text(n) != c.text {
				t.Fatalf("got %v %s written %q, want %s written %q", col.Kind, col.Times[n].Format(time.RFC3339Nano), col.Text(n), c.last, c.text)
			}
		})
	}
}

func months() (s []string) {
	for m := 1; m <= 12; m++ {
		s = append(s, fmt.Sprintf("2016-%02d-01", m))
	}
	return s
}

// Whatever layout is asked for, times written are times read, or another layout is taken.
func TestTimesReadBack(t *testing.T) {
	layouts := []string{"", "2006-01-02", "2006-01", "2006Q1", "2006", "unix", "unixms", "unixns", "2006-01-02 15:04", "02/01/2006",
		"01/02/2006 3:04:05 PM", "2006-01-02T15:04:05Z07:00", "2006/1/2 3:04", "20060102", "Jan 2006", "2006M1", "Mon Jan _2 2006"}
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]int64{1, 60, 3600, 86400}).Draw(t, "unit")
		c := Column{Name: "t", Kind: Time, Layout: rapid.SampledFrom(layouts).Draw(t, "layout")}
		zone := time.UTC
		if rapid.Bool().Draw(t, "zone") {
			zone = time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "offset"))
		}
		for range rapid.IntRange(1, 5).Draw(t, "n") {
			sec := rapid.Int64Range(-4e9, 2e10).Draw(t, "sec") / unit * unit
			c.Times = append(c.Times, time.Unix(sec, rapid.SampledFrom([]int64{0, 0, 5e8, 1}).Draw(t, "ns")).In(zone))
		}
		f := c.writeLayout()
		for _, want := range c.Times {
			text := f.appendTime(nil, want)
			var loc *time.Location
			if f.zone == zoneNone && f.order < orderUnix {
				loc = zone
			}
			got, _, ok := f.parse(text, loc)
			if !ok || !got.Equal(want) {
				t.Fatalf("%v written as %q (%s) read as %v", want, text, f.layout(), got)
			}
		}
	})
}

func FuzzTime(f *testing.F) {
	for _, s := range []string{"2016-07-01T03:04:05.25+02:00", "1990/1/1 0:00", "25.12.2016 7:30", "12/25/2016 3:04:05 PM", "1949Q1", "Jan 1949",
		"Jul 1, 2016", "20160701", "1467331200.5", "2006-01-02 15:04:05 MST", "%d/%m/%Y", "Mon Jan _2 2006"} {
		f.Add(s, uint8(0))
	}
	f.Fuzz(func(t *testing.T, s string, wish uint8) {
		got, form, ok := detectTime([]byte(s), dateOrder(wish%uint8(orderCustom)), nil)
		if ok {
			layout := form.layout()
			again := compileLayout(layout)
			text := form.appendTime(nil, got)
			back, _, ok := again.parse(text, nil)
			if !ok || !back.Equal(got) {
				t.Fatalf("%q is %v in %q, written %q, read as %v %v", s, got, layout, text, back, ok)
			}
			// Go must agree about what the layout means, where it has one.
			if want, err := time.Parse(layout, string(text)); err == nil && form.order < orderUnix && form.order != orderYQ && form.order != orderYMLetter &&
				!strings.Contains(layout, "3:") && !want.Equal(got) {
				t.Fatalf("%q is %v, by Go's layout %q %v", s, got, layout, want)
			}
		}
		compileLayout(s)
		c := Column{Kind: Time, Layout: s, Times: []time.Time{time.Unix(1e9, 5)}}
		c.writeLayout()
	})
}
