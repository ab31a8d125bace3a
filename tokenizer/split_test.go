package tokenizer

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Each splitter written by hand cuts as its pattern does on Go's regexp, once that has been
// taught the look-ahead; possessive quantifiers, which Go has not, change nothing here.
func TestSplitters(t *testing.T) {
	runes := []rune(" \t\n\r\u00a0\u3000'sStTrReEvVlLmMdDaZé한ǅʰªſ字\u0301\U000e0100/.-_!123٣½\u200b😀\U000f0000")
	possessive := regexp.MustCompile(`([?+*]|\{1,3\})\+`)
	for source, known := range knownSplits {
		plain := possessive.ReplaceAllString(source, "$1")
		plain = strings.Replace(plain, `\s+$|`, `\s+\z|`, 1)
		p, err := goPattern(plain)
		if err != nil {
			t.Fatal(source, err)
		}
		byHand := cutting{known()}
		cuts := func(p pattern, s string) (at []int) {
			p.each(s, func(_, hi int, match bool) {
				if !match {
					t.Fatalf("%q leaves something out of %q", source, s)
				}
				at = append(at, hi)
			})
			return at
		}
		rapid.Check(t, func(r *rapid.T) {
			s := string(rapid.SliceOfN(rapid.SampledFrom(runes), 1, 24).Draw(r, "text"))
			if got, want := cuts(byHand, s), cuts(p, s); !slices.Equal(got, want) {
				r.Fatalf("%q cuts %q at %v, want %v", source, s, got, want)
			}
		})
	}
}
