package gbdt

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hanji-ml/hanji/internal/atomicfile"
)

// WriteText writes the model in LightGBM's text format, version 4. A model that was read is written in its own version,
// byte for byte as LightGBM wrote it.
func (m *Model) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	blocks := make([][]byte, len(m.trees))
	sizes := make([]string, len(m.trees))
	for i, t := range m.trees {
		blocks[i] = t.appendText(fmt.Appendf(nil, "Tree=%d\n", i))
		sizes[i] = strconv.Itoa(len(blocks[i]))
	}
	header := m.header
	if header == nil {
		header = m.newHeader()
	}
	for _, line := range header {
		b.WriteString(line)
		if line == "tree_sizes=" {
			b.WriteString(strings.Join(sizes, " "))
		}
		b.WriteByte('\n')
	}
	for _, block := range blocks {
		b.Write(block)
	}
	b.WriteString("end of trees\n")
	if m.header != nil {
		b.WriteString(m.tail)
	} else {
		b.WriteString(m.newTail())
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("gbdt: model: %w", err)
	}
	return nil
}

// SaveText writes the model to a file that is whole or not there; see [Model.WriteText].
func (m *Model) SaveText(path string) error { return atomicfile.Write(path, m.WriteText) }

func (m *Model) newHeader() []string {
	h := []string{"tree", "version=v4",
		"num_class=" + strconv.Itoa(m.numClass),
		"num_tree_per_iteration=" + strconv.Itoa(m.treesPerIter),
		"label_index=" + strconv.Itoa(m.labelIndex),
		"max_feature_idx=" + strconv.Itoa(m.maxFeature)}
	if m.objective != "" {
		h = append(h, "objective="+m.objective)
	}
	if m.average {
		h = append(h, "average_output")
	}
	h = append(h, "feature_names="+strings.Join(m.featureNames, " "))
	if len(m.monotone) > 0 {
		h = append(h, "monotone_constraints="+join(m.monotone, appendInt[int8]))
	}
	return append(h, "feature_infos="+strings.Join(m.featureInfos, " "), "tree_sizes=", "")
}

// newTail lists the features by importance and ends with the parameters.
func (m *Model) newTail() string {
	var b strings.Builder
	b.WriteString("\nfeature_importances:\n")
	count := m.Importance(m.saved)
	order := make([]int, 0, len(count))
	for i, c := range count {
		if count[i] = math.Trunc(c); count[i] > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(count[j], count[i]) })
	for _, i := range order {
		fmt.Fprintf(&b, "%s=%.0f\n", m.featureNames[i], count[i])
	}
	if m.params != "" {
		b.WriteString("\nparameters:\n" + m.params + "\n\nend of parameters\n")
	}
	return b.String()
}

// appendText writes what stands under "Tree=i" (Tree::ToString). Fields that the tree was read without stay out.
func (t *tree) appendText(b []byte) []byte {
	b = fmt.Appendf(b, "num_leaves=%d\nnum_cat=%d\n", t.numLeaves, t.numCat)
	b = appendField(b, "split_feature", t.splitFeature, appendInt[int32])
	b = appendField(b, "split_gain", t.splitGain, func(b []byte, v float32) []byte { return appendShort(b, float64(v)) })
	b = appendField(b, "threshold", t.threshold, appendLong)
	b = appendField(b, "decision_type", t.decisionType, appendInt[int8])
	b = appendField(b, "left_child", t.left, appendInt[int32])
	b = appendField(b, "right_child", t.right, appendInt[int32])
	b = appendField(b, "leaf_value", t.leafValue, appendLong)
	b = appendField(b, "leaf_weight", t.leafWeight, appendLong)
	b = appendField(b, "leaf_count", t.leafCount, appendInt[int])
	b = appendField(b, "internal_value", t.internalValue, appendShort)
	b = appendField(b, "internal_weight", t.internalWeigh, appendShort)
	b = appendField(b, "internal_count", t.internalCount, appendInt[int])
	if t.numCat > 0 {
		b = appendField(b, "cat_boundaries", t.catBoundaries, appendInt[int32])
		b = appendField(b, "cat_threshold", t.catThreshold, appendInt[uint32])
	}
	if t.hasLinear {
		b = append(b, "is_linear="...)
		b = append(b, "01"[boolIndex(t.linear)], '\n')
	}
	if t.linear {
		counts := make([]int, t.numLeaves)
		for i := range counts {
			counts[i] = len(t.leafCoeff[i])
		}
		b = appendField(b, "leaf_const", t.leafConst, appendLong)
		b = appendField(b, "num_features", counts, appendInt[int])
		b = appendLists(b, "leaf_features", t.leafFeatures, appendInt[int32])
		b = appendLists(b, "leaf_coeff", t.leafCoeff, appendLong)
	}
	b = append(b, "shrinkage="...)
	b = appendShort(b, t.shrinkage)
	return append(b, "\n\n\n"...)
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

func appendField[T any](b []byte, key string, values []T, write func([]byte, T) []byte) []byte {
	if values == nil {
		return b
	}
	b = append(append(b, key...), '=')
	b = appendJoined(b, values, write)
	return append(b, '\n')
}

// appendLists writes one list for each leaf; LightGBM puts one blank after a list and another after each leaf.
func appendLists[T any](b []byte, key string, lists [][]T, write func([]byte, T) []byte) []byte {
	b = append(append(b, key...), '=')
	for _, list := range lists {
		if len(list) > 0 {
			b = append(appendJoined(b, list, write), ' ')
		}
		b = append(b, ' ')
	}
	return append(b, '\n')
}

func appendJoined[T any](b []byte, values []T, write func([]byte, T) []byte) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, ' ')
		}
		b = write(b, v)
	}
	return b
}

func join[T any](values []T, write func([]byte, T) []byte) string {
	return string(appendJoined(nil, values, write))
}

func appendInt[T int | int8 | int32 | uint32](b []byte, v T) []byte {
	return strconv.AppendInt(b, int64(v), 10)
}

// appendShort writes as printf's %g.
func appendShort(b []byte, v float64) []byte { return appendFloat(b, v, 6) }

// appendLong writes as printf's %.17g, which reads back to the same bits.
func appendLong(b []byte, v float64) []byte { return appendFloat(b, v, 17) }

func appendFloat(b []byte, v float64, digits int) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(b, "inf"...)
	case math.IsInf(v, -1):
		return append(b, "-inf"...)
	case v != v:
		return append(b, "nan"...)
	}
	return strconv.AppendFloat(b, v, 'g', digits, 64)
}
