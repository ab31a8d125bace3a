package series_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/series"
)

// TestTSFGolden compares with what gluonts' reader finds in the shared Monash files and in a toy text.
func TestTSFGolden(t *testing.T) {
	c := golden.Open(t, "forecasting", "plumbing_tsf")
	var files []struct {
		File, Frequency     string
		Horizon             *string
		Missing             bool
		EqualLength         bool `json:"equal_length"`
		Attributes          map[string]string
		Series, Values, NaN int
		MinLength           int `json:"min_length"`
		MaxLength           int `json:"max_length"`
		Sum                 float64
		Picked              []struct {
			Index, Length int
			Attributes    map[string]string
			First3, Last3 []float64
			Sum           float64
		}
	}
	c.Decode("files", &files)
	if len(files) == 0 {
		t.Fatal("the fixture holds no files")
	}
	for _, w := range files {
		got := readShared(t, w.File)
		if got.Frequency != w.Frequency || got.Missing != w.Missing || got.EqualLength != w.EqualLength || len(got.Attributes) != len(w.Attributes) {
			t.Errorf("%s: header %+v differs from %+v", w.File, got, w)
		}
		for _, a := range got.Attributes {
			if w.Attributes[a.Name] != a.Type {
				t.Errorf("%s: attribute %v, want %q", w.File, a, w.Attributes[a.Name])
			}
		}
		horizon := "0"
		if w.Horizon != nil {
			horizon = *w.Horizon
		}
		if fmt.Sprint(got.Horizon) != horizon {
			t.Errorf("%s: horizon %d, want %s", w.File, got.Horizon, horizon)
		}
		values, missing, least, most, sum := 0, 0, math.MaxInt, 0, 0.0
		for _, s := range got.Panel.Series {
			values, missing = values+len(s.Y), missing+s.Missing()
			least, most = min(least, len(s.Y)), max(most, len(s.Y))
			sum += pairwise(s.Y)
		}
		c.CheckValue(t, "files.series", len(got.Panel.Series), w.Series)
		c.CheckValue(t, "files.values", values, w.Values)
		c.CheckValue(t, "files.nan", missing, w.NaN)
		c.CheckValue(t, "files.min_length", least, w.MinLength)
		c.CheckValue(t, "files.max_length", most, w.MaxLength)
		near(t, w.File+" sum", sum, w.Sum)
		for _, p := range w.Picked {
			s := got.Panel.Series[p.Index]
			c.CheckValue(t, "files.picked.length", len(s.Y), p.Length)
			c.CheckValue(t, "files.picked.first3", s.Y[:3], p.First3)
			c.CheckValue(t, "files.picked.last3", s.Y[len(s.Y)-3:], p.Last3)
			near(t, s.ID+" sum", pairwise(s.Y), p.Sum)
			checkAttributes(t, s, p.Attributes)
		}
	}
	var toys []struct {
		Text       string
		Attributes []map[string]string
		Targets    [][]any
		Horizon    string `json:"horizon_as_read"`
	}
	c.Decode("toy", &toys)
	for _, w := range toys {
		got, err := series.ReadTSF(strings.NewReader(w.Text), "toy.tsf", series.TSFOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got.Horizon) != w.Horizon {
			t.Errorf("toy: horizon %d, want %s", got.Horizon, w.Horizon)
		}
		for i, s := range got.Panel.Series {
			checkAttributes(t, s, w.Attributes[i])
			for k, v := range s.Y {
				if want, ok := w.Targets[i][k].(float64); ok != !math.IsNaN(v) || ok && v != want {
					t.Errorf("toy: series %d value %d is %v, want %v", i, k, v, w.Targets[i][k])
				}
			}
		}
	}
}

