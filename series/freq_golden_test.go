package series_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/series"
)

const goldenStamp = "2006-01-02 15:04:05"

func stamp(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(goldenStamp, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestFrequenciesGolden compares seasonality, lags, features and periods of 20 frequency strings with gluonts and pandas.
func TestFrequenciesGolden(t *testing.T) {
	c := golden.Open(t, "forecasting", "plumbing_frequencies")
	var cases []struct {
		Freq         string
		Seasonality  int
		Lags         []int
		TimeFeatures []string `json:"time_features"`
		Index        []struct {
			From        string
			PeriodStart []string `json:"period_start"`
			Features    [][]float64
			Error       string
		}
	}
	c.Decode("frequencies", &cases)
	if len(cases) == 0 {
		t.Fatal("the fixture holds no frequencies")
	}
	for _, w := range cases {
		f, err := series.ParseFreq(w.Freq)
		if err != nil {
			t.Error(err)
			continue
		}
		if f.String() != w.Freq {
			t.Errorf("%s is written %s", w.Freq, f)
		}
		c.CheckValue(t, "frequencies.seasonality", f.Seasonality(), w.Seasonality)
		c.CheckValue(t, "frequencies.lags", f.Lags(), w.Lags)
		var names []string
		for _, feature := range f.TimeFeatures() {
			names = append(names, feature.String())
		}
		if !slices.Equal(names, w.TimeFeatures) {
			t.Errorf("%s: features %v, want %v", f, names, w.TimeFeatures)
		}
		for _, x := range w.Index {
			if x.Error != "" {
				t.Fatalf("%s from %s: the fixture holds an error: %s", w.Freq, x.From, x.Error)
			}
			start := f.PeriodStart(stamp(t, x.From))
			for i, want := range x.PeriodStart {
				if got := f.PeriodStart(f.Next(start, i)).Format(goldenStamp); got != want {
					t.Errorf("%s from %s: period %d starts %s, want %s", w.Freq, x.From, i, got, want)
				}
			}
			for k, row := range f.TimeFeatureValues(start, len(x.PeriodStart)) {
				c.CheckValue(t, "frequencies.index.features", row, x.Features[k])
			}
		}
	}
}

// TestTimeFeaturesGolden compares single features at the edges of the calendar.
func TestTimeFeaturesGolden(t *testing.T) {
	c := golden.Open(t, "forecasting", "plumbing_frequencies")
	var w struct {
		Timestamps []string
		Rows       []struct {
			Feature string
			Value   []float64
			Index   []int `json:"index_value"`
		}
	}
	c.Decode("single_features", &w)
	if len(w.Rows) == 0 || len(w.Timestamps) == 0 {
		t.Fatal("the fixture holds no features")
	}
	for _, row := range w.Rows {
		f, err := series.ParseTimeFeature(row.Feature)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range w.Timestamps {
			at := stamp(t, strings.TrimSpace(s))
			c.CheckValue(t, "single_features.rows.value", f.Value(at), row.Value[i])
			c.CheckValue(t, "single_features.rows.index_value", f.Index(at), row.Index[i])
		}
	}
}
