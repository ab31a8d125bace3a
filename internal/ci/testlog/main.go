// Testlog reads what `go test -json` writes and prints one line a package, the output of every
// test that failed, and every test that was skipped. With -no-skip a skip is a failure too:
// a test that is skipped on the machine where it could run tests nothing.
//
//	go test -json ./... | testlog -no-skip
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	noSkip := flag.Bool("no-skip", false, "fail when a test was skipped")
	flag.Parse()
	sum, err := digest(os.Stdin, os.Stdout)
	if err == nil {
		err = sum.verdict(*noSkip)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
}

// event is one line of `go test -json` (go doc test2json); build lines carry ImportPath.
type event struct {
	Action, Package, ImportPath, Test, Output, FailedBuild string

	Elapsed float64 // seconds
}

// summary counts tests (sub-tests too) by how they ended, and packages that failed.
type summary struct {
	passed, failed, badPackages int
	skipped                     []string
}

// verdict is an error when the run was not good, or when it held no test at all.
func (s summary) verdict(noSkip bool) error {
	switch {
	case s.failed > 0 || s.badPackages > 0:
		return fmt.Errorf("%d tests and %d packages failed", s.failed, s.badPackages)
	case s.passed == 0:
		return errors.New("no test ran")
	case noSkip && len(s.skipped) > 0:
		return fmt.Errorf("%d tests were skipped, and none may be while the fixtures are there", len(s.skipped))
	}
	return nil
}

// digest reads events until the end and writes the digest to w. A line that is no JSON, such
// as a download message, goes through as it is.
func digest(r io.Reader, w io.Writer) (summary, error) {
	var sum summary
	said := map[string]*strings.Builder{} // output of a test or package so far
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprint(w, string(line))
			} else {
				sum.add(e, said, w)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sum, err
		}
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", sum.passed, sum.failed, len(sum.skipped))
	return sum, nil
}

func (s *summary) add(e event, said map[string]*strings.Builder, w io.Writer) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(w, e.Output)
	case "output":
		if said[key] == nil {
			said[key] = new(strings.Builder)
		}
		said[key].WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e, said[key], w)
		} else {
			s.endTest(e, said[key], w)
		}
		delete(said, key)
	}
}

func (s *summary) endTest(e event, said *strings.Builder, w io.Writer) {
	switch e.Action {
	case "pass":
		s.passed++
		return
	case "fail":
		s.failed++
	case "skip":
		s.skipped = append(s.skipped, e.Package+" "+e.Test)
	}
	fmt.Fprintf(w, "--- %s %s %s\n", strings.ToUpper(e.Action), e.Package, e.Test)
	if said != nil {
		fmt.Fprint(w, said.String())
	}
}

func (s *summary) endPackage(e event, said *strings.Builder, w io.Writer) {
	switch e.Action {
	case "pass":
		fmt.Fprintf(w, "ok    %7.2f s  %s\n", e.Elapsed, e.Package)
	case "fail":
		s.badPackages++
		if said != nil { // a panic or an exit outside any test
			fmt.Fprint(w, said.String())
		}
		fmt.Fprintf(w, "FAIL  %7.2f s  %s\n", e.Elapsed, e.Package)
	}
}
