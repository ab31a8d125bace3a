package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/forecast/embedded"
	"github.com/hanji-ml/hanji/internal/progress"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/plot"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/table"
)

// forecastFlags are the command's own, beside those that are fields of the packages' options.
type forecastFlags struct {
	job   forecast.Options
	table table.Options
	read  series.Options

	freq, layout, model string
	set                 []string
	backtest, asJSON    bool
	out, plot           string
	plotSeries          []string
}

func newForecastCmd(g *globals) *cobra.Command {
	o := new(forecastFlags)
	cmd := &cobra.Command{
		Use:   "forecast FILE|-",
		Short: "Forecast every series of a table",
		Long: `Reads series from a table (CSV, TSV, JSON lines, Parquet; long or wide) or a .tsf file, finds times, series and
frequency by itself, and writes the forecast as CSV: unique_id, ds, mean and a column q… for each quantile.

Without --model each series gets what its own past speaks for: a combination of classical methods, or one of them or the
built-in network where a backtest puts that clearly ahead. What was found and chosen is reported on standard error.`,
		Example: `  hanji forecast sales.csv
  hanji forecast sales.parquet --horizon 12 --nonneg -o forecast.parquet --plot forecast.png
  hanji forecast ETTh1.csv --target OT --model ttm/r2-512-96 --plot term
  hanji forecast sales.csv --backtest --windows 5`,
		Args: takes(1, 1, "a file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error { return oneLine(o.run(cmd, g, args[0])) },
	}
	f := cmd.Flags()
	f.IntVar(&o.job.Horizon, "horizon", 0, "steps ahead (default the file's, else as far as --future-covariates reach, else two seasons, at most a third of the series)")
	f.StringVar(&o.freq, "freq", "", "distance of the time stamps: h, D, W, MS, QE, 15min, … (default: found from the data)")
	f.IntVar(&o.job.Season, "season", 0, "steps in a season (default the frequency's: 24 for h, 7 for D, 12 for MS)")
	f.StringVar(&o.read.TimeCol, "time-col", "", "column of time stamps (default: found from the data)")
	f.StringVar(&o.read.IDCol, "id-col", "", "column that names the series of a long table (default: found from the data)")
	f.StringSliceVar(&o.read.Targets, "target", nil, "columns to forecast (default y, target or value, else every numeric one)")
	f.StringSliceVar(&o.read.PastCovariates, "past-covariates", nil, "columns known up to the last observation, for checkpoints that mix channels")
	f.StringSliceVar(&o.read.FutureCovariates, "future-covariates", nil, "columns known ahead: rows after the last target value hold their future")
	f.StringVar(&o.layout, "layout", "", "long (a row for each series and time) or wide (a column for each series) (default: found from the data)")
	f.StringVar(&o.table.TimeLayout, "time-format", "", "form of the times: %d/%m/%Y, 02.01.2006, unix, 2006Q1, … (default: found from the data)")
	f.BoolVar(&o.read.FillGaps, "fill-gaps", false, "add the steps that are missing between time stamps (default an error)")
	f.StringSliceVar(&o.table.Missing, "missing", nil, "more texts that mean no value, beside empty, NA, NaN and their like")
	f.StringVar(&o.job.Fill, "fill", "", "how missing values are filled: linear, forward, seasonal, zero or mean (default seasonal)")
	f.StringVar(&o.model, "model", "", "one of "+strings.Join(append(forecast.Models(), "embedded"), ", ")+", or a checkpoint folder or file (default auto)")
	f.StringArrayVar(&o.set, "set", nil, "override a key of the checkpoint's configuration, as stride=4 (repeatable)")
	f.Float64SliceVar(&o.job.Quantiles, "quantiles", nil, "`list` of quantiles to give (default 0.1,0.5,0.9)")
	f.Float64SliceVar(&o.job.Levels, "level", nil, "`list` of central intervals to give: 0.8 is the quantiles 0.1 and 0.9")
	f.BoolVar(&o.job.NonNeg, "nonneg", false, "no forecast below zero")
	f.IntVar(&o.job.History, "history", 0, "last steps that a classical method is fitted on (default 500, or ten seasons)")
	f.BoolVar(&o.backtest, "backtest", false, "measure the models on the past instead of forecasting")
	f.IntVar(&o.job.Backtest.Windows, "windows", 0, "origins of the backtest (default 3)")
	f.IntVar(&o.job.Backtest.Step, "step", 0, "steps between the origins of --backtest (default the horizon)")
	f.StringVarP(&o.out, "out", "o", "", "file to write: .csv, .tsv, .json, .jsonl or .parquet, .gz and .zst too (default CSV on standard output)")
	f.StringVar(&o.plot, "plot", "", "picture: term, or a file .png or .svg")
	f.StringArrayVar(&o.plotSeries, "plot-series", nil, "`id` of a series to draw, repeatable (default the first 12, on a terminal 4)")
	f.BoolVar(&o.asJSON, "json", false, "one JSON object on standard output, with models and reasons")
	for _, name := range []string{"quantiles", "level"} {
		f.Lookup(name).DefValue = "" // pflag would print []
	}
	return cmd
}

func (o *forecastFlags) run(cmd *cobra.Command, g *globals, file string) error {
	if err := o.resolve(cmd); err != nil {
		return err
	}
	p, err := o.open(cmd.InOrStdin(), file)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) {
		if !g.Quiet {
			fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
		}
	}
	bar := progress.New(cmd.ErrOrStderr(), progress.Auto(os.Stderr, progress.Options{Title: "forecast", Unit: "series", Total: len(p.Series), Quiet: g.Quiet || len(p.Series) < 50}))
	o.job.Progress = func(done, _ int) { bar.Set(done) }
	if o.backtest {
		r, err := forecast.Backtest(cmd.Context(), p, o.job)
		bar.Done()
		if err != nil {
			return err
		}
		for _, line := range append([]string{describePanel(p)}, r.Notes...) {
			say("%s", line)
		}
		return o.writeScores(cmd.OutOrStdout(), r)
	}
	r, err := forecast.Run(cmd.Context(), p, o.job)
	bar.Done()
	if err != nil {
		return err
	}
	for _, line := range append([]string{describePanel(p)}, explain(r)...) {
		say("%s", line)
	}
	return o.write(cmd, say, p, r)
}

