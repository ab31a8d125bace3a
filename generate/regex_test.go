package generate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// byteVocabulary has every byte, the given pieces, and an end token, which is last.
func byteVocabulary(t testing.TB, pieces ...string) *Vocabulary {
	t.Helper()
	var all []string
	for b := range 256 {
		all = append(all, string([]byte{byte(b)}))
	}
	return letters(t, append(all, pieces...)...)
}

// allAlive checks that a text can be finished from every state that can be reached, up to a number of states.
func allAlive(t testing.TB, c *Constraint, limit int) {
	t.Helper()
	order := []*state{c.auto.start}
	seen := map[*state]bool{c.auto.start: true}
	to := map[*state][]*state{}
	for i := 0; i < len(order); i++ {
		if len(order) > limit {
			return // only whole graphs can be judged
		}
		s := order[i]
		for b := range 256 {
			next, err := c.auto.step(s, byte(b))
			if err != nil {
				t.Fatal(err)
			}
			if next == c.auto.dead {
				continue
			}
			to[s] = append(to[s], next)
			if !seen[next] {
				seen[next] = true
				order = append(order, next)
			}
		}
	}
	alive := map[*state]bool{}
	for changed := true; changed; {
		changed = false
		for _, s := range order {
			ok := alive[s] || s.accept
			for _, next := range to[s] {
				ok = ok || alive[next]
			}
			if ok && !alive[s] {
				alive[s], changed = true, true
			}
		}
	}
	if len(alive) != len(order) {
		t.Errorf("%d of %d states lead nowhere", len(order)-len(alive), len(order))
	}
}

var patterns = []string{
	``, `a`, `abc`, `a|b|`, `a*`, `(ab)*c`, `[a-c]+x?`, `a{2,4}`, `(a|ab)(c|bcd)`, `(?i)aBc`, `[^a]`, `.`, `(?s).`, `a.c`, `(a*)*b`,
	`(a|b)*a(a|b){3}`, `\d{3}-\d{4}`, `^ab$`, `^a|b$`, `(a?){5}a{3}`, `[가-힣]+`, `é?한`, `[^\x00-\x7F]`, `\w+\s\w+`, `a{0}`, `(|a)+b`, `\p{Greek}a`, `[\x{10000}-\x{10FFFF}]|b`,
}

// A constraint accepts what Go's regexp matches as a whole.
func TestRegexMatches(t *testing.T) {
	v := byteVocabulary(t)
	r := rand.New(rand.NewPCG(7, 8))
	alphabet := []string{"a", "b", "c", "d", "x", "A", "B", "1", "2", "-", " ", "\n", "é", "한", "α", "😀", "\xff", "\xed\xa0\x80"}
	for _, p := range patterns {
		c, err := Regex(v, p)
		if err != nil {
			t.Errorf("%q: %v", p, err)
			continue
		}
		allAlive(t, c, 2000)
		want := regexp.MustCompile(`\A(?:` + p + `)\z`)
		accepted := 0
		for range 2000 {
			var b strings.Builder
			for range r.IntN(8) {
				if r.IntN(2) == 0 {
					b.WriteString(alphabet[r.IntN(6)])
				} else {
					b.WriteString(alphabet[r.IntN(len(alphabet))])
				}
			}
			s := b.String()
			ok := want.MatchString(s) && utf8.ValidString(s) // regexp reads a bad byte as U+FFFD
			if c.Match(s) != ok {
				t.Errorf("%q on %q: %v, want %v", p, s, !ok, ok)
			}
			if ok {
				accepted++
			}
		}
		t.Logf("%q: %d accepted", p, accepted)
	}
}

