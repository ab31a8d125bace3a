package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const serveTemplate = `{% if tools %}{{ tools|tojson }}{% endif %}{% for m in messages %}{{ m.role[0] }}:{{ m.content }}` +
	`{% if m.tool_calls %}{{ m.tool_calls|tojson }}{% endif %};{% endfor %}{% if add_generation_prompt %}a:{% endif %}`

// served runs `hanji serve` on a tiny model and gives its address; what the command wrote comes by the function, which stops it.
func served(t *testing.T, args ...string) (url string, stop func() (code int, stderr string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := tinyLLM(path, "F32", serveTemplate); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"serve", path, "--addr", "127.0.0.1:0"}, args...), strings.NewReader(""), io.Discard, w)
		w.Close()
	}()
	var all strings.Builder
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		if m := regexp.MustCompile(`^listening on (\S+), loading`).FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
		}
		if strings.HasPrefix(lines.Text(), "ready: ") {
			break
		}
	}
	rest := make(chan string, 1)
	go func() { b, _ := io.ReadAll(r); rest <- string(b) }()
	stopped := false
	stop = func() (int, string) {
		stopped = true
		cancel()
		return <-code, all.String() + <-rest
	}
	t.Cleanup(func() {
		if !stopped {
			stop()
		}
	})
	if url == "" {
		_, text := stop()
		t.Fatalf("the server did not start: %s", text)
	}
	return url, stop
}

// TestOfficialClients: OpenAI's clients for Python and Node and Anthropic's for Python take the server for the real one. They
// need HANJI_PYTHON, a Python with openai and anthropic, and HANJI_NODE, a folder whose node_modules has openai; CONTRIBUTING.md
// says when to run it.
func TestOfficialClients(t *testing.T) {
	python, node := os.Getenv("HANJI_PYTHON"), os.Getenv("HANJI_NODE")
	if python != "" && exec.Command(python, "-c", "import openai, anthropic").Run() != nil {
		t.Log("HANJI_PYTHON has no openai and anthropic: those clients are not tried in this run")
		python = ""
	}
	if python == "" && node == "" {
		t.Log("neither HANJI_PYTHON nor HANJI_NODE is set: the official clients are not tried in this run")
		return
	}
	url, _ := served(t, "--ctx", "1024", "--api-key", "a-key-for-tests", "--alias", "gpt-4o", "--alias", "gpt-4o-mini=tiny")
	scripts, err := filepath.Abs(filepath.Join("testdata", "clients"))
	if err != nil {
		t.Fatal(err)
	}
	try := func(dir, program, script string) {
		cmd := exec.Command(program, filepath.Join(scripts, script), url)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
		t.Logf("%s tried %s", script, strings.Join(strings.Fields(string(out)), " "))
	}
	if python != "" {
		try("", python, "client.py")
	}
	if node != "" {
		try(node, "node", "client.mjs")
	}
	// A client that left in the middle has freed its slot.
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		req, err := http.NewRequest("GET", url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer a-key-for-tests")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if strings.Contains(string(b), `hanji:num_requests_running{model_name="tiny"} 0`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a slot is taken still:\n%s", b)
		}
	}
}
