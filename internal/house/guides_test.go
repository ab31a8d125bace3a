package house

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// oneCopy are pages of docs/ that exist in English alone: figures that are measured again and again must not have a
// second place to go stale in.
var oneCopy = []string{"docs/RESULTS.md"}

// twin is the page in the other language, "" where a file is no guide.
func twin(name string) string {
	dir, base := path.Split(name)
	switch {
	case name == "README.md":
		return "README.ko.md"
	case name == "README.ko.md":
		return "README.md"
	case !strings.HasSuffix(base, ".md") || slices.Contains(oneCopy, name):
		return ""
	case dir == "docs/":
		return "docs/ko/" + base
	case dir == "docs/ko/":
		return "docs/" + base
	}
	return ""
}

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// code are the fenced blocks that name a language: what a reader copies.
func code(text string) []string {
	var list []string
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1]+"\n"+m[2])
	}
	return list
}

// TestGuidesInTwoLanguages: every guide exists in English and Korean, each links to the other, and both show the same code.
func TestGuidesInTwoLanguages(t *testing.T) {
	all := files(t)
	n := 0
	for _, name := range all {
		other := twin(name)
		if other == "" {
			continue
		}
		n++
		if !slices.Contains(all, other) {
			t.Errorf("%s has no %s", name, other)
			continue
		}
		text := string(read(t, name))
		if !slices.Contains(links(name, text), other) {
			t.Errorf("%s does not link to %s", name, other)
		}
		if strings.HasSuffix(name, ".ko.md") || strings.HasPrefix(name, "docs/ko/") {
			continue
		}
		mine, its := code(text), code(string(read(t, other)))
		if len(mine) != len(its) {
			t.Errorf("%s shows %d blocks of code, %s %d", name, len(mine), other, len(its))
			continue
		}
		for i := range mine {
			if mine[i] != its[i] {
				t.Errorf("block %d of %s differs from that of %s:\n%s", i+1, name, other, mine[i])
			}
		}
	}
	if n < 4 {
		t.Errorf("found %d guides; where are they?", n)
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// links are the files of the tree that a page links to, as slash paths from the root; anchors are cut off.
func links(name, text string) []string {
	var list []string
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		u, err := url.Parse(m[1])
		if err == nil && u.Scheme == "" && u.Path != "" {
			list = append(list, path.Join(path.Dir(name), u.Path))
		}
	}
	return list
}

// TestLinks: what a page links to inside the tree is there, headings included.
func TestLinks(t *testing.T) {
	n := 0
	for _, name := range files(t) {
		if !strings.HasSuffix(name, ".md") || strings.Contains(name, "/testdata/") {
			continue
		}
		text := string(read(t, name))
		for _, to := range links(name, text) {
			n++
			if _, err := os.Stat(filepath.Join(root(t), filepath.FromSlash(to))); err != nil {
				t.Errorf("%s links to %s, which is not there", name, to)
			}
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			u, err := url.Parse(m[1])
			if err != nil || u.Scheme != "" || u.Fragment == "" {
				continue
			}
			to := name
			if u.Path != "" {
				to = path.Join(path.Dir(name), u.Path)
			}
			if !slices.Contains(anchors(string(read(t, to))), u.Fragment) {
				t.Errorf("%s links to %s: no heading of that name", name, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("found %d links; is the pattern right?", n)
	}
}

var heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)

// anchors are the fragments that GitHub gives the headings of a page: lower case, blanks as hyphens, punctuation left out.
func anchors(text string) []string {
	var list []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		a := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case strings.ContainsRune("`.,:;()[]/*'\"?!&+", r):
				return -1
			}
			return r
		}, strings.ToLower(m[1]))
		list = append(list, a)
	}
	return list
}

func TestLinksPattern(t *testing.T) {
	got := links("docs/ko/a.md", "[x](../b.md#c) [y](https://x.io/d.md) ![z](p.png) [w](#here)")
	if want := []string{"docs/b.md", "docs/ko/p.png"}; !slices.Equal(got, want) {
		t.Errorf("links %q, want %q", got, want)
	}
	if got := anchors("# One\n## hanji `eval`, twice: 두 번\n"); !slices.Equal(got, []string{"one", "hanji-eval-twice-두-번"}) {
		t.Errorf("anchors %q", got)
	}
	if got := code("```\na\n```\n```sh\nb\n```\n"); !slices.Equal(got, []string{"sh\nb\n"}) {
		t.Errorf("code %q", got)
	}
}
