// Package golden is test help: it finds the reference numbers under the shared
// folder and holds results against them with each case's own tolerance.
//
//	func TestNorms(t *testing.T) {
//		for _, name := range golden.Cases(t, "training", "norms*") {
//			c := golden.Open(t, "training", name)
//			y := layerNorm(c.F32("ln.x"))
//			c.Check(t, "ln.y", y) // against the tensor ln.y, by the first fitting line of tol
//		}
//	}
//
// The form of a case is described in golden/README.md of the shared folder. The
// package believes that form: what departs from it fails the test.
package golden

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/safetensors"
)

// Shared returns the folder of fixtures and test data: $HANJI_SHARED, else the
// folder "shared" beside the module's root. Where there is none the test is
// skipped with a line that says so, or fails if HANJI_REQUIRE_SHARED=1.
func Shared(t testing.TB) string {
	t.Helper()
	dir, err := findShared()
	if err == nil {
		return dir
	}
	if os.Getenv("HANJI_REQUIRE_SHARED") == "1" {
		t.Fatalf("golden: %v; HANJI_REQUIRE_SHARED=1 asks for it", err)
	}
	t.Skipf("golden: no shared folder (%v): set HANJI_SHARED to run this test", err)
	return ""
}

func findShared() (string, error) {
	dir := os.Getenv("HANJI_SHARED")
	if dir == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(filepath.Dir(root), "shared")
	}
	info, err := os.Stat(filepath.Join(dir, "golden"))
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is no folder", info.Name())
	}
	return dir, nil
}

// moduleRoot walks up from the test's folder to the nearest go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the test")
		}
		dir = up
	}
}

// Cases names the case folders of an area whose name matches the pattern (* is
// any run of characters), sorted; a folder within folders is named with
// slashes, such as "llama/gqa". No match fails the test: a loop over nothing
// would pass for the wrong reason.
func Cases(t testing.TB, area, pattern string) []string {
	t.Helper()
	root := filepath.Join(Shared(t), "golden", area)
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() != "case.json" || filepath.Dir(path) == root {
			return nil
		}
		name, err := filepath.Rel(root, filepath.Dir(path))
		if name = filepath.ToSlash(name); match(pattern, name) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatalf("golden: %v", err)
	}
	if len(names) == 0 {
		t.Fatalf("golden: no case of %s matches %q", area, pattern)
	}
	slices.Sort(names)
	return names
}

// Case is one fixture: its description, inputs and expected values. Methods that
// take no t fail the test that opened the case; see With.
type Case struct {
	Area, Name string
	What       string          // what the case is
	Library    string          // what made the numbers
	Seed       *int64          // nil where nothing was drawn
	Index      json.RawMessage // the list of variants, where the case has one; nil otherwise
	Expected   json.RawMessage // expected values that are not tensors
	Extra      json.RawMessage // inputs, options, notes, limits
	Tols       []Tolerance     // the tolerance lines; the first match decides

	t       testing.TB
	dir     string
	doc     json.RawMessage
	keys    map[string]json.RawMessage
	tensors *safetensors.File // nil: the case has none
}

// Tolerance is one line of a case's tol. A value passes when
// |got − want| ≤ Atol + Rtol·|want|.
type Tolerance struct {
	Match string  `json:"match"` // a name; * is any run of characters
	Rtol  float64 `json:"rtol"`
	Atol  float64 `json:"atol"`
	Why   string  `json:"why"`
}

// Open reads a case by the name Cases gives, or AREA/NAME.json, the form some
// cases of data and eval have. The test fails if it does not parse.
func Open(t testing.TB, area, name string) *Case {
	t.Helper()
	root := filepath.Join(Shared(t), "golden", area)
	dir := filepath.Join(root, filepath.FromSlash(name))
	file, weights := filepath.Join(dir, "case.json"), filepath.Join(dir, "case.safetensors")
	if _, err := os.Stat(file); err != nil {
		if _, err := os.Stat(dir + ".json"); err == nil {
			file, weights, dir = dir+".json", dir+".safetensors", filepath.Dir(dir)
		}
	}
	c, err := load(file, weights)
	if err != nil {
		t.Fatalf("golden: %v", err)
	}
	c.Area, c.Name, c.t, c.dir = area, name, t, dir
	if c.tensors != nil {
		t.Cleanup(func() { c.tensors.Close() })
	}
	return c
}

func load(file, weights string) (*Case, error) {
	doc, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &Case{doc: doc}
	if err := json.Unmarshal(doc, &c.keys); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for key, into := range map[string]any{"what": &c.What, "library": &c.Library, "seed": &c.Seed, "tol": &c.Tols} {
		raw, ok := c.keys[key]
		if !ok {
			return nil, fmt.Errorf("%s: no %q", file, key)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, key, err)
		}
	}
	if n := len(c.Tols); n == 0 || c.Tols[n-1].Match != "*" {
		return nil, fmt.Errorf("%s: the last line of tol must match *", file)
	}
	c.Index, c.Expected, c.Extra = c.keys["index"], c.keys["expected"], c.keys["extra"]
	c.tensors, err = safetensors.Open(weights)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil // values in the JSON only
	}
	return c, err
}

// With returns the case for a subtest: failures of the methods without t go there.
func (c *Case) With(t testing.TB) *Case {
	d := *c
	d.t = t
	return &d
}

// ModelDir is the case's folder: where config.json, model.safetensors and other
// files of it lie.
func (c *Case) ModelDir() string { return c.dir }

// Raw returns a value of the case by its path: a top-level key ("runs"), or keys
// joined by dots ("extra.limits", "expected.full_test.mse"). A key that has dots
// itself is found too. nil where there is none.
func (c *Case) Raw(path string) json.RawMessage { return descend(c.doc, path) }

func descend(doc json.RawMessage, path string) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(doc, &object) != nil {
		return nil
	}
	if v, ok := object[path]; ok {
		return v
	}
	for i, r := range path {
		if r != '.' {
			continue
		}
		if v, ok := object[path[:i]]; ok {
			if found := descend(v, path[i+1:]); found != nil {
				return found
			}
		}
	}
	return nil
}

// Decode unmarshals the value at path, as for Raw, and fails the test if it is
// missing or does not fit. Lists of floats that may hold "nan" or "inf" decode
// into []Float, or flat with Floats.
func (c *Case) Decode(path string, into any) {
	c.t.Helper()
	raw := c.Raw(path)
	if raw == nil {
		c.t.Fatalf("golden: %s/%s has no %q", c.Area, c.Name, path)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		c.t.Fatalf("golden: %s/%s: %s: %v", c.Area, c.Name, path, err)
	}
}

// Tol returns the tolerance for a name: the first line that matches decides.
func (c *Case) Tol(name string) (rtol, atol float64) {
	for _, l := range c.Tols {
		if match(l.Match, name) {
			return l.Rtol, l.Atol
		}
	}
	return 0, 0 // not reached: the last line matches everything
}

// match tells whether the whole name fits the pattern, in which only * is
// special: any run of characters, none included.
func match(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return name == pattern
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	parts := strings.Split(rest, "*")
	for _, part := range parts[:len(parts)-1] {
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
	return strings.HasSuffix(name, parts[len(parts)-1])
}
