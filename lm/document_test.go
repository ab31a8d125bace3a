package lm

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/model"
)

func TestDocuments(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(`{"text": "a b", "n": 1}` + "\n" + `{"text": "", "n": 2}` + "\n" + `{"text": "NA", "n": 3}`))
	z.Close()
	for name, c := range map[string]struct {
		content string
		o       DocumentOptions
		want    []string
	}{
		"plain":     {"{ one\n\ntwo", DocumentOptions{}, []string{"{ one\n\ntwo"}},
		"separated": {"one\n---\n \n---\ntwo", DocumentOptions{Separator: "---"}, []string{"one\n", "\ntwo"}},
		"gzip":      {zipped.String(), DocumentOptions{}, []string{"a b", "NA"}},
		"lines":     {`{"id": [1], "text": "x\ny"}`, DocumentOptions{}, []string{"x\ny"}},
		"tsv":       {"a\tb\n한 지\t1\n종이\t2\n", DocumentOptions{Column: "a"}, []string{"한 지", "종이"}},
	} {
		got, err := Documents(file(t, c.content), c.o)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
	for content, want := range map[string]string{"ab\xffc": "byte 2 is not UTF-8", `{"a": 1}`: "text", "\x1f\x8b": "gzip"} {
		if _, err := Documents(file(t, content), DocumentOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is held out is not trained on, and nothing is lost.
func TestSplit(t *testing.T) {
	items := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	train, val := split(items, 0.25, 7)
	both := slices.Sorted(slices.Values(slices.Concat(train, val)))
	if len(val) != 3 || !slices.Equal(both, items) {
		t.Errorf("%v and %v", train, val)
	}
	if again, _ := split(items, 0.25, 7); !slices.Equal(again, train) {
		t.Error("another split by the same seed")
	}
	text := "첫 줄입니다\n둘째 줄입니다\n셋째 줄"
	a, b := splitText(text, 0.4)
	if a[0]+b[0] != text || a[0] != "첫 줄입니다\n" {
		t.Errorf("%q and %q", a, b)
	}
	a, b = splitText("종이종이종이", 0.5)
	if a[0] != "종이종" || b[0] != "이종이" {
		t.Errorf("%q and %q", a, b)
	}
}

// Packed, rows go through samples and are all full; else a sample begins a row, and a conversation has but one.
func TestArrange(t *testing.T) {
	no := int32(model.IgnoreLabel)
	texts := []sample{{tokens: []int32{1, 2, 3, 4, 5}}, {tokens: []int32{6, 7}}, {tokens: []int32{8, 9, 10}}}
	talks := []sample{{tokens: []int32{1, 2, 3, 4, 5}, labels: []int32{no, no, 3, no, 5}}, {tokens: []int32{6, 7, 8, 9}, labels: []int32{no, no, no, 9}}}
	for name, c := range map[string]struct {
		in     []sample
		pack   bool
		want   [][]int32
		labels []int32
	}{
		"texts packed":   {texts, true, [][]int32{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}, nil},
		"texts":          {texts, false, [][]int32{{1, 2, 3}, {4, 5}, {6, 7}, {8, 9, 10}}, nil},
		"talks packed":   {talks, true, [][]int32{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}, []int32{no, no, 3, no, 5, no, no, no, 9}},
		"talks":          {talks, false, [][]int32{{1, 2, 3}}, []int32{no, no, 3}}, // what is said of the second lies beyond
		"a single token": {[]sample{{tokens: []int32{1}}}, false, nil, nil},
	} {
		r := arrange(c.in, 3, c.pack)
		var got [][]int32
		for i := range r.Len() {
			got = append(got, r.Row(i))
		}
		if !slices.EqualFunc(got, c.want, slices.Equal[[]int32]) || !slices.Equal(r.Labels, c.labels) {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, r.Labels, c.want, c.labels)
		}
	}
}
