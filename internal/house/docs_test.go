package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var example = regexp.MustCompile(`(?m)^func Example\w*\(\) \{`)

// output is what makes an example run: without it the compiler is its only reader.
var output = regexp.MustCompile(`(?mi)^\s*// (unordered )?output:`)

// TestDocumented: a package says what it is for; one that others may import also shows its
// shortest use in an example that runs.
func TestDocumented(t *testing.T) {
	for _, p := range goList(t, "./...") {
		if p.Name == "" {
			t.Errorf("%s holds no Go file for this platform", p.ImportPath)
			continue
		}
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		if p.Name == "main" || strings.HasPrefix(p.short(), "internal/") {
			continue
		}
		if !hasExample(t, p) {
			t.Errorf("%s has no Example with // Output:", p.ImportPath)
		}
	}
}

func hasExample(t *testing.T, p pkg) bool {
	t.Helper()
	for _, name := range append(p.TestGoFiles, p.XTestGoFiles...) {
		b, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if example.Match(b) && output.Match(b) {
			return true
		}
	}
	return false
}
