package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// browser is a headless Chromium, spoken to by its own protocol over a pair of pipes (--remote-debugging-pipe).
type browser struct {
	t       *testing.T
	to      io.Writer
	answers chan reply
	session string
	id      int
	trouble []string // exceptions, and what its log complains of: a broken policy too
}

type reply struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

func openBrowser(t *testing.T, program, url string) *browser {
	t.Helper()
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe",
		"--user-data-dir="+t.TempDir(), "--window-size=900,700", "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	b := &browser{t: t, to: in, answers: make(chan reply, 1000)}
	go func() {
		defer close(b.answers)
		for r := bufio.NewReader(out); ; {
			text, err := r.ReadBytes(0)
			if err != nil {
				return
			}
			var v reply
			if json.Unmarshal(text[:len(text)-1], &v) == nil {
				b.answers <- v
			}
		}
	}()
	t.Cleanup(func() {
		in.Close()
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			cmd.Process.Kill()
			<-done
		}
		out.Close()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	return b
}

func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	b.id++
	msg := map[string]any{"id": b.id, "method": method}
	if params != nil {
		msg["params"] = params
	}
	if b.session != "" {
		msg["sessionId"] = b.session
	}
	text, err := json.Marshal(msg)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	for limit := time.After(30 * time.Second); ; {
		select {
		case r, ok := <-b.answers:
			switch {
			case !ok:
				b.t.Fatalf("%s: the browser ended", method)
			case r.Method == "Runtime.exceptionThrown" || r.Method == "Log.entryAdded":
				b.trouble = append(b.trouble, string(r.Params))
			case r.ID == b.id && r.Error != nil:
				b.t.Fatalf("%s: %s", method, r.Error.Message)
			case r.ID == b.id:
				if result != nil {
					if err := json.Unmarshal(r.Result, result); err != nil {
						b.t.Fatal(err)
					}
				}
				return
			}
		case <-limit:
			b.t.Fatalf("%s: no answer", method)
		}
	}
}

// eval gives the text that an expression comes to.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	var v struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &v)
	if v.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, v.ExceptionDetails)
	}
	return fmt.Sprint(v.Result.Value)
}

// until waits for a condition of the page.
func (b *browser) until(condition string) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); b.eval("Boolean("+condition+")") != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain for %s; the page says %q", condition, b.eval("document.body.innerText"))
		}
	}
}

// shot keeps a picture where HANJI_SHOTS names a folder, for people to look at.
func (b *browser) shot(name string) {
	dir := os.Getenv("HANJI_SHOTS")
	if dir == "" {
		return
	}
	var v struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &v)
	png, err := base64.StdEncoding.DecodeString(v.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// TestPage uses the page as a person does, in a headless Chromium that HANJI_CHROMIUM names: chat, stop, settings, language,
// keyboard, a table dropped on it.
func TestPage(t *testing.T) {
	program := os.Getenv("HANJI_CHROMIUM")
	if program == "" {
		t.Log("HANJI_CHROMIUM is not set: the page is not tried in this run")
		return
	}
	url, _ := served(t, "--ctx", "4096", "--api-key", "a-key-for-tests")
	b := openBrowser(t, program, url+"/")
	b.until(`document.readyState === "complete" && document.getElementById("status").textContent.includes("no valid key")`)
	b.trouble = nil // the browser notes the 401
	b.eval(`{ const k = document.getElementById("key"); k.value = "a-key-for-tests"; k.dispatchEvent(new Event("change")) }`)
	b.until(`document.getElementById("model").value === "tiny"`)

	send := func(text string) {
		t.Helper()
		b.eval(`document.getElementById("text").value = ` + fmt.Sprintf("%q", text) +
			`; document.getElementById("text").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true}))`)
	}
	b.eval(`document.getElementById("max_tokens").value = 12`)
	send("hello")
	b.until(`/^12 tokens, /.test(document.getElementById("status").textContent)`)
	if got := b.eval(`document.querySelectorAll("#log .turn").length + document.querySelector("#log .user span").textContent`); got != "2hello" {
		t.Errorf("the log holds %q", got)
	}
	if b.eval(`document.querySelector("#log .assistant span").textContent.length > 3`) != "true" {
		t.Error("the answer is empty")
	}
	b.shot("chat")

	b.eval(`document.getElementById("max_tokens").value = 3500`)
	send("on and on")
	b.until(`!document.getElementById("stop").disabled && document.querySelector("#log .turn:last-child span").textContent.length > 5`)
	b.eval(`document.getElementById("stop").click()`)
	b.until(`document.getElementById("send").disabled === false`)
	if got := b.eval(`document.getElementById("status").textContent`); got != "Stopped." && !strings.Contains(got, "tokens") {
		t.Errorf("after Stop the page says %q", got)
	}

	b.eval(`document.getElementById("language").click()`)
	if got := b.eval(`document.documentElement.lang + document.getElementById("send").textContent + document.getElementById("text").getAttribute("aria-label")`); got != "ko보내기메시지" {
		t.Errorf("in Korean: %q", got)
	}
	b.eval(`document.getElementById("tab-chat").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}))`)
	if got := b.eval(`document.activeElement.id + document.getElementById("chat").hidden`); got != "tab-forecasttrue" {
		t.Errorf("after the arrow key %q", got)
	}
	var table strings.Builder
	table.WriteString("ds,north,south\n")
	for i := range 72 {
		fmt.Fprintf(&table, "%s,%d,%d\n", time.Date(2026, 1, 1, i, 0, 0, 0, time.UTC).Format(time.RFC3339), 10+i%24, 3*i)
	}
	b.eval(fmt.Sprintf(`{ const d = new DataTransfer(); d.items.add(new File([%q], "t.csv"));
		document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: d, bubbles: true, cancelable: true})) }`, table.String()))
	b.until(`document.querySelector("#plot svg path.mean")`)
	if got := b.eval(`[...document.getElementById("series").options].map((o) => o.text).join() + " " + document.querySelector("#plot svg").getAttribute("aria-label")`); !strings.HasPrefix(got, "north,south north: 최근 값과 앞으로 24단계의 예측") {
		t.Errorf("the plot is of %q", got)
	}
	if b.eval(`["past", "mean", "band"].every((c) => /^M[\d.]+ [\d.]+L/.test(document.querySelector("#plot path." + c).getAttribute("d")) && !/NaN/.test(document.querySelector("#plot path." + c).getAttribute("d")))`) != "true" {
		t.Error("a line of the plot is broken")
	}
	b.shot("forecast")
	if got := b.eval(`[...document.querySelectorAll("button, input, select, textarea, [role]")].filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby")) && e.id !== "status").map((e) => e.id).join()`); got != "" {
		t.Errorf("without a label: %s", got)
	}
	if len(b.trouble) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(b.trouble, "\n"))
	}
}
