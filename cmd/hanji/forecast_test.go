package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
)

// osSystemPickle is what `torch.load` would run `touch FILE` for: protocol 2, posix.system called with the text.
func osSystemPickle(command string) []byte {
	return fmt.Appendf(nil, "\x80\x02cposix\nsystem\nX%c\x00\x00\x00%s\x85R.", len(command), command)
}

// TestForecastBadFiles is testdata/script/forecast_bad.txtar for files that are not text, or long.
func TestForecastBadFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name string, b []byte) {
		if err := os.WriteFile(name, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var good, text bytes.Buffer
	good.WriteString("ds,y\n")
	text.WriteString("ds,y\n")
	for i := range 5000 {
		if i < 40 {
			fmt.Fprintf(&good, "%d,%d\n", i, i%7)
		}
		if i == 4810 { // line 4812: the header is line 1
			fmt.Fprintf(&text, "%d,closed\n", i)
			continue
		}
		fmt.Fprintf(&text, "%d,%d\n", i, i%7)
	}
	write("good.csv", good.Bytes())
	write("text.csv", text.Bytes())
	write("photo.csv", append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), bytes.Repeat([]byte{1, 0, 200}, 500)...))
	whole, err := os.ReadFile(filepath.Join(golden.Shared(t), "data", "ttm", "r2-512-96", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	write("cut.safetensors", whole[:len(whole)/3])
	var pth bytes.Buffer
	z := zip.NewWriter(&pth)
	for _, record := range []struct {
		name    string
		content []byte
	}{{"archive/data.pkl", osSystemPickle("touch ran")}, {"archive/version", []byte("3\n")}} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: record.name, Method: zip.Store}) // as torch does
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(record.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	write("evil.pth", pth.Bytes())
	write("evil.pkl", osSystemPickle("touch ran"))
	for _, c := range []struct {
		args string
		want []string // in the one line of the error
	}{
		{"text.csv", []string{"text.csv:4812", `"y"`, `"closed"`, "--missing"}},
		{"photo.csv", []string{"photo.csv", "JPEG"}},
		{"good.csv --model cut.safetensors", []string{"cut.safetensors", "truncated"}},
		{"good.csv --model evil.pth", []string{"evil.pth", "posix", "system"}},
		{"good.csv --model evil.pkl", []string{"evil.pkl"}},
		{"good.csv --model photo.csv", []string{"photo.csv"}},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"forecast", "-o", "out.csv", "--plot", "out.png"}, strings.Fields(c.args)...), strings.NewReader(""), &stdout, &stderr)
		if code != exitFailed || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%s: exit code %d, %q, %q; want %d and one line of error", c.args, code, &stdout, &stderr, exitFailed)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%s: %q, want %q in it", c.args, &stderr, want)
			}
		}
	}
	left, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 6 { // good, text, photo, cut, and the two pickles, which did not run
		t.Errorf("files left behind: %v", left)
	}
}
