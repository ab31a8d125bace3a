package series_test

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/table"
)

func readCSV(t testing.TB, text string) *table.Table {
	t.Helper()
	tab, err := table.Read(strings.NewReader(text), "x.csv", table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// TestFromTableShared reads the real files with no option at all.
func TestFromTableShared(t *testing.T) {
	dir := filepath.Join(golden.Shared(t), "data")
	for _, c := range []struct {
		file, freq    string
		series, steps int
		first         float64
		fill          bool
	}{
		{"ett/ETTh1.csv", "h", 7, 17420, 5.827000141143799, false},
		{"ltsf/exchange_rate.csv", "D", 8, 7588, 0.7855, false},
		{"ltsf/national_illness.csv", "W-TUE", 7, 966, 1.22262, false},
		{"classic/AirPassengers.csv", "MS", 1, 144, 112, false},
		{"classic/monthly-milk-incomplete.csv", "MS", 1, 168, 589, true},
		{"classic/australian_tourism.csv", "", 96, 36, 84503, false},
	} {
		tab, err := table.Open(filepath.Join(dir, filepath.FromSlash(c.file)), table.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		p, err := series.FromTable(tab, series.Options{FillGaps: c.fill})
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		s := p.Series[0]
		if len(p.Series) != c.series || s.Freq.String() != c.freq || len(s.Y) != c.steps || s.Y[0] != c.first {
			t.Errorf("%s: %d series of %d steps, frequency %q, first %v; want %d, %d, %q, %v; notes %q",
				c.file, len(p.Series), len(s.Y), s.Freq, s.Y[0], c.series, c.steps, c.freq, c.first, p.Notes)
		}
		if g := p.Groups(); len(g) != 1 || len(g[0]) != c.series {
			t.Errorf("%s: groups %v, want one of all columns", c.file, g)
		}
		if last := s.Time(len(s.Y) - 1); c.freq != "" {
			col := tab.Columns[0]
			if !last.Equal(col.Times[len(col.Times)-1]) {
				t.Errorf("%s: last stamp %v, want %v", c.file, last, col.Times[len(col.Times)-1])
			}
		}
	}
}

func TestFromTableLayouts(t *testing.T) {
	for _, c := range []struct {
		name, csv string
		o         series.Options
		want      string // id freq start values, and what else matters
	}{
		{"bare numbers", "y\n1\n2\n3\n", series.Options{}, "y  [1 2 3]"},
		{"one series", "ds,y,price\n2020-01-01,1,7\n2020-01-02,2,8\n2020-01-03,3,9\n", series.Options{}, "y D 2020-01-01 [1 2 3]"},
		{"wide", "a,month,b\n1,2020-01,4\n2,2020-02,5\n3,2020-03,6\n", series.Options{}, "a MS 2020-01-01 [1 2 3] | b MS 2020-01-01 [4 5 6]"},
		{"long", "unique_id,ds,y\nB,2020-01-31,1\nA,2020-01-31,5\nB,2020-02-29,2\nA,2020-02-29,6\nB,2020-03-31,3\n", series.Options{}, "B ME 2020-01-31 [1 2 3] | A ME 2020-01-31 [5 6]"},
		{"long by another name", "when,shop,sales\n2020-01-01,x,1\n2020-01-01,z,3\n2020-01-02,x,2\n2020-01-02,z,4\n", series.Options{}, "x D 2020-01-01 [1 2] | z D 2020-01-01 [3 4]"},
		{"two id columns", "date,shop,item,n\n2020-01-01,x,p,1\n2020-01-01,x,q,3\n2020-01-01,z,p,5\n2020-01-02,x,p,2\n2020-01-02,x,q,4\n2020-01-02,z,p,6\n", series.Options{}, "x/p D 2020-01-01 [1 2] | x/q D 2020-01-01 [3 4] | z/p D 2020-01-01 [5 6]"},
		{"store and item numbers", "date,store,item,n\n2020-01-01,1,1,1\n2020-01-01,1,2,3\n2020-01-02,1,1,2\n2020-01-02,1,2,4\n2020-01-01,2,1,8\n2020-01-02,2,1,9\n", series.Options{}, "1/1 D 2020-01-01 [1 2] | 1/2 D 2020-01-01 [3 4] | 2/1 D 2020-01-01 [8 9]"},
		{"long of two targets", "id,ds,a,b\nA,2020-01-01,1,3\nC,2020-01-01,5,7\nA,2020-01-02,2,4\nC,2020-01-02,6,8\n", series.Options{}, "A/a D 2020-01-01 [1 2] | A/b D 2020-01-01 [3 4] | C/a D 2020-01-01 [5 6] | C/b D 2020-01-01 [7 8]"},
		{"years", "year,y\n1990,1\n1991,2\n1992,4\n", series.Options{}, "y YS-JAN 1990-01-01 [1 2 4]"},
		{"numbered times", "t,y\n10,1\n20,2\n40,4\n", series.Options{FillGaps: true}, "y  [1 2 NaN 4]"},
		{"unsorted", "ds,y\n2020-01-02,2\n2020-01-01,1\n2020-01-03,3\n", series.Options{}, "y D 2020-01-01 [1 2 3]"},
		{"gap", "ds,y\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n2020-01-01 02:00,3\n2020-01-01 04:00,5\n", series.Options{FillGaps: true}, "y h 2020-01-01 [1 2 3 NaN 5]"},
		{"row numbers", "Unnamed: 0,ds,v\n0,2020-01-01,1\n1,2020-01-02,2\n", series.Options{}, "v D 2020-01-01 [1 2]"},
		{"missing value", "ds,y\n2020-01-01,1\n2020-01-02,\n2020-01-03,3\n", series.Options{}, "y D 2020-01-01 [1 NaN 3]"},
		{"given frequency", "ds,y\n2020-01-01,1\n2020-01-03,3\n", series.Options{Freq: series.Freq{Unit: series.Day, N: 1}, FillGaps: true}, "y D 2020-01-01 [1 NaN 3]"},
		{"future covariates", "ds,y,promo,temp\n2020-01-01,1,0,5\n2020-01-02,2,1,6\n2020-01-03,,1,\n2020-01-04,,0,\n",
			series.Options{FutureCovariates: []string{"promo"}, PastCovariates: []string{"temp"}, Horizon: 2}, "y D 2020-01-01 [1 2] future promo [0 1 1 0] past temp [5 6]"},
		{"seconds since 1970", "timestamp,y\n1577836800,1\n1577840400,2\n1577844000,3\n", series.Options{}, "y h 2020-01-01 [1 2 3]"},
		{"milliseconds since 1970", "ts,y\n1577836800000,1\n1577923200000,2\n1578009600000,3\n", series.Options{}, "y D 2020-01-01 [1 2 3]"},
		{"large numbers of steps", "step,y\n500000000,1\n500000001,2\n", series.Options{}, "y  [1 2]"},
		{"days across daylight saving", "when,y\n2024-03-30 00:00:00+01:00,1\n2024-03-31 00:00:00+01:00,2\n2024-04-01 00:00:00+02:00,3\n2024-04-02 00:00:00+02:00,4\n", series.Options{}, "y D 2024-03-30 [1 2 3 4]"},
		{"hours across daylight saving", "when,y\n2024-03-31 00:00:00+01:00,1\n2024-03-31 01:00:00+01:00,2\n2024-03-31 03:00:00+02:00,3\n2024-03-31 04:00:00+02:00,4\n", series.Options{}, "y h 2024-03-31 [1 2 3 4]"},
		{"a row for each series, as R writes it", "V1,V2,V3,V4\nH1,1,2,3\nH2,4,,6\nH3,7,8,\n", series.Options{}, "H1  [1 2 3] | H2  [4 NaN 6] | H3  [7 8]"},
		{"columns without names that are no such table", "V1,V2,V3\n1,2,3\n4,5,6\n", series.Options{}, "V1  [1 4] | V2  [2 5] | V3  [3 6]"},
		{"rows to fill in", "ds,y\n2020-01-01,1\n2020-01-02,2\n2020-01-03,\n2020-01-04,\n", series.Options{}, "y D 2020-01-01 [1 2] asks for 2"},
		{"one of two ends early", "ds,a,b\n2020-01-01,1,5\n2020-01-02,2,\n2020-01-03,,\n", series.Options{}, "a D 2020-01-01 [1 2] asks for 1 | b D 2020-01-01 [5 NaN] asks for 1"},
		{"static", "unique_id,ds,y,region,size\nA,2020-01-01,1,n,3\nA,2020-01-02,2,n,3\n", series.Options{Static: []string{"region", "size"}}, "A D 2020-01-01 [1 2] static region n NaN static size 3 3"},
	} {
		p, err := series.FromTable(readCSV(t, c.csv), c.o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := describe(p); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s\nnotes %q", c.name, got, c.want, p.Notes)
		}
	}
}

func describe(p *series.Panel) string {
	var parts []string
	for _, s := range p.Series {
		d := s.ID + " " + s.Freq.String()
		if s.Freq.Unit != series.NoUnit {
			d += " " + s.Start.Format("2006-01-02")
		}
		d += fmt.Sprint(" ", s.Y)
		for _, c := range s.Future {
			d += fmt.Sprint(" future ", c.Name, " ", c.Values)
		}
		for _, c := range s.Past {
			d += fmt.Sprint(" past ", c.Name, " ", c.Values)
		}
		for _, a := range s.Static {
			d += fmt.Sprint(" static ", a.Name, " ", a.Text, " ", a.Value)
		}
		if s.Horizon > 0 {
			d += fmt.Sprint(" asks for ", s.Horizon)
		}
		parts = append(parts, d)
	}
	return strings.Join(parts, " | ")
}

func TestFromTableErrors(t *testing.T) {
	rows := func(n int, line func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(i))
		}
		return b.String()
	}
	day := func(i int) string { return time.Date(2020, 1, 1+i, 0, 0, 0, 0, time.UTC).Format("2006-01-02") }
	for _, c := range []struct {
		name, csv string
		o         series.Options
		want      string
	}{
		{"twice", "ds,y\n2016-08-03 03:00,1\n2016-08-03 04:00,2\n2016-08-03 04:00,2\n", series.Options{},
			"series: x.csv:4: 2016-08-03 04:00 appears twice (first at line 3); remove one or give --id-col"},
		{"twice in a series", "unique_id,ds,y\nA,2020-01-01,1\nB,2020-01-01,1\nA,2020-01-01,2\n", series.Options{},
			`series: x.csv:4: 2020-01-01 appears twice in series "A" (first at line 2)`},
		{"gap", "ds,y\n" + rows(3, func(i int) string { return day(i) + ",1\n" }) + "2020-01-06,1\n", series.Options{},
			"series: x.csv:5: 2 step(s) are missing before 2020-01-06 (after line 4); 2 in the whole series: add the rows or give --fill-gaps"},
		{"jitter", "ds,y\n2020-01-01 00:00,1\n2020-01-01 01:00,1\n2020-01-01 02:07,1\n2020-01-01 03:00,1\n", series.Options{},
			"series: x.csv:4: 2020-01-01 02:07 is 1h7m0s after line 3, where most distances are 1h0m0s"},
		{"wrong frequency", "ds,y\n2020-01-01,1\n2020-01-03,1\n2020-01-04,1\n", series.Options{Freq: series.Freq{Unit: series.Day, N: 2}},
			"series: x.csv:4: 2020-01-04 is not a whole number of steps of 2D after 2020-01-01 (line 2)"},
		{"nothing in a column", "ds,a,b\n2020-01-01,1,\n2020-01-02,2,\n", series.Options{}, `series: x.csv: column "b" has no value; remove it`},
		{"nothing in a series", "unique_id,ds,y\nA,2020-01-01,1\nB,2020-01-01,\nA,2020-01-02,1\nB,2020-01-02,\n", series.Options{}, `x.csv:3: series "B" has no value in column "y"`},
		{"text target", "ds,y\n2020-01-01,a\n2020-01-02,b\n", series.Options{Targets: []string{"y"}}, `series: x.csv:2: column "y": "a" is no number`},
		{"no numbers", "ds,s\n2020-01-01,a\n2020-01-02,b\n", series.Options{}, "no column of numbers to forecast; there are ds, s"},
		{"a row twice", "V1,V2,V3\nH1,1,2\nH1,4,6\n", series.Options{}, `x.csv:3: series "H1" appears twice (first at line 2)`},
		{"a row of nothing", "V1,V2,V3\nH1,1,2\nH2,,\n", series.Options{}, `x.csv:3: series "H2" has no value; remove its row`},
		{"money", "ds,shop,y\n2020-01-01,a,\"$1,234.50\"\n2020-01-02,a,$20\n", series.Options{}, `x.csv:2: no column of numbers to forecast; column "y" holds texts such as "$1,234.50": write plain numbers`},
		{"no such column", "ds,y\n2020-01-01,1\n", series.Options{Targets: []string{"z"}}, `no column "z" (target); there are ds, y`},
		{"two roles", "ds,y\n2020-01-01,1\n", series.Options{Targets: []string{"y"}, PastCovariates: []string{"y"}}, "asked for as target and as past covariate"},
		{"one stamp", "ds,y\n2020-01-01,1\n", series.Options{}, "fewer than two time stamps"},
		{"no time in a row", "ds,y\n2020-01-01,1\n,2\n2020-01-03,1\n", series.Options{}, `series: x.csv:3: no time in column "ds"`},
		{"future", "unique_id,ds,y,p\nA,2020-01-01,1,1\nA,2020-01-02,2,1\nA,2020-01-03,,\n", series.Options{FutureCovariates: []string{"p"}, Horizon: 3},
			`future covariates are missing for 3 rows of the next 3 steps: series "A" at 2020-01-03 (p); series "A" at 2020-01-04 (p); series "A" at 2020-01-05 (p); add these rows`},
		{"static changes", "unique_id,ds,y,r\nA,2020-01-01,1,n\nA,2020-01-02,2,s\n", series.Options{Static: []string{"r"}}, `x.csv:3: static column "r" changes`},
		{"time column of text", "ds,y\nmonday,1\ntuesday,2\n", series.Options{TimeCol: "ds"}, "not times"},
		{"long without ids", "ds,y\n2020-01-01,1\n2020-01-02,2\n", series.Options{Layout: series.Long}, "give --id-col"},
		{"gaps without end", "ds,y\n1970-01-01 00:00:00.000,1\n1970-01-01 00:00:00.001,1\n1970-01-01 00:00:00.002,1\n2200-01-01 00:00:00.000,1\n", series.Options{FillGaps: true}, "is the frequency"},
	} {
		_, err := series.FromTable(readCSV(t, c.csv), c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
	// A table that was read leniently, or made in memory, may still hold text among numbers.
	texts := table.Column{Name: "OT", Kind: table.String, Strings: []string{"1", "2", "oops", "4"}}
	spoiled, err := table.New(texts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := series.FromTable(spoiled, series.Options{}); err == nil || !strings.Contains(err.Error(), `table: row 3: column "OT": "oops" is no number`) {
		t.Errorf("text among numbers: %v", err)
	}
	_, err = series.FromTable(readCSV(t, "ds,y\n2020-01-01 00:00,1\n2020-01-01 01:00,1\n2020-01-01 02:07,1\n2020-01-01 03:00,1\n"), series.Options{})
	if !errors.Is(err, series.ErrIrregular) {
		t.Errorf("%v does not wrap ErrIrregular", err)
	}
}

// TestFromTableColumns holds that another order of the columns gives the same series in that order.
func TestFromTableColumns(t *testing.T) {
	tab, err := table.Open(filepath.Join(golden.Shared(t), "data", "ett", "ETTh1.csv"), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before, err := series.FromTable(tab, series.Options{})
	if err != nil {
		t.Fatal(err)
	}
	columns := slices.Clone(tab.Columns)
	slices.Reverse(columns)
	turned, err := table.New(columns...)
	if err != nil {
		t.Fatal(err)
	}
	after, err := series.FromTable(turned, series.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range before.Series {
		other := after.Series[len(after.Series)-1-i]
		if other.ID != s.ID || !slices.Equal(other.Y, s.Y) {
			t.Errorf("column %s differs after the columns were turned round", s.ID)
		}
	}
}

func TestCheckFutureNone(t *testing.T) {
	p := series.Panel{Series: []series.Series{{Y: []float64{1, math.NaN()}}}}
	if err := p.CheckFuture(5); err != nil {
		t.Error(err)
	}
}

// FuzzFromTable feeds whatever the table reader accepts: no panic, one-line errors that name the source, and series that
// keep their promises.
func FuzzFromTable(f *testing.F) {
	f.Add("ds,y,p\n2020-01-01,1,2\n2020-01-03,3,4\n", true, uint8(0), "")
	f.Add("unique_id,ds,y\nA,2020-01-31,1\nB,2020-02-29,\nA,2020-02-29,7\n", false, uint8(1), "ME")
	f.Add("year,a\n1990,1\n1992,x\n", true, uint8(2), "")
	f.Add("t,a\n-9223372036854775808,1\n9223372036854775807,2\n", true, uint8(0), "")
	f.Add("time,a\n0001-01-01,1\n9999-12-31,2\n", true, uint8(0), "ms")
	f.Fuzz(func(t *testing.T, text string, fill bool, layout uint8, freq string) {
		tab, err := table.Read(strings.NewReader(text), "x.csv", table.Options{MaxCells: 1 << 12})
		if err != nil || tab == nil {
			return
		}
		o := series.Options{FillGaps: fill, Layout: series.Layout(layout % 3)}
		o.Freq, _ = series.ParseFreq(freq)
		p, err := series.FromTable(tab, o)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "series: x.csv") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		if len(p.Series) == 0 {
			t.Error("no series and no error")
		}
		for _, s := range p.Series {
			if err := s.Validate(); err != nil {
				t.Error(err)
			}
			for i := range min(len(s.Y), 50) {
				if n, exact := s.Freq.Steps(s.Start, s.Time(i)); s.Freq.Unit != series.NoUnit && (n != i || !exact) {
					t.Errorf("%s: step %d of %v (%s) is counted as %d", s.ID, i, s.Start, s.Freq, n)
				}
			}
		}
	})
}
