package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/internal/progress"
)

func newBoostCmd(g *globals) *cobra.Command {
	var picture string
	cmd := &cobra.Command{
		Use:   "boost config=FILE [KEY=VALUE...]",
		Short: "Train gradient boosted trees, and predict with them, as the lightgbm command does",
		Long: `Takes the place of the lightgbm command: the same configuration files, parameters and aliases, data files with their
side files (.weight, .init, .query, .position), model files and predictions.

task=train (default) writes output_model, task=predict output_result (data=- reads standard input, output_result=- writes
to standard output), task=refit moves the leaf values of input_model towards other data, task=convert_model writes
input_model as Go source, or with convert_model_language=cpp as C++, task=save_binary writes data and valid, binned, to
FILE.bin, to be given as data and valid later. A parameter that LightGBM does not know is warned of; one that it knows and
hanji does not support (device_type, tree_learner other than the default) is an error. Messages and metrics go to standard
error in LightGBM's form. Files appear whole or not at all.`,
		Example: `  hanji boost config=train.conf
  hanji boost config=train.conf num_trees=500 early_stopping=20 output_model=long.txt
  hanji boost task=train objective=binary data=train.csv header=true label=name:y valid=test.csv metric=auc
  hanji boost task=predict data=test.csv header=true input_model=LightGBM_model.txt output_result=predictions.txt
  hanji boost plot LightGBM_model.txt`,
		Args: takes(1, math.MaxInt, "config=FILE or KEY=VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			defer debug.SetGCPercent(debug.SetGCPercent(loadGCPercent))
			log := &boostLog{w: cmd.ErrOrStderr(), quiet: g.Quiet}
			o, err := readBoostOptions(args, log)
			if err != nil {
				return err
			}
			if o.NumThreads > 0 && g.Threads == 0 {
				par.SetThreads(o.NumThreads)
			}
			if err := checkCurve(picture, &o); err != nil {
				return err
			}
			log.info("Finished loading parameters")
			switch o.Task {
			case "train", "training", "":
				h, err := boostTrain(cmd.Context(), o, log)
				if err != nil || picture == "" {
					return err
				}
				return drawCurve(cmd.OutOrStdout(), picture, h, log)
			case "predict", "prediction", "test":
				return boostPredict(cmd, o, log)
			case "refit", "refit_tree":
				return boostRefit(cmd.Context(), o, log)
			case "convert_model":
				return boostConvert(o, log)
			case "save_binary":
				return boostSaveBinary(cmd.Context(), o, log)
			}
			return usagef("task=%s is not known; there are train, predict, refit, convert_model and save_binary", o.Task)
		},
	}
	cmd.Flags().StringVar(&picture, "plot", "", "picture of the metrics over the iterations of a training: term, or a file .png or .svg")
	cmd.AddCommand(newBoostPlotCmd(g))
	return cmd
}

// readBoostOptions reads parameters as Application::LoadParameters: those of the command line come before those of the
// file, so that they win, but a parameter's main name wins over an alias wherever it stands.
func readBoostOptions(args []string, log *boostLog) (gbdt.Options, error) {
	o := gbdt.DefaultOptions()
	var unknown []string
	config := ""
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		key, value = strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"'`)
		if !ok || key == "" {
			return o, usagef("%q is no KEY=VALUE", arg)
		}
		if key == "config" || key == "config_file" {
			if config == "" {
				config = value
			}
			continue
		}
		var bad *gbdt.UnknownParameterError
		switch err := o.Set(key, value); {
		case errors.As(err, &bad):
			unknown = append(unknown, bad.Name)
		case err != nil:
			return o, usagef("%w", err)
		}
	}
	if config != "" {
		more, err := o.OpenConfig(config)
		if err != nil {
			return o, err
		}
		unknown = append(unknown, more...)
	}
	log.verbosity = o.Verbosity
	for _, name := range unknown {
		log.warn("Unknown parameter: %s", name)
	}
	for _, line := range o.Ignored() {
		log.warn("%s", line)
	}
	return o, checkBoostOptions(&o)
}

// checkBoostOptions holds the parameters that are about files against the task.
func checkBoostOptions(o *gbdt.Options) error {
	convert := o.Task == "convert_model"
	switch {
	case o.Data == "" && !convert:
		return usagef("no data; give data=FILE, or config=FILE with it")
	case o.InputModel == "" && (isPredict(o.Task) || convert || strings.HasPrefix(o.Task, "refit")):
		return usagef("task=%s needs input_model=FILE", o.Task)
	}
	if err := resolveConvert(o); convert || err != nil {
		return err
	}
	switch {
	case isPredict(o.Task) && o.OutputResult == "-":
		return nil
	case isPredict(o.Task):
		return checkPlace("output_result", o.OutputResult)
	case o.Task == "save_binary":
		return nil
	}
	if o.Checkpoint != "" {
		if err := checkPlace("checkpoint", o.Checkpoint); err != nil {
			return err
		}
	}
	return checkPlace("output_model", o.OutputModel)
}

func isPredict(task string) bool { return task == "predict" || task == "prediction" || task == "test" }

// checkPlace finds out before hours of work that a file cannot be written.
func checkPlace(key, file string) error {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return usagef("%s=%s is a folder, want a file", key, file)
	}
	if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
		return usagef("%s=%s: there is no folder %s", key, file, filepath.Dir(file))
	}
	return nil
}

// boostLog writes messages in the form of LightGBM's own (Log::Write), so that what reads those reads these; on a
// terminal a line of progress stands below them.
type boostLog struct {
	w         io.Writer
	quiet     bool
	verbosity int
	bar       *progress.Bar // nil where w is no terminal
}

func (l *boostLog) info(format string, args ...any) { l.write(1, "Info", format, args...) }
func (l *boostLog) warn(format string, args ...any) { l.write(0, "Warning", format, args...) }

func (l *boostLog) write(level int, name, format string, args ...any) {
	if l.quiet || l.verbosity < level {
		return
	}
	line := fmt.Sprintf("[LightGBM] [%s] %s", name, fmt.Sprintf(format, args...))
	if l.bar != nil {
		l.bar.Log("%s", line)
		return
	}
	fmt.Fprintln(l.w, line)
}

// begin shows progress from here on, on a terminal; the log says enough elsewhere.
func (l *boostLog) begin(title, unit string, total int) {
	f, ok := l.w.(*os.File)
	if !ok {
		return
	}
	o := progress.Auto(f, progress.Options{Title: title, Unit: unit, Total: total, Quiet: l.quiet || l.verbosity < 1})
	if o.Terminal {
		l.bar = progress.New(l.w, o)
	}
}

func (l *boostLog) end() {
	if l.bar != nil {
		l.bar.Done()
		l.bar = nil
	}
}

// since is the seconds from t on, as LightGBM writes them.
func since(t time.Time) string { return fmt.Sprintf("%f", time.Since(t).Seconds()) }

// loadGCPercent is for reading data, which are few large arrays without pointers: collecting often costs next to nothing and saves
// a third of the memory.
const loadGCPercent = 20

// trainGCPercent is for training on what has been loaded: the heap may grow by about 16 MB between collections, which are many
// trees, however much or little it holds.
func trainGCPercent() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(min(max(100*(16<<20)/max(m.HeapAlloc, 1), 5), 100))
}
