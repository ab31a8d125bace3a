package gbdt

import (
	"slices"
	"strings"
)

// Doubts names, a line each, what makes training on this data set other than it may be meant, in LightGBM's words where it
// warns of it too. Training goes on all the same.
func (ds *Dataset) Doubts(o Options) []string {
	var out []string
	if len(ds.used) == 0 {
		out = append(out, "There are no meaningful features which satisfy the provided configuration. Decreasing Dataset parameters min_data_in_bin or min_data_in_leaf and re-constructing Dataset might resolve this warning.")
	}
	if ds.weight != nil && !slices.ContainsFunc(ds.weight, func(w float32) bool { return w > 0 }) {
		out = append(out, "All weights are 0")
	}
	class := func(v float32) float32 { return v }
	switch objectiveName(strings.ToLower(o.Objective)) {
	case "mape":
		if slices.ContainsFunc(ds.label, func(v float32) bool { return v < 1 && v > -1 }) {
			out = append(out, "Some label values are < 1 in absolute value. MAPE is unstable with such values, so LightGBM rounds them to 1.0 when calculating MAPE.")
		}
		return out
	case "binary":
		class = func(v float32) float32 { return float32(boolIndex(v > 0)) }
	case "multiclass", "multiclassova":
	default:
		return out
	}
	if !slices.ContainsFunc(ds.label, func(v float32) bool { return class(v) != class(ds.label[0]) }) {
		out = append(out, "Contains only one class")
	}
	return out
}