func readShared(t *testing.T, file string) *series.TSF {
	t.Helper()
	f, err := os.Open(filepath.Join(golden.Shared(t), "data", "monash", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := series.ReadTSF(f, file, series.TSFOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func checkAttributes(t *testing.T, s series.Series, want map[string]string) {
	t.Helper()
	for name, v := range want {
		got := s.ID
		switch name {
		case "horizon":
			got = fmt.Sprint(s.Horizon)
		case "start_timestamp":
			got = s.Start.Format(goldenStamp)
		}
		if got != v {
			t.Errorf("series %q: attribute %s is %q, want %q", s.ID, name, got, v)
		}
	}
}

// pairwise adds the defined values the way numpy does, in halves.
func pairwise(v []float64) float64 {
	if len(v) > 8 {
		return pairwise(v[:len(v)/2]) + pairwise(v[len(v)/2:])
	}
	s := 0.0
	for _, x := range v {
		if !math.IsNaN(x) {
			s += x
		}
	}
	return s
}

// near compares sums: numpy adds in another order, so the last digits may differ though every value is exact.
func near(t *testing.T, name string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-13*math.Abs(want) {
		t.Errorf("%s: got %.17g, want %.17g", name, got, want)
	}
}

const tinyTSF = "@relation toy\n@attribute series_name string\n@attribute start_timestamp date\n@frequency monthly\n@data\n"

func TestTSFErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "no @data line"},
		{"not tsf", "a,b\n1,2\n", `x.tsf:1: "a,b" before @data`},
		{"nothing after @data", tinyTSF, "no series after @data"},
		{"fields", tinyTSF + "A:1,2\n", "x.tsf:6: 2 fields between colons"},
		{"too many fields", tinyTSF + "A:2020-01-01 00-00-00:1:2\n", "x.tsf:6: 4 fields"},
		{"date", tinyTSF + "A:2020-13-01 00-00-00:1\n", "is no date"},
		{"text value", tinyTSF + "A:2020-01-01 00-00-00:1,two\n", `series "A": value 2: "two" is no finite number`},
		{"infinite value", tinyTSF + "A:2020-01-01 00-00-00:inf\n", "no finite number"},
		{"empty value", tinyTSF + "A:2020-01-01 00-00-00:1,,2\n", "value 2"},
		{"all missing", tinyTSF + "A:2020-01-01 00-00-00:?,?\n", "every value is missing"},
		{"twice", tinyTSF + "A:2020-01-01 00-00-00:1\nA:2020-01-01 00-00-00:1\n", "x.tsf:7: series \"A\" appears twice (first at line 6)"},
		{"type", "@attribute a integer\n", `has type "integer"`},
		{"tag", "@season 3\n", "unknown tag"},
		{"horizon", "@horizon -3\n", "horizon"},
		{"frequency", "@frequency fortnightly\n", "x.tsf:1: series: frequency"},
		{"bool", "@missing perhaps\n", "want true or false"},
	} {
		_, err := series.ReadTSF(strings.NewReader(c.text), "x.tsf", series.TSFOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	if _, err := series.ReadTSF(strings.NewReader(tinyTSF), "x.tsf", series.TSFOptions{MaxBytes: 10}); err == nil || !strings.Contains(err.Error(), "larger than 10 bytes") {
		t.Errorf("a file past the limit: error %v", err)
	}
}

func TestTSFText(t *testing.T) {
	text := "\ufeff# caf\xe9 \x80\n@relation toy\n@attribute region string\n@attribute size numeric\n@attribute town string\n@frequency weekly\n@data\nS\xe3o Paulo:2.5:\x80uro:1,?,3\r\n"
	got, err := series.ReadTSF(strings.NewReader(text), "x.tsf", series.TSFOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := got.Panel.Series[0]
	if s.ID != "São Paulo" || s.Static[0].Value != 2.5 || s.Static[1].Text != "€uro" || s.Freq != (series.Freq{}) || len(s.Y) != 3 {
		t.Errorf("read %+v", s)
	}
}

func FuzzTSF(f *testing.F) {
	f.Add([]byte(tinyTSF + "A:2020-01-01 00-00-00:1,?,3\n"))
	f.Add([]byte("# c\n@relation a\n@attribute series_name string\n@attribute horizon numeric\n@horizon 4\n@missing true\n@data\nT1:12:1e3,-2\n"))
	f.Add([]byte("@data\n1\n\xff:\x80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := series.ReadTSF(strings.NewReader(string(b)), "x.tsf", series.TSFOptions{})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "series: x.tsf") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		for _, s := range got.Panel.Series {
			if err := s.Validate(); err != nil {
				t.Error(err)
			}
			s.Time(len(s.Y))
		}
	})
}
