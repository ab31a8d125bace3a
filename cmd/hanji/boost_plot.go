package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/plot"
)

// termDepth is how many levels of a tree the terminal shows by default: 63 lines at most.
const termDepth = 5

// showInfo are the words of LightGBM's show_info.
var showInfo = []string{"split_gain", "internal_value", "internal_weight", "internal_count", "leaf_weight", "leaf_count", "data_percentage"}

type boostPlotFlags struct {
	out, importance, orientation string
	tree, depth, precision, top  int
	showInfo, metric             []string
}

func newBoostPlotCmd(g *globals) *cobra.Command {
	o := new(boostPlotFlags)
	cmd := &cobra.Command{
		Use:   "plot MODEL|LOG|-",
		Short: "Draw a tree, the importance of features, or the metrics of a training",
		Long: `Draws a tree of a LightGBM model; with --importance what its features are worth; or, from what hanji boost or lightgbm
wrote while training, the metrics over the iterations. Model and log are told by their content.

Text goes to standard output; -o FILE draws a picture (.png, .svg), a tree also in Graphviz's language (.dot, .gv). In a
tree a row goes to yes where it meets the condition.`,
		Example: `  hanji boost plot LightGBM_model.txt --tree 3 -o tree.svg
  hanji boost plot LightGBM_model.txt --importance gain --top 10
  hanji boost plot train.log --metric auc -o curve.png`,
		Args: takes(1, 1, "a model or the log of a training, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error { return oneLine(o.run(cmd, g, args[0])) },
	}
	f := cmd.Flags()
	f.IntVar(&o.tree, "tree", 0, "number of the tree, from 0; a model of K classes has K an iteration")
	f.IntVar(&o.depth, "depth", 0, fmt.Sprintf("levels of splits to draw, 0 for all (default as many as a picture holds, as text %d)", termDepth))
	f.StringSliceVar(&o.showInfo, "show-info", []string{"split_gain", "internal_count", "leaf_count"}, "`list` of what nodes show, or none: "+strings.Join(showInfo, ", "))
	f.IntVar(&o.precision, "precision", 3, "decimals of the numbers in a tree")
	f.StringVar(&o.orientation, "orientation", "horizontal", "horizontal: the root at the left; vertical: on top")
	f.StringVar(&o.importance, "importance", "", "importance of the features instead of a tree: split (number of splits) or gain (their total gain)")
	f.IntVar(&o.top, "top", 20, "features to show, 0 for all that are used")
	f.StringArrayVar(&o.metric, "metric", nil, "metric of a log to draw, repeatable (default all)")
	f.StringVarP(&o.out, "out", "o", "", "file to write: .png, .svg, of a tree also .dot and .gv (default text on standard output)")
	return cmd
}

// flags that belong to what is drawn.
var plotFlags = map[string][]string{
	"a tree":           {"tree", "depth", "show-info", "precision", "orientation"},
	"the importance":   {"importance", "top"},
	"a training's log": {"metric"},
}

// only refuses flags that belong to something else than what is drawn.
func (o *boostPlotFlags) only(cmd *cobra.Command, what string) error {
	for other, names := range plotFlags {
		for _, name := range names {
			if other != what && cmd.Flags().Changed(name) {
				return usagef("--%s belongs to %s; this draws %s", name, other, what)
			}
		}
	}
	return nil
}

// check finds values that cannot be, before a file is read.
func (o *boostPlotFlags) check(cmd *cobra.Command) error {
	switch {
	case !slices.Contains([]string{"", "split", "gain"}, o.importance):
		return usagef("--importance is %q, want split or gain", o.importance)
	case o.orientation != "horizontal" && o.orientation != "vertical":
		return usagef("--orientation is %q, want horizontal or vertical", o.orientation)
	case o.precision < 0 || o.precision > 17:
		return usagef("--precision is %d, want 0 to 17", o.precision)
	case o.depth < 0 || o.top < 0:
		return usagef("--depth and --top are 0 or more")
	}
	if slices.Equal(o.showInfo, []string{"none"}) {
		o.showInfo = nil
	}
	for _, name := range o.showInfo {
		if !slices.Contains(showInfo, name) {
			return usagef("--show-info: %q is not known; there are %s, or none", name, strings.Join(showInfo, ", "))
		}
	}
	if o.out == "" {
		o.out = "term"
		if !cmd.Flags().Changed("depth") {
			o.depth = termDepth
		}
		return nil
	}
	if _, err := plot.FormatOf(o.out); err != nil && !isDOT(o.out) {
		return usagef("--out %s: a picture's name ends in .png or .svg, or of a tree in .dot or .gv", o.out)
	}
	return checkPlace("--out", o.out)
}

func isDOT(file string) bool {
	return slices.Contains([]string{".dot", ".gv"}, strings.ToLower(filepath.Ext(file)))
}

func (o *boostPlotFlags) run(cmd *cobra.Command, g *globals, file string) error {
	if err := o.check(cmd); err != nil {
		return err
	}
	in, name := cmd.InOrStdin(), "standard input"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in, name = f, file
	}
	say := func(format string, args ...any) {
		if !g.Quiet {
			fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
		}
	}
	r := bufio.NewReader(in)
	head, err := r.Peek(len("tree\r\n"))
	if err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !bytes.HasPrefix(head, []byte("tree\n")) && !bytes.HasPrefix(head, []byte("tree\r\n")) {
		h, err := gbdt.ReadLog(r)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(h) == 0 {
			return fmt.Errorf("%s: this is no LightGBM model, nor the log of a training with lines such as \"Iteration:1, valid_1 auc : 0.7\"", name)
		}
		return o.curves(cmd, say, name, h)
	}
	m, err := gbdt.ReadText(r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if o.importance != "" {
		return o.bars(cmd, say, name, m)
	}
	return o.drawTree(cmd, name, m)
}

func (o *boostPlotFlags) drawTree(cmd *cobra.Command, name string, m *gbdt.Model) error {
	if err := o.only(cmd, "a tree"); err != nil {
		return err
	}
	t, err := o.picture(m, name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if isDOT(o.out) {
		return atomicfile.Write(o.out, t.DOT)
	}
	return writePicture(cmd.OutOrStdout(), o.out, t)
}

// bars draws the importance as LightGBM's plot_importance: features that no split uses are left out.
func (o *boostPlotFlags) bars(cmd *cobra.Command, say func(string, ...any), name string, m *gbdt.Model) error {
	if err := o.only(cmd, "the importance"); err != nil {
		return err
	}
	kind, x := gbdt.ImportanceSplit, "number of splits"
	if o.importance == "gain" {
		kind, x = gbdt.ImportanceGain, "total gain of splits"
	}
	type feature struct {
		name  string
		value float64
	}
	var list []feature
	names := m.FeatureNames()
	for i, v := range m.Importance(kind) {
		if v > 0 {
			list = append(list, feature{names[i], v})
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: no tree has a split, no feature is important", name)
	}
	slices.SortStableFunc(list, func(a, b feature) int { return cmp.Compare(b.value, a.value) })
	if n := len(list); o.top > 0 && n > o.top {
		say("the picture shows the first %d of %d features; --top 0 shows all", o.top, n)
		list = list[:o.top]
	}
	b := plot.Bars{Title: "Feature importance", Subtitle: filepath.Base(name), X: x}
	for _, f := range list {
		b.Names, b.Values = append(b.Names, f.name), append(b.Values, f.value)
	}
	return o.write(cmd, b)
}

func (o *boostPlotFlags) curves(cmd *cobra.Command, say func(string, ...any), name string, h gbdt.History) error {
	if err := o.only(cmd, "a training's log"); err != nil {
		return err
	}
	most := plot.MaxPanels
	if o.out == "term" {
		most = termPanels
	}
	d, err := metricPicture(h, o.metric, filepath.Base(name), most, say)
	if err != nil {
		return err
	}
	return o.write(cmd, d)
}

// write draws what Graphviz cannot.
func (o *boostPlotFlags) write(cmd *cobra.Command, d drawing) error {
	if isDOT(o.out) {
		return usagef("--out %s: only a tree can be written for Graphviz; give a name that ends in .png or .svg", o.out)
	}
	return writePicture(cmd.OutOrStdout(), o.out, d)
}

// metricPicture shows metrics over iterations as LightGBM's plot_metric, a panel for each of those asked for, or of the first
// ones.
func metricPicture(h gbdt.History, metrics []string, subtitle string, most int, say func(string, ...any)) (drawing, error) {
	var all []string
	for _, c := range h {
		if !slices.Contains(all, c.Metric) {
			all = append(all, c.Metric)
		}
	}
	for _, name := range metrics {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("--metric: no %q; there are %s", name, strings.Join(all, ", "))
		}
	}
	if len(metrics) == 0 {
		metrics = all
	}
	if n := len(metrics); n > most {
		say("the picture shows the first %d of %d metrics; --metric chooses others", most, n)
		metrics = metrics[:most]
	}
	const title = "Metric during training"
	var panels []plot.Panel
	for _, name := range metrics {
		p := plot.Curves{Title: name, X: "Iterations"}
		for _, c := range h {
			if c.Metric != name {
				continue
			}
			x := make([]float64, len(c.Iteration))
			for i, n := range c.Iteration {
				x[i] = float64(n)
			}
			p.Lines = append(p.Lines, plot.Line{Name: c.Set, X: x, Y: c.Value})
		}
		panels = append(panels, p)
	}
	if len(panels) == 1 {
		p := panels[0].(plot.Curves)
		p.Title, p.Subtitle, p.Y = title, subtitle, p.Title
		return p, nil
	}
	return plot.Grid{Title: title, Subtitle: subtitle, Panels: panels}, nil
}

// checkCurve holds --plot of a training against its parameters.
func checkCurve(file string, o *gbdt.Options) error {
	switch {
	case file == "":
		return nil
	case !slices.Contains([]string{"", "train", "training"}, o.Task):
		return usagef("--plot draws the metrics of a training; task=%s is none", o.Task)
	case len(o.Valid) == 0 && !o.IsProvideTrainingMetric:
		return usagef("--plot has no metric to draw; give valid=FILE or is_provide_training_metric=true")
	case file == "term":
		return nil
	}
	if _, err := plot.FormatOf(file); err != nil {
		return usagef("--plot: %w", err)
	}
	return checkPlace("--plot", file)
}

// drawCurve draws the metrics of a training that is done.
func drawCurve(w io.Writer, file string, h gbdt.History, log *boostLog) error {
	if len(h) == 0 {
		log.warn("No metric was evaluated, there is no picture")
		return nil
	}
	most := plot.MaxPanels
	if file == "term" {
		most = termPanels
	}
	d, err := metricPicture(h, nil, "", most, log.info)
	if err != nil {
		return err
	}
	return writePicture(w, file, d)
}
