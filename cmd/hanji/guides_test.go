package main

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/lm"
)

// guides are the pages that tell people what to type.
func guides(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/ko/*.md"} {
		names, err := filepath.Glob(filepath.Join("../..", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			pages[name] = string(b)
		}
	}
	return pages
}

// TestGuidesCommands: every command line that a guide shows is one that the program takes. A line in a fenced block is
// whole, arguments and required flags included; in running text (`hanji eval`) only commands and flags have to exist.
func TestGuidesCommands(t *testing.T) {
	n := 0
	for name, text := range guides(t) {
		for _, line := range shown(text) {
			n++
			if err := understood(line.args, line.whole); err != nil {
				t.Errorf("%s: hanji %s: %v", name, strings.Join(line.args, " "), err)
			}
		}
	}
	if n < 30 {
		t.Errorf("found %d command lines; is the pattern right?", n)
	}
}

type commandLine struct {
	args  []string
	whole bool
}

var (
	block  = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```$")
	inline = regexp.MustCompile("`([^`\n]*)`")
	// before is what may stand before the program's name: a prompt, variables, its folder.
	before = regexp.MustCompile(`^(\$ )?([A-Z_]+=\S* )*(\./)?hanji( |$)`)
)

// shown finds the command lines of a page.
func shown(text string) []commandLine {
	var list []commandLine
	add := func(line string, whole bool) {
		for part := range strings.SplitSeq(line, " | ") {
			if m := before.FindString(part); m != "" {
				list = append(list, commandLine{words(part[len(m):]), whole})
			}
		}
	}
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(strings.ReplaceAll(m[1], "\\\n", " ")) {
			add(strings.TrimSpace(line), true)
		}
	}
	for _, m := range inline.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
		add(m[1], false)
	}
	return list
}

// words splits as a shell does, as far as guides go: quotes, comments, redirections.
func words(s string) []string {
	var list []string
	var w strings.Builder
	var quote rune
	open := false
	for _, r := range s + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			w.WriteRune(r)
		case r == '\'' || r == '"':
			quote, open = r, true
		case r == ' ':
			if open {
				list = append(list, w.String())
			}
			w.Reset()
			open = false
		default:
			w.WriteRune(r)
			open = true
		}
	}
	if i := slices.IndexFunc(list, func(s string) bool { return s == "#" || s == ">" || s == "<" || s == "2>" || s == "&&" }); i >= 0 {
		list = list[:i]
	}
	return list
}

// understood parses a command line as the program would, and does not run it.
func understood(args []string, whole bool) error {
	cmd, rest, err := newRootCmd().Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if !whole {
		return nil
	}
	if cmd.HasSubCommands() && cmd.HasParent() && cmd.Flags().NArg() == 0 {
		return fmt.Errorf("%s needs a command", cmd.CommandPath())
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	if cmd.RunE == nil && cmd.Run == nil {
		return fmt.Errorf("%s does nothing", cmd.CommandPath())
	}
	return cmd.ValidateRequiredFlags()
}

func TestGuidesPattern(t *testing.T) {
	page := "Use `hanji eval` or `--json`.\n```sh\nX=1 ./hanji train r.yaml \\\n  --set 'a=b c' # why\ncat x | hanji forecast - --json > out\n```\n`hanji-old x`\n"
	var got []string
	for _, c := range shown(page) {
		got = append(got, fmt.Sprintf("%q %v", c.args, c.whole))
	}
	want := []string{`["train" "r.yaml" "--set" "a=b c"] true`, `["forecast" "-" "--json"] true`, `["eval"] false`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, bad := range []string{"forcast x.csv", "forecast x.csv --horizn 3", "forecast", "eval", "eval forecast --data x.csv", "version now"} {
		if understood(words(bad), true) == nil {
			t.Errorf("hanji %s is taken for a good command line", bad)
		}
	}
}

// TestGuidesExamples: the examples that --help shows parse, too.
func TestGuidesExamples(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			line, ok := strings.CutPrefix(strings.TrimSpace(line), "hanji ")
			if !ok {
				continue
			}
			if err := understood(words(line), true); err != nil {
				t.Errorf("%s --help: hanji %s: %v", c.CommandPath(), line, err)
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRootCmd())
}

// TestGuidesKeys: the guides to training name every key of a recipe.
func TestGuidesKeys(t *testing.T) {
	all := guides(t)
	page := func(names ...string) (text string) {
		for _, name := range names {
			text += all[filepath.Join("../..", "docs", name)]
		}
		return text
	}
	keysNamed(t, page("train.md"), reflect.TypeFor[forecast.Recipe]())
	keysNamed(t, page("train-language.md", "train.md"), reflect.TypeFor[lm.Recipe]())
}

func keysNamed(t *testing.T, page string, typ reflect.Type) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return
	}
	for i := range typ.NumField() {
		key := typ.Field(i).Tag.Get("yaml")
		if key == "-" {
			continue
		}
		if kind := typ.Field(i).Type.Kind(); kind == reflect.Struct { // named by its own keys
			keysNamed(t, page, typ.Field(i).Type)
			continue
		}
		if !regexp.MustCompile("`([a-z]+\\.)*" + regexp.QuoteMeta(key) + "`").MatchString(page) {
			t.Errorf("the guide does not name `%s` (%s of %s)", key, typ.Field(i).Name, typ)
		}
		keysNamed(t, page, typ.Field(i).Type)
	}
}

var program = regexp.MustCompile("(?ms)^```go\n(package main\n.*?)^```$")

// TestGuidesPrograms: the programs in the guides compile.
func TestGuidesPrograms(t *testing.T) {
	dir, seen := t.TempDir(), map[string]bool{}
	for name, text := range guides(t) {
		for _, m := range program.FindAllStringSubmatch(text, -1) {
			if seen[m[1]] { // the Korean page shows the same
				continue
			}
			seen[m[1]] = true
			file := filepath.Join(dir, fmt.Sprintf("%d.go", len(seen)))
			if err := os.WriteFile(file, []byte(m[1]), 0o666); err != nil {
				t.Fatal(err)
			}
			if b, err := format.Source([]byte(m[1])); err != nil || string(b) != m[1] {
				t.Errorf("%s: gofmt would change a program: %v", name, err)
			}
			if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	}
	if len(seen) < 3 {
		t.Errorf("found %d programs; is the pattern right?", len(seen))
	}
}
