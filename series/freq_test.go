package series_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/series"
)

func mustFreq(t testing.TB, s string) series.Freq {
	t.Helper()
	f, err := series.ParseFreq(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseFreq(t *testing.T) {
	for in, want := range map[string]string{
		"h": "h", "H": "h", "24H": "24h", "T": "min", "15T": "15min", "0.5h": "30min", "0.5D": "12h", "S": "s", "d": "D", "B": "B",
		"W": "W-SUN", "W-SUN": "W-SUN", "2W-wed": "2W-WED", "M": "M", "ME": "ME", "MS": "MS", "3M": "3M",
		"Q": "Q-DEC", "QE": "QE-DEC", "QS": "QS-JAN", "QS-OCT": "QS-OCT", "Q-MAR": "Q-MAR", "Y": "Y-DEC", "A-JUN": "Y-JUN", "AS": "YS-JAN", "YE": "YE-DEC",
		"4_seconds": "4s", "minutely": "min", "10_minutes": "10min", "15_minutes": "15min", "half_hourly": "30min", "hourly": "h",
		"daily": "D", "weekly": "W-SUN", "monthly": "M", "quarterly": "Q-DEC", "yearly": "Y-DEC", " 30 min ": "30min", "100ms": "100ms", "Days": "D",
	} {
		f, err := series.ParseFreq(in)
		if err != nil || f.String() != want {
			t.Errorf("%q is read as %q, %v; want %q", in, f, err, want)
		}
	}
	for _, in := range []string{"", "x", "0h", "-1h", "1.5M", "0.3ms", "h-SUN", "W-XYZ", "Q-SUN", "9999999h", "1e3h", "1..5h", "W-", "fortnight"} {
		if f, err := series.ParseFreq(in); err == nil {
			t.Errorf("%q is read as %q; want an error", in, f)
		}
	}
}

func TestNextCalendar(t *testing.T) {
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Skip("no time zone database")
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zone database")
	}
	const form = "2006-01-02 15:04 MST"
	for _, c := range []struct {
		freq, from string
		zone       *time.Location
		n          int
		want       string
	}{
		{"ME", "2020-01-31 00:00", time.UTC, 1, "2020-02-29 00:00 UTC"},
		{"ME", "2019-01-31 00:00", time.UTC, 1, "2019-02-28 00:00 UTC"},
		{"M", "2020-02-29 00:00", time.UTC, 1, "2020-03-31 00:00 UTC"}, // a last day stays the last
		{"M", "2020-01-30 00:00", time.UTC, 1, "2020-02-29 00:00 UTC"}, // held within the month
		{"M", "2020-01-15 08:00", time.UTC, -13, "2018-12-15 08:00 UTC"},
		{"QE-DEC", "2019-12-31 00:00", time.UTC, 3, "2020-09-30 00:00 UTC"},
		{"Y", "2020-02-29 00:00", time.UTC, 1, "2021-02-28 00:00 UTC"},
		{"YS", "2020-01-01 00:00", time.UTC, -20, "2000-01-01 00:00 UTC"},
		{"B", "2020-01-03 09:00", time.UTC, 1, "2020-01-06 09:00 UTC"},
		{"B", "2020-01-06 09:00", time.UTC, -1, "2020-01-03 09:00 UTC"},
		{"B", "2020-01-04 00:00", time.UTC, 1, "2020-01-06 00:00 UTC"}, // from a Saturday
		{"B", "2020-01-05 00:00", time.UTC, -1, "2020-01-03 00:00 UTC"},
		{"B", "2020-01-01 00:00", time.UTC, 261, "2020-12-31 00:00 UTC"},
		{"W-SUN", "2020-02-23 00:00", time.UTC, 1, "2020-03-01 00:00 UTC"},
		{"D", "2021-03-27 12:00", berlin, 1, "2021-03-28 12:00 CEST"}, // 23 hours later
		{"h", "2021-03-28 01:00", berlin, 1, "2021-03-28 03:00 CEST"}, // an hour of time
		{"24h", "2021-03-27 12:00", berlin, 1, "2021-03-28 13:00 CEST"},
		{"h", "2021-10-31 01:00", berlin, 1, "2021-10-31 02:00 CEST"}, // the same hour on the clock twice
		{"h", "2021-10-31 01:00", berlin, 2, "2021-10-31 02:00 CET"},
		{"D", "2021-12-31 23:00", seoul, 1, "2022-01-01 23:00 KST"},
		{"h", "2020-01-01 00:00", time.UTC, 24 * 365 * 300, "2319-10-21 00:00 UTC"}, // beyond time.Duration
	} {
		from, err := time.ParseInLocation("2006-01-02 15:04", c.from, c.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := mustFreq(t, c.freq).Next(from, c.n).Format(form); got != c.want {
			t.Errorf("%s %+d steps of %s: %s, want %s", c.from, c.n, c.freq, got, c.want)
		}
	}
}

var everyFreq = []string{"ms", "250ms", "s", "7s", "min", "15min", "h", "6h", "D", "3D", "B", "2B", "W-SUN", "2W-WED", "M", "ME", "MS", "5MS",
	"Q", "QE-DEC", "QS-OCT", "Y", "YE-JUN", "YS-JAN", "2YS-JAN"}

// stands gives a stamp that lies on the frequency's own grid.
func stands(f series.Freq, t time.Time) time.Time {
	if f.Side == series.End {
		return f.PeriodEnd(t)
	}
	return f.PeriodStart(t)
}

// TestStepsInvertNext: Steps counts what Next stepped, and stamps between two steps are not exact.
func TestStepsInvertNext(t *testing.T) {
	zones := []*time.Location{time.UTC}
	if berlin, err := time.LoadLocation("Europe/Berlin"); err == nil {
		zones = append(zones, berlin)
	}
	for _, name := range everyFreq {
		f := mustFreq(t, name)
		for _, zone := range zones {
			for _, at := range []time.Time{
				time.Date(2019, 12, 28, 22, 13, 7, 5e6, zone), time.Date(2020, 2, 29, 0, 0, 0, 0, zone),
				time.Date(1900, 1, 1, 1, 0, 0, 0, zone), time.Date(2021, 3, 28, 12, 0, 0, 0, zone),
			} {
				start := stands(f, at)
				for _, n := range []int{0, 1, 2, 5, 59, 1000, -1, -7, -400} {
					end := f.Next(start, n)
					if got, exact := f.Steps(start, end); got != n || !exact {
						t.Errorf("%s: %v is %d steps (exact %v) from %v, want %d", f, end, got, exact, start, n)
					}
					if got, exact := f.Steps(start, end.Add(time.Microsecond)); got != n || exact {
						t.Errorf("%s: a microsecond past %d steps from %v is %d steps, exact %v", f, n, start, got, exact)
					}
				}
				if a, b := f.Next(f.Next(start, 3), 4), f.Next(start, 7); !a.Equal(b) {
					t.Errorf("%s: 3 and 4 steps from %v are %v, 7 steps %v", f, start, a, b)
				}
			}
		}
	}
}

// TestInferGenerated: the frequency of generated stamps is found again, with gaps too.
func TestInferGenerated(t *testing.T) {
	for _, name := range everyFreq {
		f := mustFreq(t, name)
		start := stands(f, time.Date(2019, 12, 28, 22, 13, 7, 5e6, time.UTC))
		var stamps, gaps []time.Time
		for i := range 40 {
			at := f.Next(start, i)
			stamps = append(stamps, at)
			if i%7 != 3 {
				gaps = append(gaps, at)
			}
		}
		for _, list := range [][]time.Time{stamps, gaps} {
			got, err := series.InferFreq(list)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			same := got.Unit == f.Unit && got.N == f.N
			if f.Side != series.AnySide {
				same = same && got.Side == f.Side
			}
			if name == "2B" { // every second business day, seen from outside, is days with gaps
				same = got.Unit == series.Day || got.Unit == series.BusinessDay
			}
			if !same {
				t.Errorf("%s (%d stamps) is found as %s", name, len(list), got)
			}
			for i, at := range list {
				if _, exact := got.Steps(list[0], at); !exact {
					t.Errorf("%s found as %s: stamp %d (%v) is off its grid", name, got, i, at)
				}
			}
		}
	}
}

func TestInferErrors(t *testing.T) {
	day := func(d int, rest time.Duration) time.Time {
		return time.Date(2020, 1, d, 0, 0, 0, 0, time.UTC).Add(rest)
	}
	for _, stamps := range [][]time.Time{nil, {day(1, 0)}, {day(2, 0), day(1, 0)}, {day(1, 0), day(1, 0)}} {
		if f, err := series.InferFreq(stamps); err == nil {
			t.Errorf("%v gives %s", stamps, f)
		}
	}
	for name, stamps := range map[string][]time.Time{
		"jitter":             {day(1, 0), day(1, time.Hour), day(1, 2*time.Hour+7*time.Minute), day(1, 3*time.Hour)},
		"below milliseconds": {day(1, 0), day(1, 1), day(1, 2)},
		"a week and a day":   {day(1, 0), day(8, 0), day(15, 0), day(23, 0), day(30, 0)},
	} {
		if f, err := series.InferFreq(stamps); !errors.Is(err, series.ErrIrregular) {
			t.Errorf("%s: found %s, %v; want ErrIrregular", name, f, err)
		}
	}
}

func TestMonashSeasonality(t *testing.T) {
	for name, want := range map[string][]float64{ // forecasting.md §2.7
		"minutely": {1440, 10080, 525960}, "half_hourly": {48, 336, 17532}, "hourly": {24, 168, 8766}, "daily": {7},
		"weekly": {365.25 / 7}, "monthly": {12}, "quarterly": {4}, "yearly": {1}, "10_minutes": {144, 1008, 52596},
	} {
		if got := mustFreq(t, name).MonashSeasonality(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]int{"D": 7, "h": 24, "W": 52, "MS": 12, "B": 5, "Y": 1, "2D": 4, "13MS": 1} {
		if got := mustFreq(t, name).Season(); got != want {
			t.Errorf("season of %s is %d, want %d", name, got, want)
		}
	}
	if s := (series.Freq{}).Season(); s != 1 {
		t.Errorf("numbered steps have season %d", s)
	}
}

func FuzzFreq(f *testing.F) {
	for _, s := range append(everyFreq, "0.5h", "half_hourly", "4_seconds", "-1", "1e9W-SUN", "\xff") {
		f.Add(s, int64(1577570000), 5)
	}
	f.Fuzz(func(t *testing.T, s string, unix int64, n int) {
		freq, err := series.ParseFreq(s)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "series: frequency ") {
				t.Errorf("error %q", err)
			}
			return
		}
		again, err := series.ParseFreq(freq.String())
		if err != nil || again != freq {
			t.Fatalf("%q is %#v, written %s, read again as %#v, %v", s, freq, freq, again, err)
		}
		start := stands(freq, time.Unix(unix%(1<<37), 0).UTC())
		n %= 10_000
		if got, exact := freq.Steps(start, freq.Next(start, n)); got != n || !exact {
			t.Errorf("%s: %d steps from %v are counted as %d, exact %v", freq, n, start, got, exact)
		}
		freq.Lags()
		freq.TimeFeatureValues(start, 3)
	})
}