// useEmbedded hands the built-in network to the job: as the model where it is asked for by name, else as one that auto
// may choose and --backtest measures.
func (o *forecastFlags) useEmbedded() error {
	if o.model != "" && o.model != forecast.Auto && o.model != "embedded" && !o.backtest {
		return nil
	}
	f, err := embedded.New()
	if err != nil {
		return err
	}
	if o.model == "embedded" {
		o.job.Forecaster = f
	} else {
		o.job.Embedded = f
	}
	return nil
}

// endings are those table.WriteFile knows: a wrong one is found before the work, not after.
var endings = regexp.MustCompile(`(?i)\.(csv|txt|tsv|json|jsonl|ndjson|parquet|pq)(\.gz|\.zst)?$`)

// oneLine makes a list of errors one line, as whoever reads logs expects.
func oneLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	return lineError{err}
}

type lineError struct{ error }

func (e lineError) Error() string { return strings.ReplaceAll(e.error.Error(), "\n", "; ") }
func (e lineError) Unwrap() error { return e.error }

// resolve turns texts into options and finds what contradicts itself, before any file is read. A model's name that is
// none of ours is a checkpoint.
func (o *forecastFlags) resolve(cmd *cobra.Command) error {
	var err error
	if o.freq != "" {
		if o.read.Freq, err = series.ParseFreq(o.freq); err != nil {
			return usagef("--freq: %w", err)
		}
		o.job.Freq = o.read.Freq
	}
	switch o.layout {
	case "":
	case "long":
		o.read.Layout = series.Long
	case "wide":
		o.read.Layout = series.Wide
	default:
		return usagef("--layout is %q, want long or wide", o.layout)
	}
	if (cmd.Flags().Changed("windows") || cmd.Flags().Changed("step")) && !o.backtest {
		return usagef("--windows and --step belong to --backtest")
	}
	if o.backtest && o.plot != "" {
		return usagef("--backtest makes no forecast to --plot")
	}
	if o.plot == "term" && o.out == "" {
		if o.asJSON {
			return usagef("--plot term and --json both want standard output; give one of them")
		}
	} else if o.plot != "" && o.plot != "term" {
		if _, err := plot.FormatOf(o.plot); err != nil {
			return usagef("--plot: %w", err)
		}
	}
	if o.out != "" && o.out != "-" && !endings.MatchString(o.out) {
		return usagef("-o %s: give a name that ends in .csv, .tsv, .json, .jsonl or .parquet, with .gz or .zst to compress", o.out)
	}
	for _, f := range []struct{ flag, file string }{{"-o", o.out}, {"--plot", o.plot}} {
		if dir := filepath.Dir(f.file); f.file != "" && dir != "." {
			if st, err := os.Stat(dir); err != nil || !st.IsDir() {
				return usagef("%s %s: there is no folder %s; make it first", f.flag, f.file, dir)
			}
		}
	}
	if o.out != "" && o.asJSON {
		return usagef("--json writes to standard output; give -o FILE.json or --json")
	}
	if err := o.useEmbedded(); err != nil {
		return err
	}
	named := slices.Contains(forecast.Models(), o.model) || o.model == ""
	if named {
		o.job.Model = o.model
	}
	if (named || o.model == "embedded") && len(o.set) > 0 {
		return usagef("--set changes the configuration of a checkpoint; give --model DIR or FILE")
	}
	if err := o.job.Validate(); err != nil {
		return &usageError{err}
	}
	if o.job.Model != "" || o.model == "" || o.job.Forecaster != nil {
		return nil
	}
	if _, err := os.Stat(o.model); errors.Is(err, os.ErrNotExist) {
		return usagef("--model %s: no such file or folder, and no model of that name; there are %s", o.model, strings.Join(append(forecast.Models(), "embedded"), ", "))
	}
	set, err := parseSet(o.set)
	if err != nil {
		return err
	}
	o.job.Forecaster, err = all.Open(o.model, set)
	return err
}

