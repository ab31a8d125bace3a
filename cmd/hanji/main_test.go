package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hanji-ml/hanji/gguf"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hanji": main})
}

// TestScript runs testdata/script/*.txtar: what a user types and sees, exit code and all.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               writeWaves,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":           exits,
			"writegguf":       writeGGUF,
			"writellm":        writeLLM,
			"writecheckpoint": writeCheckpoint,
			"writelora":       writeLoRA,
			"hubserver":       hubServer,
			"firstline":       firstLine,
			"damage":          damage,
			"cmpanswers":      cmpAnswers,
		},
	})
}

// writeWaves gives every script waves.csv: two hourly series of 400 rows, a day's wave each, one with a trend.
func writeWaves(env *testscript.Env) error {
	env.Setenv("HF_HOME", filepath.Join(env.WorkDir, "hf")) // never the user's own
	var b strings.Builder
	b.WriteString("time,a,b\n")
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 400 {
		day := 2 * math.Pi * float64(i) / 24
		fmt.Fprintf(&b, "%s,%.4f,%.4f\n", start.Add(time.Duration(i)*time.Hour).Format(time.DateTime), math.Sin(day), 2*math.Cos(day)+float64(i)/100)
	}
	return os.WriteFile(filepath.Join(env.WorkDir, "waves.csv"), []byte(b.String()), 0o644)
}

// writegguf FILE NO COUNT writes a small GGUF, one part of COUNT: a script holds no binary.
func writeGGUF(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: writegguf FILE NO COUNT")
	}
	no, err := strconv.ParseUint(args[1], 10, 16)
	ts.Check(err)
	count, err := strconv.ParseUint(args[2], 10, 16)
	ts.Check(err)
	meta := gguf.Metadata{
		{Key: "general.architecture", Value: "llama"},
		{Key: "llama.block_count", Value: uint32(1)},
		{Key: "llama.rope.freq_base", Value: float32(math.Inf(1))},
		{Key: "tokenizer.ggml.scores", Value: []float32{0, -1, 0.5}},
		{Key: "tokenizer.ggml.tokens", Value: strings.Fields("<unk> <s> </s> 한 글 a b c d e f")},
		{Key: "split.no", Value: uint16(no)},
		{Key: "split.count", Value: uint16(count)},
	}
	list := []gguf.Tensor{
		{Name: "blk." + args[1] + ".ffn_up.weight", Type: gguf.Q4_K, Shape: []int{2, 256}, Data: make([]byte, 288)},
		{Name: "blk." + args[1] + ".norm.weight", Type: gguf.F32, Shape: []int{256}, Data: make([]byte, 1024)},
	}
	ts.Check(gguf.Write(ts.MkAbs(args[0]), list, meta))
}

// exits CODE ARGS... runs hanji and compares its exit code, which testscript's own exec
// only tells from zero. `stdout` and `stderr` then match what it wrote.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	switch err := ts.Exec("hanji", args[1:]...); {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	default:
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"horizn", "horizon", 1}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"flaw", "lawn", 2}} {
		if got, back := distance(c.a, c.b), distance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("%q, %q: %d and %d, want %d", c.a, c.b, got, back, c.want)
		}
	}
}

func TestLevel(t *testing.T) {
	for _, c := range []struct {
		g    globals
		want slog.Level
	}{
		{globals{}, slog.LevelWarn},
		{globals{Quiet: true}, slog.LevelError},
		{globals{Verbose: true}, slog.LevelDebug},
		{globals{LogLevel: "INFO"}, slog.LevelInfo},
		{globals{LogLevel: "info", Quiet: true}, slog.LevelInfo}, // what was asked for by name wins
	} {
		if got, err := c.g.level(); err != nil || got != c.want {
			t.Errorf("%+v: %v, %v; want %v", c.g, got, err, c.want)
		}
	}
}
