package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/plot"
)

// maxCategories is how many categories of a split are shown: max_category_values of LightGBM's create_tree_digraph.
const maxCategories = 10

// picture is a tree of the model with its nodes labelled.
func (o *boostPlotFlags) picture(m *gbdt.Model, name string) (plot.Tree, error) {
	root, err := m.Tree(o.tree)
	if err != nil {
		return plot.Tree{}, err
	}
	l := treeLabels{boostPlotFlags: o, names: m.FeatureNames(), total: root.Count}
	t := plot.Tree{Title: fmt.Sprintf("%s, tree %d of %d", filepath.Base(name), o.tree, m.NumTrees()),
		Root: l.node(root), Depth: o.depth, Vertical: o.orientation == "vertical"}
	var words []string
	if m.Objective() != "" {
		words = append(words, m.Objective())
	}
	if k := m.NumTrees() / max(1, m.NumIterations()); k > 1 {
		words = append(words, fmt.Sprintf("class %d", o.tree%k))
	}
	words = append(words, fmt.Sprintf("%d leaves", l.leaves))
	if root.Count >= 0 {
		words = append(words, fmt.Sprintf("%d rows", root.Count))
	}
	t.Subtitle = strings.Join(words, ", ")
	return t, nil
}

// treeLabels writes what nodes show.
type treeLabels struct {
	*boostPlotFlags
	names  []string
	total  int // rows of the tree
	leaves int // met so far
}

func (l *treeLabels) node(n *gbdt.Node) *plot.TreeNode {
	if n.Left == nil {
		l.leaves++
		label := append([]string{fmt.Sprintf("leaf %d: %s", n.Index, l.output(n))}, l.info(n, "leaf_")...)
		return &plot.TreeNode{Label: label, Value: n.Value}
	}
	var label []string
	if slices.Contains(l.showInfo, "split_gain") && !math.IsNaN(n.Gain) {
		label = append(label, "gain "+l.number(n.Gain))
	}
	if slices.Contains(l.showInfo, "internal_value") && !math.IsNaN(n.Value) {
		label = append(label, "value "+l.number(n.Value))
	}
	label = append([]string{l.condition(n)}, append(label, l.info(n, "internal_")...)...)
	return &plot.TreeNode{Label: label, Yes: l.node(n.Left), No: l.node(n.Right)}
}

// info are the lines that splits and leaves have both.
func (l *treeLabels) info(n *gbdt.Node, kind string) (lines []string) {
	if slices.Contains(l.showInfo, kind+"weight") && !math.IsNaN(n.Weight) {
		lines = append(lines, "weight "+l.number(n.Weight))
	}
	if slices.Contains(l.showInfo, kind+"count") && n.Count >= 0 {
		lines = append(lines, fmt.Sprintf("count %d", n.Count))
	}
	if slices.Contains(l.showInfo, "data_percentage") && n.Count >= 0 && l.total > 0 {
		lines = append(lines, fmt.Sprintf("%.2f %% of data", 100*float64(n.Count)/float64(l.total)))
	}
	return lines
}

// condition is what a row must meet to go left, missing values included. NaN meets no comparison, so that only going left
// has to be said of it.
func (l *treeLabels) condition(n *gbdt.Node) string {
	name := l.names[n.Feature]
	if n.Categories != nil {
		words := make([]string, 0, maxCategories+1)
		for i, c := range n.Categories {
			if i == maxCategories && len(n.Categories) > maxCategories+1 {
				words = append(words, fmt.Sprintf("… %d more", len(n.Categories)-i))
				break
			}
			words = append(words, strconv.Itoa(c))
		}
		return fmt.Sprintf("%s in {%s}", name, strings.Join(words, ", "))
	}
	text := name + " ≤ " + l.number(n.Threshold)
	switch {
	case n.MissingType == "NaN" && n.DefaultLeft:
		text += " or NaN"
	case n.MissingType == "Zero" && n.DefaultLeft:
		text += " or zero or NaN"
	case n.MissingType == "Zero":
		text += ", not zero"
	}
	return text
}

// output is a leaf's value or its linear model.
func (l *treeLabels) output(n *gbdt.Node) string {
	if n.Linear == nil {
		return l.number(n.Value)
	}
	text := l.number(n.Linear.Const)
	for i, f := range n.Linear.Features {
		sign := "+"
		if n.Linear.Coeff[i] < 0 {
			sign = "−"
		}
		text += fmt.Sprintf(" %s %s·%s", sign, l.number(math.Abs(n.Linear.Coeff[i])), l.names[f])
	}
	return text
}

// number rounds to the decimals asked for, but leaves nothing as zero that is not.
func (l *treeLabels) number(v float64) string {
	s := strconv.FormatFloat(v, 'f', l.precision, 64)
	if v != 0 && math.Abs(v) < 0.5*math.Pow10(-l.precision) || math.Abs(v) >= 1e15 {
		s = strconv.FormatFloat(v, 'g', max(1, l.precision), 64)
	}
	return s
}