// Every character of every length, one by one, and the bytes around them.
func TestRunes(t *testing.T) {
	for _, ranges := range [][]rune{
		{0, utf8.MaxRune}, {'a', 'z'}, {0x80, 0x7FF}, {0x7F, 0x800}, {0xD000, 0xE123}, {0xFFF0, 0x10010}, {0x12345, 0x54321}, {0xD800, 0xDFFF},
		{'a', 'a', 0x3B1, 0x3C9, 0xAC00, 0xD7A3}, {0x10FFFF, 0x10FFFF},
	} {
		e := runes(ranges)
		a, err := newAutomaton(e, 0)
		if err != nil {
			if ranges[0] == 0xD800 {
				continue // surrogates have no UTF-8
			}
			t.Fatal(err)
		}
		for r := rune(0); r <= utf8.MaxRune; r += 1 + r/997 {
			want := false
			for i := 0; i < len(ranges); i += 2 {
				want = want || utf8.ValidRune(r) && ranges[i] <= r && r <= ranges[i+1]
			}
			b := []byte(string(r))
			if !utf8.ValidRune(r) {
				b = []byte{0xE0 | byte(r>>12), 0x80 | byte(r>>6)&0x3F, 0x80 | byte(r)&0x3F}
			}
			got, err := a.match(b)
			if err != nil || got != want {
				t.Fatalf("%x: %U is %v, want %v (%v)", ranges, r, got, want, err)
			}
		}
		for _, bad := range []string{"", "\xff", "\xc0\x80", "\xe0\x80\x80", "\xf4\x90\x80\x80", "\xf0\x80\x80\x80", "한"[:2], "aa"} {
			if got, _ := a.match([]byte(bad)); got {
				t.Errorf("%x accepts %q", ranges, bad)
			}
		}
	}
}

// walk decodes under a constraint with random logits and returns the text and whether it ended by itself.
func walk(t testing.TB, c *Constraint, seed uint64, o Options) Result {
	t.Helper()
	o.Vocabulary, o.Constraint, o.Temperature, o.Seed = c.v, c, 1, seed
	m := newToy(t, c.v.Len(), func(tokens []int32, row []float32) {
		hashed(2)(append([]int32{int32(seed)}, tokens...), row)
	})
	r, err := Run(context.Background(), m, []int32{0}, o)
	if err != nil {
		t.Fatalf("%v after %q", err, r.Text)
	}
	return r
}

// Random logits under a constraint give members of it, whatever else is asked for.
func TestRegexWalk(t *testing.T) {
	v := byteVocabulary(t, "ab", "abc", "a b", "bb", "12", "-", "123-", "한", "글", "한글", "\xed\x95", "aaaa")
	for _, p := range patterns {
		c, err := Regex(v, p)
		if err != nil {
			t.Fatal(err)
		}
		want := regexp.MustCompile(`\A(?:` + p + `)\z`)
		for seed := range uint64(20) {
			for _, o := range []Options{{MaxTokens: 200}, {MaxTokens: 200, TopK: 2, NoRepeatNGram: 1, MinTokens: 3, PromptLookup: 3}} {
				r := walk(t, c, seed, o)
				if r.Finish == FinishStop && !want.MatchString(r.Text) {
					t.Errorf("%q: %q does not match", p, r.Text)
				}
				if r.Finish != FinishStop && !strings.ContainsAny(p, "*+") {
					t.Errorf("%q: %q does not end", p, r.Text)
				}
			}
		}
	}
}

// A token is allowed exactly if what follows can still match.
func TestMask(t *testing.T) {
	v := letters(t, "a", "ab", "abc", "b", "c", "ca", "x")
	c, err := Regex(v, `(ab|c)*`)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		after []int32
		want  string
	}{
		{nil, "a ab abc c ca end"},
		{[]int32{0}, "b"},
		{[]int32{1}, "a ab abc c ca end"},
		{[]int32{5}, "b"},
	} {
		m := c.matcher()
		for _, id := range s.after {
			if err := m.advance(id); err != nil {
				t.Fatal(err)
			}
		}
		x := make([]float32, v.Len()+3) // a model's rows may be padded
		if err := m.filter(x, make([]float32, len(x)), []int32{7}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for id, l := range x {
			if l == 0 {
				got = append(got, map[bool]string{true: "end", false: v.Text(int32(id))}[id == 7])
			}
		}
		if strings.Join(got, " ") != s.want {
			t.Errorf("after %v: %q, want %s", s.after, got, s.want)
		}
	}
	m := c.matcher()
	if err := m.advance(6); err == nil {
		t.Error("x fits (ab|c)*")
	}
	short, err := Regex(letters(t, "a", "b"), `a[bc]d`)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSequence([]int32{0}, Options{Vocabulary: short.v, Constraint: short})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = s.Next(make([]float32, 3))
	}
	if !strings.Contains(err.Error(), "no token of the vocabulary") {
		t.Errorf("a vocabulary without d: %v", err)
	}
	if err := (Options{Vocabulary: v, Constraint: short}).Validate(); err == nil {
		t.Error("a constraint of another vocabulary is valid")
	}
}

