package gbdt

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// DumpJSON writes the model as LightGBM's dump_model does: header, trees as nested nodes, feature importances.
func (m *Model) DumpJSON(w io.Writer) error {
	d := &dumper{b: bufio.NewWriter(w)}
	version := m.version
	if version == "" {
		version = "v4"
	}
	d.printf(`{"name":"tree","version":%q,"num_class":%d,"num_tree_per_iteration":%d,"label_index":%d,"max_feature_idx":%d,`,
		version, m.numClass, m.treesPerIter, m.labelIndex, m.maxFeature)
	if m.objective != "" {
		d.printf(`"objective":%s,`, quote(m.objective))
	}
	d.printf(`"average_output":%t,"feature_names":[`, m.average)
	for i, name := range m.featureNames {
		d.printf("%s%s", comma(i), quote(name))
	}
	d.printf(`],"monotone_constraints":[%s],"feature_infos":{`, strings.ReplaceAll(join(m.monotone, appendInt[int8]), " ", ","))
	d.infos(m)
	d.printf(`},"tree_info":[`)
	for i, t := range m.trees {
		d.printf(`%s{"tree_index":%d,"num_leaves":%d,"num_cat":%d,"shrinkage":%s,"tree_structure":`, comma(i), i, t.numLeaves, t.numCat, number(t.shrinkage))
		root := int32(0)
		if t.numLeaves == 1 {
			root = -1
		}
		d.node(t, root)
		d.printf("}")
	}
	d.printf(`],"feature_importances":{`)
	n := 0
	for i, c := range m.Importance(ImportanceSplit) {
		if c > 0 {
			d.printf("%s%s:%d", comma(n), quote(m.featureNames[i]), int(c))
			n++
		}
	}
	d.printf("}}\n")
	if err := d.b.Flush(); err != nil {
		return fmt.Errorf("gbdt: dump: %w", err)
	}
	return nil
}

// dumper writes JSON; bufio keeps the first error.
type dumper struct{ b *bufio.Writer }

func (d *dumper) printf(format string, args ...any) { fmt.Fprintf(d.b, format, args...) }

// infos writes what the header knows about the values of each feature.
func (d *dumper) infos(m *Model) {
	n := 0
	for i, info := range m.featureInfos {
		var lo, hi float64
		values := ""
		if text, ok := strings.CutPrefix(info, "["); ok {
			a, b, _ := strings.Cut(strings.TrimSuffix(text, "]"), ":")
			var err1, err2 error
			lo, err1 = strconv.ParseFloat(a, 64)
			hi, err2 = strconv.ParseFloat(b, 64)
			if err1 != nil || err2 != nil {
				continue
			}
		} else {
			categories, ok := parseCategories(info)
			if !ok {
				continue // "none": a feature that is not used
			}
			lo, hi = float64(slices.Min(categories)), float64(slices.Max(categories))
			values = strings.ReplaceAll(join(categories, appendInt[int]), " ", ",")
		}
		d.printf(`%s%s:{"min_value":%s,"max_value":%s,"values":[%s]}`, comma(n), quote(m.featureNames[i]), number(lo), number(hi), values)
		n++
	}
}

func parseCategories(info string) ([]int, bool) {
	words := strings.Split(info, ":")
	out := make([]int, len(words))
	for i, w := range words {
		v, err := strconv.Atoi(w)
		if err != nil {
			return nil, false
		}
		out[i] = v
	}
	return out, true
}

func (d *dumper) node(t *tree, i int32) {
	if i < 0 {
		d.leaf(t, ^i)
		return
	}
	d.printf(`{"split_index":%d,"split_feature":%d,`, i, t.splitFeature[i])
	if t.splitGain != nil {
		d.printf(`"split_gain":%s,`, number(float64(t.splitGain[i])))
	}
	if t.decisionType[i]&decisionCategorical != 0 {
		d.printf(`"threshold":"%s","decision_type":"==",`, strings.ReplaceAll(join(t.categories(i), appendInt[int]), " ", "||"))
	} else {
		d.printf(`"threshold":%s,"decision_type":"<=",`, number(t.threshold[i]))
	}
	d.printf(`"default_left":%t,"missing_type":%q,`, t.decisionType[i]&decisionDefaultLeft != 0, t.missing(i))
	if t.internalValue != nil {
		d.printf(`"internal_value":%s,`, number(t.internalValue[i]))
	}
	if t.internalWeigh != nil {
		d.printf(`"internal_weight":%s,`, number(t.internalWeigh[i]))
	}
	if t.internalCount != nil {
		d.printf(`"internal_count":%d,`, t.internalCount[i])
	}
	d.printf(`"left_child":`)
	d.node(t, t.left[i])
	d.printf(`,"right_child":`)
	d.node(t, t.right[i])
	d.printf("}")
}

func (d *dumper) leaf(t *tree, i int32) {
	d.printf("{")
	if t.numLeaves > 1 {
		d.printf(`"leaf_index":%d,`, i)
	}
	d.printf(`"leaf_value":%s`, number(t.leafValue[i]))
	if t.numLeaves > 1 && t.leafWeight != nil {
		d.printf(`,"leaf_weight":%s`, number(t.leafWeight[i]))
	}
	if t.leafCount != nil {
		d.printf(`,"leaf_count":%d`, t.leafCount[i])
	}
	if t.linear {
		d.printf(`,"leaf_const":%s,"leaf_features":[%s],"leaf_coeff":[`, number(t.leafConst[i]),
			strings.ReplaceAll(join(t.leafFeatures[i], appendInt[int32]), " ", ","))
		for j, c := range t.leafCoeff[i] {
			d.printf("%s%s", comma(j), number(c))
		}
		d.printf("]")
	}
	d.printf("}")
}

// categories lists the set of a categorical split.
func (t *tree) categories(i int32) []int {
	c := int(t.threshold[i])
	list := []int{}
	for w, word := range t.catThreshold[t.catBoundaries[c]:t.catBoundaries[c+1]] {
		for ; word != 0; word &= word - 1 {
			list = append(list, w*32+bits.TrailingZeros32(word))
		}
	}
	return list
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // text always can be
		return `""`
	}
	return string(b)
}

// number writes a JSON number; what is infinite becomes ±1e300 and NaN 0, as LightGBM's AvoidInf.
func number(v float64) string {
	switch {
	case v != v:
		v = 0
	case v >= 1e300:
		v = 1e300
	case v <= -1e300:
		v = -1e300
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
