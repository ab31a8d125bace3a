package table

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// checkFloat compares with strconv, whose result is the definition: not one bit may differ.
func checkFloat(t testing.TB, s string) {
	t.Helper()
	want, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(want, 0) {
		t.Fatalf("strconv does not read %q", s)
	}
	got, ok := parseFloat([]byte(s), '.')
	if !ok || math.Float64bits(got) != math.Float64bits(want) {
		t.Fatalf("%q: got %v (%v), want %v", s, got, ok, want)
	}
}

func TestParseFloatAgreesWithStrconv(t *testing.T) {
	for _, s := range []string{"0", "-0", "0.0", "1", "-1", "+2.5", "007", ".5", "5.", "1e5", "1E-5", "1e400", "-1e400", "1e-400",
		"9007199254740993", "9007199254740992.5", "9223372036854775807", "9223372036854775808", "18446744073709551615",
		"18446744073709551616", "0.00000000000000000001", "12345678901234567890.12345", "1.3400000333786009", "4.9e-324",
		"2.2250738585072014e-308", "1.7976931348623157e308", "0.1", "0.30000000000000004", "9007199254740993e-1",
		"90071992547409935e-2", "1844674407370955161.5", "0.9999999999999999999", "1e22", "1e23", "123456789e15", "8.5e-19"} {
		checkFloat(t, s)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300000 {
		// Shortest and 17-digit forms of any bits, decimals of any length, and halves between neighbours.
		f := math.Float64frombits(r.Uint64())
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			checkFloat(t, strconv.FormatFloat(f, 'g', -1, 64))
		}
		g := r.NormFloat64() * math.Pow10(r.IntN(12)-4)
		checkFloat(t, strconv.FormatFloat(g, 'f', 1+r.IntN(18), 64))
		checkFloat(t, fmt.Sprintf("%d.%0*d", r.Uint64N(1<<20), 1+r.IntN(16), r.Uint64N(1e9)))
		m := r.Uint64()>>11 | 1<<53 // odd 54-bit numbers over 2 are ties
		checkFloat(t, fmt.Sprintf("%d.5", m>>1&^1))
	}
}

func TestParseFloatRejects(t *testing.T) {
	for _, s := range []string{"", "-", "+", ".", "e5", "1e", "1e+", "0x10", "1_000", "1,5", "1 2", "--1", "1.2.3", "infinit", "na", "1-"} {
		if v, ok := parseFloat([]byte(s), '.'); ok {
			t.Errorf("%q read as %v", s, v)
		}
	}
	for s, want := range map[string]float64{"inf": math.Inf(1), "-Infinity": math.Inf(-1), "+INF": math.Inf(1)} {
		if v, ok := parseFloat([]byte(s), '.'); !ok || v != want {
			t.Errorf("%q read as %v", s, v)
		}
	}
	if v, ok := parseFloat([]byte("1,25"), ','); !ok || v != 1.25 {
		t.Errorf("decimal comma: %v", v)
	}
	if v, ok := parseFloat([]byte("1234567890123456789012,25"), ','); !ok || v != 1234567890123456789012.25 {
		t.Errorf("long decimal comma: %v", v)
	}
}

func TestAppendFloatReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Draw(t, "f")
		text := appendFloat(nil, f)
		got, ok := parseFloat(text, '.')
		if !ok || math.Float64bits(got) != math.Float64bits(f) {
			t.Fatalf("%v written as %q read as %v", f, text, got)
		}
	})
}
