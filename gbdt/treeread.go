package gbdt

import (
	"fmt"
	"strconv"
	"strings"
)

// tree reads one block "Tree=i", up to the empty line after it (Tree::Tree(const char*, size_t*)).
func (p *modelReader) tree(m *Model) (*tree, error) {
	name, err := p.next()
	if err != nil {
		return nil, err
	}
	if want := "Tree=" + strconv.Itoa(len(m.trees)); name != want {
		return nil, fmt.Errorf("got %q, want %q", clip(name), want)
	}
	at := p.line
	values := map[string]string{}
	for {
		line, err := p.next()
		if err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		key, value, ok := strings.Cut(line, "=")
		if _, twice := values[key]; !ok || twice {
			return nil, fmt.Errorf("%s: %q is no new key=value", name, clip(line))
		}
		values[key] = value
	}
	b := &treeBlock{values: values}
	t := b.read()
	err = b.err
	if err == nil {
		err = t.check(m.maxFeature)
	}
	if err != nil {
		p.line = at
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// treeBlock reads fields of a tree and keeps the first error.
type treeBlock struct {
	values map[string]string
	err    error
}

func (b *treeBlock) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

func (b *treeBlock) integer(key string, missing int, required bool) int {
	text, ok := b.values[key]
	if !ok {
		if required {
			b.fail("no %s", key)
		}
		return missing
	}
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		b.fail("%s=%q is no 32-bit integer", key, clip(text))
	}
	return int(v)
}

// words gives the n numbers of a field; nil if it is not there, empty but not nil if it has none. It allocates by what
// is there, never by what n says.
func (b *treeBlock) words(key string, n int, required bool) []string {
	text, ok := b.values[key]
	if !ok {
		if required {
			b.fail("no %s", key)
		}
		return nil
	}
	w := strings.Fields(text)
	if len(w) != n {
		b.fail("%s has %d numbers, want %d", key, len(w), n)
		return nil
	}
	return w
}

func parseEach[T any](b *treeBlock, key string, n int, required bool, parse func(string) (T, error)) []T {
	words := b.words(key, n, required)
	if words == nil {
		return nil
	}
	out := make([]T, len(words))
	for i, w := range words {
		v, err := parse(w)
		if err != nil {
			b.fail("%s: %q at position %d is no number of its kind", key, clip(w), i)
			return nil
		}
		out[i] = v
	}
	return out
}

func parseF64(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

func parseF32(s string) (float32, error) {
	v, err := strconv.ParseFloat(s, 32)
	if err != nil && (v > 1 || v < -1) { // beyond float32: infinite, as in C
		err = nil
	}
	return float32(v), err
}

func parseI32(s string) (int32, error) {
	v, err := strconv.ParseInt(s, 10, 32)
	return int32(v), err
}

func parseI8(s string) (int8, error) {
	v, err := strconv.ParseInt(s, 10, 8)
	return int8(v), err
}

func parseU32(s string) (uint32, error) {
	v, err := strconv.ParseUint(s, 10, 32)
	return uint32(v), err
}

func (b *treeBlock) read() *tree {
	t := &tree{shrinkage: 1}
	t.numLeaves = b.integer("num_leaves", 0, true)
	t.numCat = b.integer("num_cat", 0, true)
	if b.err == nil && (t.numLeaves < 1 || t.numCat < 0) {
		b.fail("num_leaves=%d, num_cat=%d", t.numLeaves, t.numCat)
	}
	if b.err != nil {
		return t
	}
	n, splits := t.numLeaves, t.numLeaves > 1
	t.leafValue = parseEach(b, "leaf_value", n, true, parseF64)
	t.leafCount = parseEach(b, "leaf_count", n, false, strconv.Atoi)
	t.splitFeature = parseEach(b, "split_feature", n-1, splits, parseI32)
	t.splitGain = parseEach(b, "split_gain", n-1, false, parseF32)
	t.threshold = parseEach(b, "threshold", n-1, splits, parseF64)
	t.decisionType = parseEach(b, "decision_type", n-1, false, parseI8)
	t.left = parseEach(b, "left_child", n-1, splits, parseI32)
	t.right = parseEach(b, "right_child", n-1, splits, parseI32)
	t.internalValue = parseEach(b, "internal_value", n-1, false, parseF64)
	t.internalWeigh = parseEach(b, "internal_weight", n-1, false, parseF64)
	t.internalCount = parseEach(b, "internal_count", n-1, false, strconv.Atoi)
	weights := n
	if n == 1 && strings.TrimSpace(b.values["leaf_weight"]) == "" {
		weights = 0 // so LightGBM writes a constant tree that it has read
	}
	t.leafWeight = parseEach(b, "leaf_weight", weights, false, parseF64)
	if t.numCat > 0 {
		t.catBoundaries = parseEach(b, "cat_boundaries", t.numCat+1, true, parseI32)
		if c := t.catBoundaries; len(c) > 0 {
			t.catThreshold = parseEach(b, "cat_threshold", int(c[len(c)-1]), true, parseU32)
		}
	}
	b.readLinear(t)
	if text, ok := b.values["shrinkage"]; ok {
		v, err := parseF64(text)
		if err != nil {
			b.fail("shrinkage=%q is no number", clip(text))
		}
		t.shrinkage = v
	}
	return t
}

func (b *treeBlock) readLinear(t *tree) {
	if _, t.hasLinear = b.values["is_linear"]; !t.hasLinear {
		return
	}
	t.linear = b.integer("is_linear", 0, true) != 0
	if !t.linear || b.err != nil {
		return
	}
	n := t.numLeaves
	t.leafConst = parseEach(b, "leaf_const", n, true, parseF64)
	counts := parseEach(b, "num_features", n, true, parseI32)
	total := 0
	for _, c := range counts {
		if c < 0 {
			b.fail("num_features: %d", c)
			return
		}
		total += int(c)
	}
	features := parseEach(b, "leaf_features", total, true, parseI32)
	coeff := parseEach(b, "leaf_coeff", total, true, parseF64)
	if b.err != nil {
		return
	}
	t.leafFeatures, t.leafCoeff = make([][]int32, n), make([][]float64, n)
	for i, c := range counts {
		t.leafFeatures[i], features = features[:c:c], features[c:]
		t.leafCoeff[i], coeff = coeff[:c:c], coeff[c:]
	}
}

// check makes sure that walking down the tree ends and stays in bounds, and fills in the depth.
func (t *tree) check(maxFeature int) error {
	if t.decisionType == nil {
		t.decisionType = make([]int8, t.numLeaves-1)
	}
	for i, f := range t.splitFeature {
		if f < 0 || int(f) > maxFeature {
			return fmt.Errorf("split %d: feature %d is not in 0..%d", i, f, maxFeature)
		}
		if t.decisionType[i]>>missingShift&3 == 3 || t.decisionType[i] < 0 {
			return fmt.Errorf("split %d: decision_type %d is not known", i, t.decisionType[i])
		}
		if c := t.threshold[i]; t.decisionType[i]&decisionCategorical != 0 && !(c >= 0 && c < float64(t.numCat)) {
			return fmt.Errorf("split %d: categories %g of num_cat=%d", i, c, t.numCat)
		}
	}
	for i := range t.numCat {
		if t.catBoundaries[i] < 0 || t.catBoundaries[i] > t.catBoundaries[i+1] {
			return fmt.Errorf("cat_boundaries fall or are negative at %d", i)
		}
	}
	for i, features := range t.leafFeatures {
		for _, f := range features {
			if f < 0 || int(f) > maxFeature {
				return fmt.Errorf("leaf %d: feature %d is not in 0..%d", i, f, maxFeature)
			}
		}
	}
	return t.checkChildren()
}

// checkChildren walks down from the root: every split and every leaf must be met exactly once.
func (t *tree) checkChildren() error {
	n := int32(t.numLeaves)
	if n == 1 {
		return nil
	}
	type step struct{ node, depth int32 }
	split, leaf := make([]bool, n-1), make([]bool, n)
	stack, met := []step{{0, 0}}, int32(0)
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		seen, i := split, s.node
		if i < 0 {
			seen, i = leaf, ^i
		}
		if int(i) >= len(seen) {
			return fmt.Errorf("child %d does not exist", s.node)
		}
		if seen[i] {
			return fmt.Errorf("child %d has two parents", s.node)
		}
		seen[i] = true
		met++
		if s.node < 0 {
			t.depth = max(t.depth, int(s.depth))
			continue
		}
		stack = append(stack, step{t.left[i], s.depth + 1}, step{t.right[i], s.depth + 1})
	}
	if met != 2*n-1 {
		return fmt.Errorf("only %d of %d splits and leaves hang together", met, 2*n-1)
	}
	return nil
}
