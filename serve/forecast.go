package serve

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/table"
)

// Bounds of one forecast: the work grows with series and horizon.
const (
	maxForecastSeries  = 1000
	maxForecastHorizon = 2000
	maxForecastCells   = 4 << 20
	maxForecasts       = 4   // at once: each takes all cores
	shownHistory       = 200 // last steps that are sent back, for pictures
)

// forecastNames are the query's parameters.
var forecastNames = []string{"horizon", "season", "freq", "model", "time_col", "id_col", "target", "quantiles", "nonneg"}

// forecastQuery reads them.
func forecastQuery(v url.Values) (forecast.Options, series.Options, *fault) {
	var job forecast.Options
	var read series.Options
	var c checker
	for name, values := range v {
		if !slices.Contains(forecastNames, name) {
			return job, read, &fault{http.StatusBadRequest, clip(name), "unknown_parameter", "unknown parameter: " + clip(name) + "; there are " + strings.Join(forecastNames, ", ")}
		}
		if len(values) > 1 {
			c.bad(name, "%s is given twice", name)
		}
	}
	number := func(name string, most int) int {
		text := v.Get(name)
		if text == "" {
			return 0
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most {
			c.bad(name, "%s is %q, want 1 to %d", name, clip(text), most)
		}
		return n
	}
	job.Horizon, job.Season = number("horizon", maxForecastHorizon), number("season", 100_000)
	if text := v.Get("freq"); text != "" {
		f, err := series.ParseFreq(text)
		if err != nil {
			c.bad("freq", "%v", err)
		}
		job.Freq, read.Freq = f, f
	}
	if job.Model = v.Get("model"); job.Model != "" && !slices.Contains(forecast.Models(), job.Model) {
		c.bad("model", "model is %q, want one of %v", clip(job.Model), forecast.Models())
	}
	read.TimeCol, read.IDCol = v.Get("time_col"), v.Get("id_col")
	if text := v.Get("target"); text != "" {
		read.Targets = strings.Split(text, ",")
	}
	if text := v.Get("quantiles"); text != "" {
		for part := range strings.SplitSeq(text, ",") {
			q, err := strconv.ParseFloat(part, 64)
			if err != nil || len(job.Quantiles) == 20 {
				c.bad("quantiles", "quantiles is %q, want up to 20 numbers between 0 and 1 with commas", clip(text))
				break
			}
			job.Quantiles = append(job.Quantiles, q)
		}
	}
	if text := v.Get("nonneg"); text != "" {
		yes, err := strconv.ParseBool(text)
		if err != nil {
			c.bad("nonneg", "nonneg is %q, want true or false", clip(text))
		}
		job.NonNeg = yes
	}
	if err := job.Validate(); err != nil {
		c.bad("", "%v", err)
	}
	return job, read, c.f
}

// past is the end of a series, as the forecast is drawn beside it.
type past struct {
	ID string     `json:"unique_id"`
	DS any        `json:"ds"`
	Y  []*float64 `json:"y"` // null where nothing was observed
}

// forecast reads a table (CSV, TSV, JSON lines, Parquet, compressed or not) and answers with its forecast.
func (s *Server) forecast(w http.ResponseWriter, r *http.Request) *fault {
	job, read, f := forecastQuery(r.URL.Query())
	if f != nil {
		return f
	}
	b, f := s.read(w, r)
	if f != nil {
		return f
	}
	bad := func(err error) *fault {
		return faultf(http.StatusBadRequest, "invalid_table", "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	t, err := table.Read(bytes.NewReader(b), "the table", table.Options{MaxBytes: 8 * s.o.MaxBody, MaxCells: maxForecastCells})
	if err != nil {
		return bad(err)
	}
	p, err := series.FromTable(t, read)
	if err != nil {
		return bad(err)
	}
	if len(p.Series) > maxForecastSeries {
		return faultf(http.StatusRequestEntityTooLarge, "request_too_large", "%d series, at most %d", len(p.Series), maxForecastSeries)
	}
	select {
	case s.forecasts <- struct{}{}:
		defer func() { <-s.forecasts }()
	default:
		return faultf(http.StatusTooManyRequests, "rate_limit_exceeded", "%d forecasts are under way, which is this server's limit; try again", maxForecasts)
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.o.AnswerTime, errTimeLimit)
	defer cancel()
	job.Embedded = s.o.Forecaster
	result, err := forecast.Run(ctx, p, job)
	if err != nil {
		if ctx.Err() != nil {
			return s.failure(r, nil, false, context.Cause(ctx))
		}
		return bad(err)
	}
	history := make([]past, len(p.Series))
	for i := range p.Series {
		history[i] = lastSteps(&p.Series[i])
	}
	writeJSON(w, http.StatusOK, struct {
		Notes    []string         `json:"notes"`
		Forecast *forecast.Result `json:"forecast"`
		History  []past           `json:"history"`
	}{append([]string{}, p.Notes...), result, history})
	return nil
}

func lastSteps(s *series.Series) past {
	n := min(len(s.Y), shownHistory)
	from := len(s.Y) - n
	p := past{ID: s.ID, Y: make([]*float64, n)}
	for i := range n {
		if v := s.Y[from+i]; v-v == 0 {
			p.Y[i] = &v
		}
	}
	if s.Freq.Unit != series.NoUnit && !s.Start.IsZero() {
		stamps := make([]string, n)
		for i, at := range s.Times(from, n) {
			stamps[i] = at.Format(time.RFC3339Nano)
		}
		p.DS = stamps
	} else {
		steps := make([]int, n)
		for i := range steps {
			steps[i] = from + i + 1
		}
		p.DS = steps
	}
	return p
}
