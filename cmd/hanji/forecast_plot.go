package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/plot"
	"github.com/hanji-ml/hanji/series"
)

// termPanels is how many series the terminal shows: more would scroll away.
const termPanels = 4

// draw shows the series asked for, or the first ones: one fills the page, several share it.
func (o *forecastFlags) draw(w io.Writer, say func(string, ...any), p *series.Panel, r *forecast.Result) error {
	at, err := o.drawn(say, r)
	if err != nil {
		return err
	}
	pics := make([]plot.Panel, len(at))
	for i, k := range at {
		pics[i] = o.picture(p, r, k)
	}
	if len(pics) == 1 {
		return writePicture(w, o.plot, pics[0])
	}
	return writePicture(w, o.plot, plot.Grid{Title: filepath.Base(p.Name), Panels: pics})
}

// drawn are the positions of the series to draw; it says which, where there are more.
func (o *forecastFlags) drawn(say func(string, ...any), r *forecast.Result) ([]int, error) {
	most := plot.MaxPanels
	if o.plot == "term" {
		most = termPanels
	}
	if n := len(o.plotSeries); n > plot.MaxPanels {
		return nil, fmt.Errorf("--plot-series: %d series, a picture holds %d", n, plot.MaxPanels)
	}
	var at []int
	for _, id := range o.plotSeries {
		k := slices.IndexFunc(r.Series, func(s forecast.SeriesResult) bool { return s.ID == id })
		if k < 0 {
			return nil, fmt.Errorf("--plot-series: no series %q", id)
		}
		at = append(at, k)
	}
	if at != nil {
		return at, nil
	}
	for k := range min(most, len(r.Series)) {
		at = append(at, k)
	}
	if len(r.Series) > most {
		say("the picture shows the first %d of %d series, %s to %s; --plot-series chooses others", most, len(r.Series), r.Series[0].ID, r.Series[most-1].ID)
	}
	return at, nil
}

// picture is one series: the end of its history, mean and the central intervals.
func (o *forecastFlags) picture(p *series.Panel, r *forecast.Result, at int) plot.Forecast {
	s, past := &r.Series[at], &p.Series[at]
	title := s.ID
	if title == "" {
		title = p.Name
	}
	pic := plot.Forecast{Title: title, Subtitle: stepsText(len(s.Mean)) + " by " + s.Model,
		History: plot.Series{Value: past.Y}, Mean: plot.Series{Time: s.Time, Value: s.Mean}}
	if s.Time != nil {
		back := len(past.Y)
		pic.History.Time = past.Times(0, back)
		if o.job.Freq != (series.Freq{}) {
			for i := range pic.History.Time {
				pic.History.Time[i] = o.job.Freq.Next(past.Start, i)
			}
		}
	}
	for i, q := range r.Quantiles {
		for k, up := range r.Quantiles {
			if q < 0.5 && math.Abs(q+up-1) < 1e-9 {
				pic.Bands = append(pic.Bands, plot.Band{Level: up - q, Low: s.Quantiles[i], High: s.Quantiles[k]})
			}
		}
	}
	return pic
}
