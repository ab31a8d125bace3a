package gbdt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// OpenText reads a model file; see [ReadText].
func OpenText(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gbdt: %w", err)
	}
	defer f.Close()
	m, err := ReadText(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// ReadText reads a model in LightGBM's text format, versions 2 to 4 (gbdt_model_text.cpp). Everything that a prediction
// relies on is checked: the children of each tree form a tree, indices are in range, nothing is missing. Errors name
// the line.
func ReadText(r io.Reader) (*Model, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("gbdt: model: %w", err)
	}
	p := &modelReader{rest: string(b)}
	m, err := p.model()
	if err != nil {
		return nil, fmt.Errorf("gbdt: model: line %d: %w", p.line, err)
	}
	return m, nil
}

// modelReader walks over lines.
type modelReader struct {
	rest string
	line int
}

// errCut is the error of a file that ends too early.
var errCut = errors.New("the file ends too early; truncated download?")

// next gives the next line without its end. A line must have an end: one that was cut could still be read otherwise.
func (p *modelReader) next() (string, error) {
	p.line++
	line, rest, ok := strings.Cut(p.rest, "\n")
	if !ok {
		return "", errCut
	}
	p.rest = rest
	return strings.TrimSuffix(line, "\r"), nil
}

func (p *modelReader) model() (*Model, error) {
	m := &Model{treesPerIter: -1, labelIndex: -1}
	sizes, err := p.header(m)
	if err != nil {
		return nil, err
	}
	for strings.HasPrefix(p.rest, "Tree=") {
		t, err := p.tree(m)
		if err != nil {
			return nil, err
		}
		m.trees = append(m.trees, t)
		for strings.HasPrefix(p.rest, "\n") || strings.HasPrefix(p.rest, "\r\n") {
			if _, err := p.next(); err != nil {
				return nil, err
			}
		}
	}
	line, err := p.next()
	if err != nil {
		return nil, err
	}
	if line != "end of trees" {
		return nil, fmt.Errorf("got %q, want a tree or the end of trees", clip(line))
	}
	if sizes >= 0 && sizes != len(m.trees) {
		return nil, fmt.Errorf("%d trees, tree_sizes names %d", len(m.trees), sizes)
	}
	if len(m.trees)%m.treesPerIter != 0 {
		return nil, fmt.Errorf("%d trees are no multiple of num_tree_per_iteration=%d", len(m.trees), m.treesPerIter)
	}
	if err := m.readTail(p.rest); err != nil {
		return nil, err
	}
	m.transform, err = parseTransform(m.objective, m.numClass)
	if m.average && m.version == "v2" {
		m.transform.kind = transformNone // random forests of that time hold leaves that are transformed already
	}
	return m, err
}

// header reads up to the first tree; sizes is the number of entries in tree_sizes, −1 if there is no such line.
func (p *modelReader) header(m *Model) (sizes int, err error) {
	line, err := p.next()
	if err != nil && !strings.HasPrefix("tree", p.rest) {
		line, err = p.rest, nil // text without any line, or none at all
	}
	if err != nil {
		return 0, err
	}
	if line != "tree" {
		return 0, fmt.Errorf("begins with %q, want \"tree\"; is this a LightGBM text model?", clip(line))
	}
	m.header = append(m.header, line)
	sizes = -1
	seen := map[string]bool{}
	for !strings.HasPrefix(p.rest, "Tree=") && !strings.HasPrefix(p.rest, "end of trees") {
		if line, err = p.next(); err != nil {
			return 0, err
		}
		key, value, _ := strings.Cut(line, "=")
		if seen[key] && key != "" {
			return 0, fmt.Errorf("%q stands twice", clip(key))
		}
		seen[key] = true
		if key == "tree_sizes" {
			sizes = len(strings.Fields(value))
			line = "tree_sizes="
		}
		m.header = append(m.header, line)
		if err := m.setHeader(key, value); err != nil {
			return 0, err
		}
	}
	for _, key := range []string{"num_class", "label_index", "max_feature_idx", "feature_names", "feature_infos"} {
		if !seen[key] {
			return 0, fmt.Errorf("the header has no %s", key)
		}
	}
	return sizes, m.checkHeader()
}

func (m *Model) setHeader(key, value string) (err error) {
	switch key {
	case "version":
		m.version = value
		if value != "v2" && value != "v3" && value != "v4" {
			return fmt.Errorf("version %q is not known, only v2, v3 and v4 are", clip(value))
		}
	case "num_class":
		m.numClass, err = headerInt(key, value)
	case "num_tree_per_iteration":
		m.treesPerIter, err = headerInt(key, value)
	case "label_index":
		m.labelIndex, err = headerInt(key, value)
	case "max_feature_idx":
		m.maxFeature, err = headerInt(key, value)
	case "objective":
		m.objective = value
	case "average_output":
		m.average = true
	case "feature_names":
		m.featureNames = strings.Fields(value)
	case "feature_infos":
		m.featureInfos = strings.Fields(value)
	case "monotone_constraints":
		words := strings.Fields(value)
		m.monotone = make([]int8, len(words))
		for i, w := range words {
			v, err := strconv.ParseInt(w, 10, 8)
			if err != nil {
				return fmt.Errorf("monotone_constraints: %q is no direction", clip(w))
			}
			m.monotone[i] = int8(v)
		}
	}
	return err
}

func headerInt(key, value string) (int, error) {
	v, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s=%q is no 32-bit integer", key, clip(value))
	}
	return int(v), nil
}

func (m *Model) checkHeader() error {
	if m.treesPerIter < 0 {
		m.treesPerIter = m.numClass
	}
	features := m.maxFeature + 1
	switch {
	case m.numClass < 1:
		return fmt.Errorf("num_class=%d, want at least 1", m.numClass)
	case m.treesPerIter != m.numClass && m.treesPerIter != 1:
		return fmt.Errorf("num_tree_per_iteration=%d fits neither 1 nor num_class=%d", m.treesPerIter, m.numClass)
	case m.numClass > 1 && m.treesPerIter == 1:
		return fmt.Errorf("num_tree_per_iteration=1 with num_class=%d cannot be predicted", m.numClass)
	case m.numClass > 1<<20: // a row of scores is allocated for each prediction
		return fmt.Errorf("num_class=%d is absurd", m.numClass)
	case m.maxFeature < 0:
		return fmt.Errorf("max_feature_idx=%d, want at least 0", m.maxFeature)
	case len(m.featureNames) != features:
		return fmt.Errorf("%d feature_names, max_feature_idx=%d asks for %d", len(m.featureNames), m.maxFeature, features)
	case len(m.featureInfos) != features:
		return fmt.Errorf("%d feature_infos, max_feature_idx=%d asks for %d", len(m.featureInfos), m.maxFeature, features)
	case m.monotone != nil && len(m.monotone) != features:
		return fmt.Errorf("%d monotone_constraints, max_feature_idx=%d asks for %d", len(m.monotone), m.maxFeature, features)
	}
	return nil
}

// readTail keeps what follows the trees as it is; of the importances and parameters it wants only that they are whole.
func (m *Model) readTail(tail string) error {
	m.tail = tail
	if tail != "" && !strings.HasSuffix(tail, "\n") {
		return errCut
	}
	if _, block, ok := strings.Cut(tail, "\nparameters:\n"); ok {
		params, _, ok := strings.Cut(block, "\nend of parameters\n")
		if !ok {
			return fmt.Errorf("the parameters have no end: %w", errCut)
		}
		m.params = strings.TrimRight(params, "\n")
	}
	return nil
}

// clip shortens text of a file for an error.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
