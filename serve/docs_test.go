package serve

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestDocs: the guide, in both languages, names every parameter, and those without effect and those that are refused where it
// speaks of them.
func TestDocs(t *testing.T) {
	for _, page := range []string{"../docs/serve.md", "../docs/ko/serve.md"} {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		paragraphs := map[string]string{}
		for p := range strings.SplitSeq(string(b), "\n\n") {
			for tag, begins := range map[string][]string{"ignored": {"**Accepted without effect", "**받지만"}, "refused": {"**Refused", "**답이 달라지므로"}} {
				if strings.HasPrefix(p, begins[0]) || strings.HasPrefix(p, begins[1]) {
					paragraphs[tag] = p
				}
			}
		}
		for _, v := range []any{chatRequest{}, completionRequest{}, responseRequest{}, messagesRequest{}, embeddingRequest{}, tokenizeRequest{}, detokenizeRequest{}, templateRequest{}} {
			parameters(reflect.TypeOf(v), func(name string, f reflect.StructField) {
				where := string(b)
				for tag, p := range paragraphs {
					if f.Tag.Get(tag) != "" {
						where = p
					}
				}
				if !strings.Contains(where, "`"+name+"`") && !strings.Contains(where, `"`+name+`"`) && name != "model" {
					t.Errorf("%s does not name `%s` of %T where it should", page, name, v)
				}
			})
		}
		for _, name := range forecastNames {
			if !strings.Contains(string(b), "`"+name+"`") {
				t.Errorf("%s does not name `%s` of /v1/forecast", page, name)
			}
		}
		s, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		for path := range s.routes {
			if _, ok := pages[path]; !ok && !strings.Contains(string(b), strings.ReplaceAll(path, "{id}", "ID")) {
				t.Errorf("%s does not name %s", page, path)
			}
		}
	}
}
