package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/internal/progress"
	"github.com/hanji-ml/hanji/internal/tfevent"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/table"
	"github.com/hanji-ml/hanji/train"
)

type trainFlags struct {
	out            string
	resume, dryRun bool
	asJSON         bool
	set            []string
}

func newTrainCmd(g *globals) *cobra.Command {
	var o trainFlags
	cmd := &cobra.Command{
		Use:   "train RECIPE.yaml --out DIR",
		Short: "Train a model by a recipe",
		Long: `Trains a forecaster or a language model by a recipe: model, data, optimiser, schedule. The model of the best validation ends
in DIR/model, in the layout that eval, forecast, chat and the reference implementation read.

A run is a function of the recipe alone: the same seed gives the same bits on any number of threads. After an
interruption of any kind --resume goes on from the last checkpoint, with the same outcome as if nothing had happened.

$NAME in a recipe's paths is an environment variable; HANJI_SHARED, the folder of data sets and checkpoints, is ../shared
where it is not set and that exists.`,
		Example: `  hanji train recipes/patchtst-etth1-96.yaml --out runs/etth1 --set train.seed=2022
  hanji train recipes/patchtst-etth1-96.yaml --out runs/etth1 --resume
  hanji train recipes/ttm-finetune.yaml --out runs/ttm --dry-run
  hanji train recipes/llama-tiny.yaml --out runs/llama`,
		Args: takes(1, 1, "RECIPE.yaml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := readRecipe(args[0], o.set)
			if err != nil {
				return err
			}
			if o.out == "" && !o.dryRun {
				return usagef("train needs --out, the folder for checkpoints and the model")
			}
			log := &trainLog{w: cmd.ErrOrStderr(), quiet: g.Quiet, out: o.out}
			defer log.close()
			var head struct {
				Task string `yaml:"task"`
			}
			if err := yaml.Load(b, &head); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			switch head.Task {
			case "", "forecast":
				return trainForecast(cmd, args[0], b, o, log)
			case "language":
				return trainLanguage(cmd, args[0], b, o, log)
			}
			return fmt.Errorf("%s: task is %q, want forecast (as without the key) or language", args[0], head.Task)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "", "folder for checkpoints and the trained model")
	f.BoolVar(&o.resume, "resume", false, "go on from the checkpoint in --out")
	f.BoolVar(&o.dryRun, "dry-run", false, "measure two steps, say what the run would take, train nothing")
	f.StringArrayVar(&o.set, "set", nil, "override a value of the recipe, as train.seed=2022 (repeatable)")
	f.BoolVar(&o.asJSON, "json", false, "the outcome as one JSON object")
	return cmd
}

// trainForecast trains a forecaster.
func trainForecast(cmd *cobra.Command, path string, recipe []byte, o trainFlags, log *trainLog) error {
	var r forecast.Recipe
	if err := decodeRecipe(path, recipe, &r); err != nil {
		return err
	}
	ro := forecast.RunOptions{Out: o.out, Resume: o.resume, Log: log.event, Load: loadMatrix}
	if o.dryRun {
		ro.DryRun = func(stage string, e train.Estimate) { printEstimate(cmd.OutOrStdout(), stage, e) }
	}
	res, err := r.Run(cmd.Context(), all.Families{}, ro)
	if err != nil || o.dryRun {
		return err
	}
	if o.asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(res)
	}
	if res.Test == nil { // synthetic data, and short files, have no test part
		last := res.Stages[len(res.Stages)-1]
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d steps; best validation %.6f in epoch %d\n", last.Steps, last.Best, last.BestEpoch+1)
		return err
	}
	text := fmt.Sprintf("test: mse %.6f mae %.6f (%d windows)", res.Test.MSE, res.Test.MAE, res.Test.Windows)
	if res.Drop != nil {
		text += fmt.Sprintf("; drop-last 128: mse %.6f mae %.6f", res.Drop.MSE, res.Drop.MAE)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

func printEstimate(w io.Writer, stage string, e train.Estimate) {
	fmt.Fprintf(w, "%s: %d steps of %v: about %v; %d trained parameters, about %s of memory\n", stage, e.Steps,
		e.StepTime.Round(10*time.Microsecond), e.Time.Round(time.Second), e.Parameters, size(e.Bytes))
}

// readRecipe reads a recipe's text, with values set over it.
func readRecipe(path string, set []string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(set) > 0 {
		if b, err = overrideYAML(b, set); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return b, err
}

// decodeRecipe is strict: a key that does not exist is an error with its line.
func decodeRecipe(path string, b []byte, r any) error {
	if err := yaml.Load(b, r, yaml.WithKnownFields()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// overrideYAML sets dotted paths: train.seed=2022, model.config.d_model=32.
func overrideYAML(b []byte, set []string) ([]byte, error) {
	var doc map[string]any
	if err := yaml.Load(b, &doc); err != nil {
		return nil, err
	}
	pairs, err := parseSet(set)
	if err != nil {
		return nil, err
	}
	for path, text := range pairs {
		var v any
		if err := yaml.Load([]byte(text), &v); err != nil {
			return nil, usagef("--set %s=%s: %v", path, text, err)
		}
		at := doc
		keys := strings.Split(path, ".")
		for _, k := range keys[:len(keys)-1] {
			next, ok := at[k].(map[string]any)
			if !ok {
				if at[k] != nil {
					return nil, usagef("--set %s: %s is not a group of values", path, k)
				}
				next = map[string]any{}
				at[k] = next
			}
			at = next
		}
		at[keys[len(keys)-1]] = v
	}
	return yaml.Dump(doc)
}

func loadMatrix(path string) (*forecast.Matrix, error) {
	if path == "" {
		return nil, errors.New("the recipe names no data; give --set data.file=FILE")
	}
	t, err := table.Open(path, table.Options{})
	if err != nil {
		return nil, err
	}
	return forecast.FromTable(t, path)
}

// trainLog shows a run: progress and validations on w, and the same numbers as TensorBoard events in out/events.
type trainLog struct {
	w        io.Writer
	quiet    bool
	out      string
	stage    string
	more     []progress.Field // shown with each step
	measured string           // said of a validation in place of its loss
	bar      *progress.Bar
	events   *tfevent.Writer
}

func (l *trainLog) event(stage string, e train.Event) {
	if stage != l.stage || l.bar == nil {
		l.begin(stage, e)
	}
	switch e.Kind {
	case "step":
		l.bar.Set(e.Step, append([]progress.Field{{Name: "epoch", Value: strconv.Itoa(e.Epoch + 1)}, {Name: "loss", Value: fmt.Sprintf("%.4f", e.Loss)},
			{Name: "lr", Value: fmt.Sprintf("%.3g", e.LR)}}, l.more...)...)
		l.scalar(e.Step, "train/loss", e.Loss)
		l.scalar(e.Step, "train/lr", e.LR)
		if e.GradNorm > 0 {
			l.scalar(e.Step, "train/grad_norm", e.GradNorm)
		}
	case "validation":
		mark := ""
		if e.Best {
			mark = " (best)"
		}
		what := fmt.Sprintf("validation %.6f", e.Loss)
		if l.measured != "" {
			what = l.measured
		}
		l.bar.Log("%s: epoch %d %s%s", stage, e.Epoch+1, what, mark)
		l.scalar(e.Step, "validation/loss", e.Loss)
	case "resumed":
		l.bar.Log("%s: resumed at step %d from %s", stage, e.Step, e.Checkpoint)
	case "done":
		l.close()
	}
}

// begin opens a stage's progress and events. A run whose events cannot be written goes on without.
func (l *trainLog) begin(stage string, e train.Event) {
	l.close()
	l.stage = stage
	o := progress.Options{Title: stage, Total: e.Total, Start: e.Step - e.StepsHere, Quiet: l.quiet}
	if f, ok := l.w.(*os.File); ok {
		o = progress.Auto(f, o)
	}
	l.bar = progress.New(l.w, o)
	if l.out == "" {
		return
	}
	var eo tfevent.Options
	if o.Start > 0 {
		eo.Resume = int64(o.Start + 1)
	}
	events, err := tfevent.Create(filepath.Join(l.out, "events", stage), eo)
	if err != nil {
		l.bar.Log("%s: no TensorBoard events: %v", stage, err)
		return
	}
	l.events = events
}

func (l *trainLog) scalar(step int, name string, v float64) {
	if l.events == nil {
		return
	}
	if err := l.events.Scalar(int64(step), name, v); err != nil {
		l.bar.Log("%s: no more TensorBoard events: %v", l.stage, err)
		l.events = nil
	}
}

func (l *trainLog) close() {
	if l.bar != nil {
		l.bar.Done()
	}
	if l.events != nil {
		l.events.Close()
	}
	l.bar, l.events = nil, nil
}