// open reads the series of a file: a .tsf, known by its content, or a table.
func (o *forecastFlags) open(stdin io.Reader, file string) (*series.Panel, error) {
	r, name := stdin, "standard input"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return nil, fmt.Errorf("%s: this is a directory; name a file in it", file)
		}
		head := make([]byte, headBytes)
		n, err := io.ReadFull(f, head)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return nil, err
		}
		if _, err := f.Seek(0, io.SeekStart); err == nil && !isTSF(opened(head[:n])) {
			return o.panel(f, file) // a plain file: Parquet is read in place
		} else if err == nil {
			return o.tsf(f, file)
		}
		r, name = io.MultiReader(bytes.NewReader(head[:n]), f), file // a pipe cannot be wound back
	}
	br := bufio.NewReaderSize(r, headBytes)
	if head, _ := br.Peek(headBytes); isTSF(opened(head)) {
		return o.tsf(br, name)
	}
	return o.panel(br, name)
}

// opened is the text that a head stands for, if it is compressed.
func opened(head []byte) []byte {
	if !bytes.HasPrefix(head, gzipMagic) {
		return head
	}
	z, err := gzip.NewReader(bytes.NewReader(head))
	if err != nil {
		return nil
	}
	plain := make([]byte, headBytes)
	n, _ := io.ReadFull(z, plain) // the head ends in the middle of the data
	return plain[:n]
}

var gzipMagic = []byte{0x1f, 0x8b}

const headBytes = 16 << 10 // a .tsf begins with some kilobytes of comment

func (o *forecastFlags) tsf(r io.Reader, name string) (*series.Panel, error) {
	br := bufio.NewReader(r)
	if head, _ := br.Peek(2); bytes.Equal(head, gzipMagic) {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		br = bufio.NewReader(z)
	}
	t, err := series.ReadTSF(br, name, series.TSFOptions{})
	if err != nil {
		return nil, err
	}
	p := &t.Panel
	if p.Name == "" {
		p.Name = name
	}
	// Series without a start have no dates, but the file's frequency still names their season.
	if f, err := series.ParseFreq(t.Frequency); err == nil && o.freq == "" {
		for i := range p.Series {
			if s := &p.Series[i]; s.Freq.Unit == series.NoUnit {
				s.Freq = f
			}
		}
	}
	if len(o.read.Targets) == 0 {
		return p, nil
	}
	var chosen []series.Series
	for _, id := range o.read.Targets {
		s := p.Find(id)
		if s == nil {
			return nil, fmt.Errorf("%s: no series %q", name, id)
		}
		chosen = append(chosen, *s)
	}
	p.Series = chosen
	return p, nil
}