// Forgetting the caches changes nothing, in the middle of a text either.
func TestForget(t *testing.T) {
	v := byteVocabulary(t, "ab", "bb", "aab")
	c, err := Regex(v, `(a|b)*a(a|b){5}`)
	if err != nil {
		t.Fatal(err)
	}
	fresh, _ := Regex(v, `(a|b)*a(a|b){5}`)
	m, n := c.matcher(), fresh.matcher()
	for i := range 50 {
		c.auto.size = cacheBytes + 1
		a, err := c.allowed(m.at)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := fresh.allowed(n.at)
		if fmt.Sprint(a) != fmt.Sprint(b) || m.at.accept != n.at.accept {
			t.Fatalf("step %d: %v, want %v", i, a, b)
		}
		id := int32('a' + i*7%5%2)
		if m.advance(id) != nil || n.advance(id) != nil {
			t.Fatal("a and b fit")
		}
	}
}

func TestRegexErrors(t *testing.T) {
	v := byteVocabulary(t)
	for p, want := range map[string]string{
		`a(`:                       "missing closing",
		`a\b`:                      "not supported",
		`a^b`:                      "at the ends",
		`(?m)a$b`:                  "not supported",
		`(?=a)`:                    "invalid or unsupported",
		`[^\x00-\x{10FFFF}]`:       "nothing satisfies",
		`(a{1000}){1000}`:          "invalid repeat",
		strings.Repeat("a", 1<<17): "the limit is 65536",
		`((((a{1,6}){1,6}){1,6}b?)|a{0,400}){1,2}\p{L}{0,4}`: "",
	} {
		_, err := Regex(v, p)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.50q: %v, want %q", p, err, want)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%.50q: an error of %d bytes", p, len(err.Error()))
		}
	}
	if _, err := Regex(nil, "a"); err == nil {
		t.Error("no vocabulary is no error")
	}
}

func FuzzRegex(f *testing.F) {
	for _, p := range patterns {
		f.Add(p, "abc", uint64(1))
	}
	f.Add(`((a{1,30}){1,30}|b*)*`, "aab", uint64(2))
	f.Add(`[\pL\pN]{3,9}`, "한글한", uint64(3))
	v := byteVocabulary(f, "ab", "abc", "  ")
	f.Fuzz(func(t *testing.T, p, s string, seed uint64) {
		if len(p) > 200 {
			return
		}
		c, err := Regex(v, p)
		if err != nil {
			return
		}
		re, err := regexp.Compile(`\A(?:` + p + `)\z`)
		if err != nil {
			return // Go counts the wrapping too
		}
		if c.Match(s) && !(re.MatchString(s) && utf8.ValidString(s)) {
			t.Fatalf("%q accepts %q", p, s)
		}
		m := c.matcher()
		var text []byte
		for i := range uint64(20) {
			set, err := c.allowed(m.at)
			if err != nil {
				return // ambiguous: said so
			}
			if set.n == 0 {
				if !m.at.accept {
					t.Fatalf("%q: a dead end after %q", p, text)
				}
				break
			}
			id := nth(set, int((seed+i*i)%uint64(set.n)))
			text = append(text, v.Text(id)...)
			if err := m.advance(id); err != nil {
				if err == errAmbiguous {
					return
				}
				t.Fatalf("%q: %v", p, err)
			}
		}
		if m.at.accept && !re.Match(text) {
			t.Fatalf("%q gave %q", p, text)
		}
	})
}

// nth is the token at place n of a set.
func nth(set *tokenSet, n int) int32 {
	for id := int32(0); ; id++ {
		if set.bits[id/64]>>(id%64)&1 != 0 {
			if n == 0 {
				return id
			}
			n--
		}
	}
}

// One constraint serves many outputs at once, forgetting in between.
func TestConstraintConcurrent(t *testing.T) {
	v := byteVocabulary(t, "ab", "bb", `":`, `{"`)
	c, err := JSONSchema(v, []byte(schemas[0]), SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := make([]Result, 8)
	for i := range want {
		want[i] = walk(t, c, uint64(i), Options{MaxTokens: 40})
	}
	var wg sync.WaitGroup
	for i := range want {
		wg.Go(func() {
			if i == 3 {
				for range 20 {
					c.mu.Lock()
					c.auto.forget()
					c.mu.Unlock()
				}
			}
			if got := walk(t, c, uint64(i), Options{MaxTokens: 40}); got.Text != want[i].Text {
				t.Errorf("beside others %q, alone %q", got.Text, want[i].Text)
			}
			c.Match(want[i].Text)
		})
	}
	wg.Wait()
}
