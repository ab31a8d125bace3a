package house

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxLines is where a file has stopped holding one concept. 500 is the smell, 700 the law.
const maxLines = 700

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func TestFileLength(t *testing.T) {
	for _, name := range files(t) {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		b := read(t, name)
		if n := bytes.Count(b, []byte("\n")); n > maxLines && !generated.Match(b) {
			t.Errorf("%s has %d lines, the limit is %d: which concept can move out?", name, n, maxLines)
		}
	}
}

// machinePath finds a path that exists on somebody's machine only. It is put together
// from pieces, or it would find itself.
var machinePath = regexp.MustCompile(`(^|[^\w.~-])(/(` + strings.Join([]string{"work", "root", "home", "Users", "mnt"}, "|") + `)/\w|[A-Z]:\\Users\\)`)

func TestMachinePathPattern(t *testing.T) {
	for s, want := range map[string]bool{
		"see /" + "work/x":       true,
		`"/` + "home/kim/data\"": true,
		"github.com/root/x":      false,
		"$HOME/work/x":           false,
		"a network/root/x":       false,
		"https://x.io/home/page": false,
		"../shared/golden":       false,
	} {
		if machinePath.MatchString(s) != want {
			t.Errorf("%q: %v, want %v", s, !want, want)
		}
	}
}

func TestNoMachinePath(t *testing.T) {
	for _, name := range files(t) {
		b := read(t, name)
		if bytes.IndexByte(b, 0) >= 0 || strings.Contains(name, "/testdata/fuzz/") {
			continue // a picture, a checkpoint; bytes that a fuzzer made up
		}
		for i, line := range strings.Split(string(b), "\n") {
			if m := machinePath.FindString(line); m != "" {
				t.Errorf("%s:%d: %q is a path of one machine", name, i+1, strings.TrimSpace(m))
			}
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
