package house

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestNotice: every module that a program of ours links, on each platform we build for, is
// credited in NOTICE with its licence.
func TestNotice(t *testing.T) {
	var credited []string
	for line := range strings.Lines(string(read(t, "NOTICE"))) {
		if f := strings.Fields(line); len(f) >= 2 {
			credited = append(credited, f[0])
		}
	}
	for _, goos := range []string{"linux", "windows", "darwin"} {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/...", "./plot")
		cmd.Dir = root(t)
		cmd.Env = append(cmd.Environ(), "GOOS="+goos, "CGO_ENABLED=0", "GOFLAGS=") // go test's own flags, such as -json, are not go list's
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list for %s: %v", goos, err)
		}
		linked := strings.Fields(string(out))
		slices.Sort(linked)
		for _, m := range slices.Compact(linked) {
			if m != module && !slices.Contains(credited, m) {
				t.Errorf("%s links %s, which NOTICE does not name", goos, m)
			}
		}
	}
}
