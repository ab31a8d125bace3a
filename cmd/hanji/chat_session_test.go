package main

import (
	"bytes"
	"encoding/json"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// firstLine FILE OUT writes a file's first line.
func firstLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: firstline FILE OUT")
	}
	line, _, _ := bytes.Cut([]byte(ts.ReadFile(args[0])), []byte("\n"))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), append(line, '\n'), 0o600))
}

// damage FILE flips a bit near its end.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage FILE")
	}
	b := []byte(ts.ReadFile(args[0]))
	b[len(b)-100] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// cmpanswers A B compares the answers of two outputs of chat --json.
func cmpAnswers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cmpanswers A B")
	}
	var a, b answer
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &a))
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &b))
	if a.Answer != b.Answer || a.Answer == "" {
		ts.Fatalf("%q and %q", a.Answer, b.Answer)
	}
}
