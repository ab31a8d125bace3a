package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
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
	ready := false
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		if m := regexp.MustCompile(`^listening on (\S+), loading`).FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
		}
		if ready = strings.HasPrefix(lines.Text(), "ready: "); ready {
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
	if url == "" || !ready {
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

// `hanji serve` answers until it is told to stop, and ends with 0.
func TestServe(t *testing.T) {
	url, stop := served(t, "--max-tokens", "20", "--log-level", "info")
	resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(`{"messages": [{"role": "user", "content": "a secret"}], "max_tokens": 5, "ignore_eos": true}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(b), `"finish_reason":"length"`) || !strings.Contains(string(b), `"completion_tokens":5`) {
		t.Errorf("%d %s, %v", resp.StatusCode, b, err)
	}
	code, text := stop()
	if code != 0 || !strings.Contains(text, "ready: tiny\n") || !strings.Contains(text, "route=/v1/chat/completions status=200") {
		t.Errorf("exit code %d, %s", code, text)
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "WARNING") {
		t.Errorf("it wrote %s", text)
	}
	if _, err := http.Get(url + "/health"); err == nil {
		t.Error("it answers still")
	}
	_, stop = served(t, "--addr", "0.0.0.0:0")
	if code, text := stop(); code != 0 || !strings.Contains(text, "WARNING: ") || !strings.Contains(text, "asks for no key") {
		t.Errorf("open to all: exit code %d, %s", code, text)
	}
	t.Setenv("HANJI_API_KEYS", " a-key-for-tests , another-key ")
	_, stop = served(t, "--addr", "0.0.0.0:0")
	if code, text := stop(); code != 0 || strings.Contains(text, "WARNING") {
		t.Errorf("with keys: exit code %d, %s", code, text)
	}
}

// With a certificate it speaks TLS, and nothing else.
func TestServeTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url, _ := served(t, "--tls-cert", certFile, "--tls-key", keyFile)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	resp, err := client.Get(url + "/health")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(url, "https://") {
		t.Errorf("%s: %d", url, resp.StatusCode)
	}
	if resp, err := http.Get("http" + strings.TrimPrefix(url, "https") + "/health"); err == nil && resp.StatusCode == http.StatusOK {
		t.Error("it answers without TLS")
	}
}

// With --prefix-dir what a prompt came to outlives the server.
func TestServePrefixDir(t *testing.T) {
	dir := t.TempDir()
	body := `{"prompt": "` + strings.Repeat("a long beginning, ", 20) + `", "max_tokens": 3}`
	for run, want := range []string{`"cached_tokens":0`, `"cached_tokens":3`} {
		url, stop := served(t, "--ctx", "1024", "--prefix-dir", dir)
		resp, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("run %d: %s, %v; want %s", run, b, err, want)
		}
		if code, text := stop(); code != 0 {
			t.Fatalf("exit code %d: %s", code, text)
		}
	}
}