func (o *forecastFlags) panel(r io.Reader, name string) (*series.Panel, error) {
	if o.table.Missing != nil {
		o.table.Missing = append(table.DefaultMissing(), o.table.Missing...)
	}
	t, err := table.Read(r, name, o.table)
	if err != nil {
		return nil, err
	}
	if o.read.TimeCol != "" && o.table.TimeLayout != "" {
		if err := t.Convert(o.read.TimeCol, table.Time, o.table); err != nil {
			return nil, err
		}
	}
	return series.FromTable(t, o.read)
}

// describePanel is one line: what was found.
func describePanel(p *series.Panel) string {
	shortest, longest, freq := math.MaxInt, 0, ""
	for i := range p.Series {
		shortest, longest = min(shortest, len(p.Series[i].Y)), max(longest, len(p.Series[i].Y))
		freq = p.Series[i].Freq.String()
	}
	steps := stepsText(longest)
	if shortest != longest {
		steps = fmt.Sprintf("%d to %d steps", shortest, longest)
	}
	if freq == "" {
		freq = "without dates"
	}
	line := fmt.Sprintf("%s: %d series of %s, %s", p.Name, len(p.Series), steps, freq)
	if len(p.Notes) > 0 {
		line += " (" + strings.Join(p.Notes, "; ") + ")"
	}
	return line
}

func stepsText(n int) string {
	if n == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}

// explain says in a line or two what was chosen and why: in full for one series, as counts for many.
func explain(r *forecast.Result) []string {
	lines := slices.Clone(r.Notes)
	count, notes := map[string]int{}, 0
	var names []string
	for i := range r.Series {
		s := &r.Series[i]
		if count[s.Model]++; count[s.Model] == 1 {
			names = append(names, s.Model)
		}
		if len(s.Notes) > 0 {
			if notes++; notes <= 3 {
				lines = append(lines, fmt.Sprintf("%s: %s", s.ID, strings.Join(s.Notes, "; ")))
			}
		}
	}
	if notes > 3 {
		lines = append(lines, fmt.Sprintf("… and missing values in %d more series (--json tells all)", notes-3))
	}
	if len(r.Series) == 1 {
		s := &r.Series[0]
		return append(lines, fmt.Sprintf("%s by %s: %s", stepsText(len(s.Mean)), s.Model, s.Why))
	}
	slices.SortStableFunc(names, func(a, b string) int { return count[b] - count[a] })
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = fmt.Sprintf("%d by %s", count[n], n)
	}
	return append(lines, "forecast "+strings.Join(parts, ", ")+"; for the reasons --json")
}

// write puts out the picture first: a letter that a font lacks must not leave half of what was asked for.
func (o *forecastFlags) write(cmd *cobra.Command, say func(string, ...any), p *series.Panel, r *forecast.Result) error {
	if o.plot != "" {
		if err := o.draw(cmd.OutOrStdout(), say, p, r); err != nil {
			return err
		}
	}
	switch {
	case o.asJSON:
		return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
	case o.out != "" && o.out != "-":
		return table.WriteFile(o.out, r.Table())
	case o.plot == "term": // the picture is the output
		return nil
	}
	return table.WriteCSV(cmd.OutOrStdout(), r.Table())
}

func (o *forecastFlags) writeScores(w io.Writer, r *forecast.BacktestResult) error {
	switch {
	case o.asJSON:
		return json.NewEncoder(w).Encode(r)
	case o.out != "" && o.out != "-":
		return table.WriteFile(o.out, r.Table())
	}
	_, err := io.WriteString(w, r.Text())
	return err
}
