package golden

import (
	"fmt"
	"math"
	"testing"
)

// Check holds got against the case's tensor of that name, or, where it has none,
// against the value at that path in expected; with the case's tolerance for the
// name. got is a float, an integer, a bool, a string, or a slice of one of
// these, flat in C order; or a Tensor, whose shape must then be the same too. It
// reports the worst element and how many are out of bounds, and returns whether
// all is well. A name that the case does not have fails the test at once.
func (c *Case) Check(t testing.TB, name string, got any) bool {
	t.Helper()
	if c.Has(name) {
		return c.CheckValue(t, name, got, c.Tensor(t, name))
	}
	want := descend(c.Expected, name)
	if want == nil {
		t.Fatalf("golden: %s/%s has neither a tensor nor an expected value %q", c.Area, c.Name, name)
	}
	return c.CheckValue(t, name, got, want)
}

// CheckValue is Check against a value at hand, with the tolerance for the name:
// of a sub-case, for example, the name being its path without list positions
// ("series.models.sf.Naive.mase"). want is what got may be, or json.RawMessage:
// a number, "nan", "inf", a bool, text, or nested lists of them.
func (c *Case) CheckValue(t testing.TB, name string, got, want any) bool {
	t.Helper()
	where := c.Area + "/" + c.Name + ": " + name
	g, err := valuesOf(got)
	if err != nil {
		t.Fatalf("golden: %s: got: %v", where, err)
	}
	w, err := valuesOf(want)
	if err != nil {
		t.Fatalf("golden: %s: want: %v", where, err)
	}
	rtol, atol := c.Tol(name)
	if problem := compare(g, w, rtol, atol); problem != "" {
		t.Errorf("golden: %s: %s", where, problem)
		return false
	}
	return true
}

// compare returns "" or what is wrong. Text and integers are compared exactly
// (integers with a tolerance if the case gives one); floats that are not finite
// must be the same kind, NaN equal to NaN.
func compare(got, want values, rtol, atol float64) string {
	if got.len() != want.len() {
		return fmt.Sprintf("got %d elements, want %d %v", got.len(), want.len(), want.shape)
	}
	if got.shaped && want.shaped && fmt.Sprint(got.shape) != fmt.Sprint(want.shape) {
		return fmt.Sprintf("got shape %v, want %v", got.shape, want.shape)
	}
	if got.text != nil {
		return compareText(got.text, want)
	}
	if want.text != nil && want.f == nil {
		return fmt.Sprintf("got numbers, want text %.200q", want.text)
	}
	var worst struct {
		at                  int
		diff, allowed, over float64
	}
	bad := 0
	for i := range want.f {
		diff := distance(got, want, i)
		allowed := atol + rtol*math.Abs(want.f[i])
		if math.IsInf(want.f[i], 0) || math.IsNaN(want.f[i]) {
			allowed = 0
		}
		if diff <= allowed {
			continue
		}
		over := diff / allowed // +Inf where exactness is asked for
		if bad == 0 || over > worst.over || over == worst.over && diff > worst.diff {
			worst.at, worst.diff, worst.allowed, worst.over = i, diff, allowed, over
		}
		bad++
	}
	if bad == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d elements are off; worst %s: got %s, want %s, |diff| %.3g, allowed %.3g (rtol %g, atol %g)",
		bad, len(want.f), position(worst.at, want.shape), got.show(worst.at), want.show(worst.at), worst.diff, worst.allowed, rtol, atol)
}

// distance is |got − want|, 0 for two of one non-finite kind, +Inf for two of
// different kinds. Two integers are subtracted as such, where float64 would
// merge neighbours beyond 2^53.
func distance(got, want values, i int) float64 {
	if got.i != nil && want.i != nil {
		a, b := max(got.i[i], want.i[i]), min(got.i[i], want.i[i])
		return float64(uint64(a) - uint64(b)) // right modulo 2^64, which it cannot reach
	}
	g, w := got.f[i], want.f[i]
	if g == w || math.IsNaN(g) && math.IsNaN(w) {
		return 0
	}
	if d := math.Abs(g - w); !math.IsNaN(d) {
		return d
	}
	return math.Inf(1)
}

func compareText(got []string, want values) string {
	if want.text == nil {
		return fmt.Sprintf("got text %.200q, want numbers", got)
	}
	for i := range got {
		if got[i] != want.text[i] {
			return fmt.Sprintf("%s: got %q, want %q", position(i, want.shape), got[i], want.text[i])
		}
	}
	return ""
}

// position writes a flat index as the index in each dimension.
func position(i int, shape []int) string {
	if len(shape) == 0 {
		return "value"
	}
	at := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		at[d], i = i%shape[d], i/shape[d]
	}
	return fmt.Sprintf("element %v of %v", at, shape)
}
