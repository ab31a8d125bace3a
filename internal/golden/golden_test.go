package golden

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/safetensors"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"*", "a.b", true}, {"a", "a", true}, {"a", "ab", false},
		{"*.f64", "x.y.f64", true}, {"*.f64", "x.f64.y", false}, {"a*b*c", "a.b.c", true},
		{"a*b*c", "acb", false}, {"ab*ba", "aba", false}, {"a**b", "ab", true}, {"[a]*", "[a]x", true},
		{"*aab", "aaab", true}, {"a*ab", "ab", false}, {"lr", "lr", true}, {"full_test.*windows", "full_test.n_windows", true},
	} {
		if got := match(c.pattern, c.name); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}

// Every case of the areas that are read now parses, and holds exactly the
// tensors it describes, with the dtype and shape it gives.
func TestEveryCase(t *testing.T) {
	read := 0
	for _, area := range []string{"training", "forecasting", "language", "vision", "encoders", "speech", "gbdt", "data", "eval"} {
		if _, err := os.Stat(filepath.Join(Shared(t), "golden", area)); err != nil {
			t.Logf("no %s in this set", area) // a set of another seed may be partial
			continue
		}
		for _, name := range Cases(t, area, "*") {
			read++
			c := Open(t, area, name)
			if c.What == "" || c.Library == "" || c.Expected == nil || c.Extra == nil {
				t.Errorf("%s/%s: head is incomplete", area, name)
			}
			var described map[string]struct {
				Shape json.RawMessage
				DType safetensors.DType
			}
			c.Decode("tensors", &described)
			if len(described) == 0 != (len(c.TensorNames()) == 0) {
				t.Errorf("%s/%s: describes %d tensors, file has %d", area, name, len(described), len(c.TensorNames()))
			}
			for pattern := range described {
				if !slices.ContainsFunc(c.TensorNames(), func(n string) bool { return match(pattern, n) }) {
					t.Errorf("%s/%s: tensor %q is not in the file", area, name, pattern)
				}
			}
			for _, n := range c.TensorNames() {
				d, ok := described[n]
				for pattern, e := range described {
					if !ok && match(pattern, n) && (d.DType == "" || c.dtype(n) == e.DType) {
						d = e
					}
				}
				x := c.Tensor(t, n)
				if d.DType != x.DType {
					t.Errorf("%s/%s: tensor %q is %s, described as %q", area, name, n, x.DType, d.DType)
				}
				var shape []int
				if ok && json.Unmarshal(d.Shape, &shape) == nil && !slices.Equal(shape, x.Shape) {
					t.Errorf("%s/%s: tensor %q is %v, described as %v", area, name, n, x.Shape, shape)
				}
				if !c.CheckValue(t, n, x, x) {
					t.Errorf("%s/%s: tensor %q differs from itself", area, name, n)
				}
			}
			if model := filepath.Join(c.ModelDir(), "model.safetensors"); exists(model) {
				f, err := safetensors.Open(model)
				if err != nil {
					t.Errorf("%s/%s: %v", area, name, err)
					continue
				}
				f.Close()
			}
		}
	}
	if t.Logf("%d cases", read); read == 0 {
		t.Error("no area has a case")
	}
}

func (c *Case) dtype(name string) safetensors.DType {
	x, _ := c.tensors.Tensor(name)
	return x.DType
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// shared makes a folder with one case and points HANJI_SHARED to it.
func shared(t *testing.T, doc string, tensors ...safetensors.Tensor) *Case {
	root := t.TempDir()
	dir := filepath.Join(root, "golden", "area", "sub", "one")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "case.json"), []byte(doc), 0o644); err != nil {
		t.Fatal(err)
	}
	if len(tensors) > 0 {
		if err := safetensors.Write(filepath.Join(dir, "case.safetensors"), tensors, nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HANJI_SHARED", root)
	if got := Cases(t, "area", "*"); !slices.Equal(got, []string{"sub/one"}) {
		t.Fatalf("cases: %v", got)
	}
	return Open(t, "area", "sub/one")
}

// failures counts what a check reports, instead of failing the test.
type failures struct {
	testing.TB
	lines          []string
	fatal, skipped bool
}

func (f *failures) Helper() {}
func (f *failures) Errorf(format string, args ...any) {
	f.lines = append(f.lines, fmt.Sprintf(format, args...))
}
func (f *failures) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	f.fatal = true
	panic(f)
}

func (f *failures) Skipf(format string, args ...any) {
	f.Errorf(format, args...)
	f.skipped = true
	panic(f)
}

// run calls check and returns what it reported.
func run(check func(t testing.TB)) (f *failures) {
	f = &failures{}
	defer func() {
		if r := recover(); r != nil && r != any(f) {
			panic(r)
		}
	}()
	check(f)
	return f
}

