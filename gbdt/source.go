package gbdt

import (
	"bufio"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// dialect is what Go and C++ write differently in a tree.
type dialect struct {
	before, after string // around a condition
	end           string // of a statement
	nan, inf      string
	isNaN         string                                  // function
	set           func(t *tree, tree int, c int32) string // arguments that name a set of categories
}

// sourceWriter writes trees as nested conditions; errors wait until Flush.
type sourceWriter struct {
	*bufio.Writer
	*dialect
}

// body writes the statements of a tree's function, whose argument is x.
func (s sourceWriter) body(t *tree, index int) {
	if t.numLeaves == 1 {
		s.leaf(t, 0, "\t")
		return
	}
	b := treeSource{s, t, index, make([]uint8, t.numLeaves-1)}
	b.nest(0)
	b.node(0, "\t")
}

// treeSource is a tree while it is written. Compilers bound how deep blocks nest (MSVC 128, clang 256), so of a split's sides
// that goes into the block which itself nests less: the logarithm of the leaves then bounds all.
type treeSource struct {
	sourceWriter
	t       *tree
	index   int
	nesting []uint8 // of blocks, for each split
}

func (b treeSource) nest(i int32) uint8 {
	if i < 0 {
		return 0
	}
	l, r := b.nest(b.t.left[i]), b.nest(b.t.right[i])
	b.nesting[i] = max(min(l, r)+1, max(l, r))
	return b.nesting[i]
}

func (b treeSource) depth(i int32) uint8 {
	if i < 0 {
		return 0
	}
	return b.nesting[i]
}

// node writes split i, or the leaf ^i. What is in a block returns, so that the other side follows at the same depth.
func (b treeSource) node(i int32, indent string) {
	for i >= 0 {
		in, next, condition := b.t.left[i], b.t.right[i], b.condition(i)
		if b.depth(in) > b.depth(next) {
			in, next, condition = next, in, negate(condition)
		}
		fmt.Fprintf(b, "%s%s%s%s {\n", indent, b.before, condition, b.after)
		b.node(in, indent+"\t")
		b.WriteString(indent + "}\n")
		i = next
	}
	b.leaf(b.t, ^i, indent)
}

// leaf writes what tree.output does. Sums are taken from the left in both languages.
func (s sourceWriter) leaf(t *tree, leaf int32, indent string) {
	value := s.number(t.leafValue[leaf])
	if t.linear {
		sum, tests := s.number(t.leafConst[leaf]), []string{}
		for i, f := range t.leafFeatures[leaf] {
			sum += fmt.Sprintf(" + %s*x[%d]", s.number(t.leafCoeff[leaf][i]), f)
			tests = append(tests, fmt.Sprintf("%s(x[%d])", s.isNaN, f))
		}
		if len(tests) > 0 {
			fmt.Fprintf(s, "%s%s%s%s {\n%s\treturn %s%s\n%s}\n", indent, s.before, strings.Join(tests, " || "), s.after, indent, value, s.end, indent)
		}
		value = sum
	}
	fmt.Fprintf(s, "%sreturn %s%s\n", indent, value, s.end)
}

// condition is when a row goes left (Tree::Decision). Comparisons with NaN are false, which says where it goes. Where it
// begins with "!(" that is around all of it.
func (b treeSource) condition(i int32) string {
	x := fmt.Sprintf("x[%d]", b.t.splitFeature[i])
	if b.t.decisionType[i]&decisionCategorical != 0 {
		return fmt.Sprintf("in(%s, %s)", x, b.set(b.t, b.index, int32(b.t.threshold[i])))
	}
	limit, left := b.t.threshold[i], b.t.decisionType[i]&decisionDefaultLeft != 0
	switch m := b.t.missing(i); {
	case m == missingZero && left:
		return fmt.Sprintf("missing(%s) || %s <= %s", x, x, b.number(limit))
	case m == missingZero:
		return fmt.Sprintf("!missing(%s) && %s <= %s", x, x, b.number(limit))
	case m == missingNaN && left || m != missingNaN && limit >= 0: // NaN stands for zero where nothing is missing
		return fmt.Sprintf("!(%s > %s)", x, b.number(limit))
	}
	return fmt.Sprintf("%s <= %s", x, b.number(limit))
}

// negate takes off the "not" that is around all of a condition, or puts one there.
func negate(condition string) string {
	if inner, ok := strings.CutPrefix(condition, "!("); ok {
		return strings.TrimSuffix(inner, ")")
	}
	return "!(" + condition + ")"
}

// number writes v so that a compiler reads the same one.
func (d *dialect) number(v float64) string {
	switch {
	case v != v:
		return d.nan
	case math.IsInf(v, 1):
		return d.inf
	case math.IsInf(v, -1):
		return "-" + d.inf
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
