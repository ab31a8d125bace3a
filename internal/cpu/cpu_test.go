package cpu

import "testing"

func TestForce(t *testing.T) {
	best := Path()
	if got := Paths()[0]; got != best {
		t.Fatalf("Paths()[0] = %q, Path() = %q", got, best)
	}
	t.Logf("paths %v, L1d %d, L2 %d, L3 %d", Paths(), L1d, L2, L3)
	for _, p := range Paths() {
		restore, err := Force(p)
		if err != nil {
			t.Fatal(err)
		}
		if Path() != p {
			t.Errorf("forced %q, Path() = %q", p, Path())
		}
		if p == portable && (X86 != x86{} || ARM64 != arm64{}) {
			t.Errorf("portable leaves %+v %+v", X86, ARM64)
		}
		// A nested Force may go up again: it starts from what the machine has.
		inner, err := Force(best)
		if err != nil || Path() != best {
			t.Errorf("nested Force(%q): path %q, error %v", best, Path(), err)
		}
		inner()
		if Path() != p {
			t.Errorf("after the nested restore: path %q, want %q", Path(), p)
		}
		restore()
		if Path() != best {
			t.Errorf("after restore: path %q, want %q", Path(), best)
		}
	}
	if _, err := Force("sse9"); err == nil || Path() != best {
		t.Errorf("Force of an unknown path: error %v, path %q", err, Path())
	}
}

func TestCacheSizes(t *testing.T) {
	if L1d < 8<<10 || L1d > 1<<20 || L2 < L1d || L3 < L2 {
		t.Errorf("cache sizes out of order: L1d %d, L2 %d, L3 %d", L1d, L2, L3)
	}
}