const head = `{"what": "w", "library": "l", "seed": 7, "script": "s",
 "tol": [{"match": "exact*", "rtol": 0, "atol": 0, "why": "x"}, {"match": "*", "rtol": 0.01, "atol": 0.1, "why": "y"}],
 "tensors": {}, "expected": {"a": {"b.c": 2.5}, "list": [[1, "nan"], [3, "-Infinity"]], "text": ["x", "y"], "n": 3, "yes": true, "none": []},
 "index": [{"name": "v1"}], "extra": {"limits": {"m": 4}}}`

func TestCheck(t *testing.T) {
	x := safetensors.Tensor{Name: "x", DType: safetensors.F32, Shape: []int{2, 2}, Data: []byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 192, 127, 0, 0, 128, 127}} // 1 2 nan inf
	big := safetensors.Tensor{Name: "exact.big", DType: safetensors.I64, Shape: []int{1}, Data: []byte{1, 0, 0, 0, 0, 0, 32, 0}}                             // 2^53+1
	c := shared(t, head, x, big)
	if *c.Seed != 7 || string(c.Index) != `[{"name": "v1"}]` || string(c.Raw("extra.limits.m")) != "4" || string(c.Raw("expected.a.b.c")) != "2.5" || c.Raw("expected.a.b.d") != nil {
		t.Errorf("case read as %+v", c)
	}
	if got := c.Floats("expected.list"); len(got) != 4 || got[2] != 3 || !math.IsNaN(got[1]) || !math.IsInf(got[3], -1) {
		t.Errorf("floats: %v", got)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c2 := range []struct {
		name string
		got  any
		want string // part of the report; "" passes
	}{
		{"x", []float32{1, 2, nan, inf}, ""},
		{"x", []float32{1.1, 2.119, nan, inf}, ""}, // within 0.1 + 0.01·|want|
		{"x", []float32{1.2, 2.5, nan, inf}, "2 of 4 elements are off; worst element [0 1] of [2 2]: got 2.5, want 2, |diff| 0.5, allowed 0.12"},
		{"x", []float32{1, 2, 0, inf}, "got 0, want NaN"},
		{"x", []float32{1, 2, nan, nan}, "got NaN, want +Inf"},
		{"x", []float64{1, 2, math.NaN(), math.Inf(-1)}, "got -Inf, want +Inf"},
		{"x", []float64{1, 2, math.NaN(), 1e300}, "want +Inf"},
		{"x", []float32{1, 2}, "got 2 elements, want 4 [2 2]"},
		{"x", Tensor{Shape: []int{4}, F64: []float64{1, 2, math.NaN(), math.Inf(1)}}, "got shape [4], want [2 2]"},
		{"exact.big", []int64{1<<53 + 1}, ""},
		{"exact.big", []int64{1 << 53}, "|diff| 1, allowed 0"}, // the same float64
		{"a.b.c", 2.5, ""},
		{"a.b.c", 2.7, "value: got 2.7, want 2.5"},
		{"list", []float64{1, math.NaN(), 3, math.Inf(-1)}, ""},
		{"list", []float64{1, math.NaN(), 4, math.Inf(-1)}, "element [1 0] of [2 2]: got 4, want 3"},
		{"text", []string{"x", "y"}, ""},
		{"text", []string{"x", "z"}, `got "z", want "y"`},
		{"text", []float64{1, 2}, "got numbers, want text"},
		{"n", "3", "got text"},
		{"n", 3, ""},
		{"yes", true, ""},
		{"yes", false, "got 0, want 1"},
		{"none", []float64{}, ""},
		{"none", []float64{0}, "got 1 elements, want 0"},
		{"missing", 1.0, "neither a tensor nor an expected value"},
		{"n", struct{}{}, "no type that golden compares"},
	} {
		f := run(func(t testing.TB) { c.Check(t, c2.name, c2.got) })
		report := strings.Join(f.lines, "\n")
		if c2.want == "" && report != "" || !strings.Contains(report, c2.want) {
			t.Errorf("%s: %v: reported %q, want %q", c2.name, c2.got, report, c2.want)
		}
	}
	if f := run(func(t testing.TB) { c.With(t).F32("none") }); !f.fatal {
		t.Error("a missing tensor is not fatal")
	}
	if f := run(func(t testing.TB) { Cases(t, "area", "two*") }); !f.fatal {
		t.Error("no case matches, and nothing fails")
	}
}

func TestSharedMissing(t *testing.T) {
	t.Setenv("HANJI_SHARED", filepath.Join(t.TempDir(), "none"))
	t.Setenv("HANJI_REQUIRE_SHARED", "1")
	if f := run(func(t testing.TB) { Shared(t) }); !f.fatal || !strings.Contains(f.lines[0], "HANJI_REQUIRE_SHARED=1") {
		t.Errorf("reported %q", f.lines)
	}
	t.Setenv("HANJI_REQUIRE_SHARED", "")
	if f := run(func(t testing.TB) { Shared(t) }); !f.skipped || !strings.Contains(f.lines[0], "HANJI_SHARED") {
		t.Errorf("a missing folder does not skip aloud: %q", f.lines)
	}
}
