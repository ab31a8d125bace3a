package main

import (
	"strings"
	"testing"
)

func TestDigest(t *testing.T) {
	const pass = `{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}` + "\n"
	for name, c := range map[string]struct {
		in           string
		noSkip, fail bool
		want         string
	}{
		"good":        {pass + `{"Action":"pass","Package":"p","Elapsed":2}`, true, false, "ok       2.00 s  p"},
		"skip passes": {pass + `{"Action":"skip","Package":"p","Test":"TestB"}`, false, false, "--- SKIP p TestB"},
		"skip fails":  {pass + `{"Action":"skip","Package":"p","Test":"TestB"}`, true, true, "1 passed, 0 failed, 1 skipped"},
		"no tests":    {pass + `{"Action":"skip","Package":"q"}`, true, false, "1 passed"},
		"fail": {pass + `{"Action":"output","Package":"p","Test":"TestB","Output":"want 3\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
{"Action":"fail","Package":"p","Test":"TestB"}`, false, true, "--- FAIL p TestB\nwant 3\n"},
		"build": {pass + `{"ImportPath":"p","Action":"build-output","Output":"x.go:1: oops\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`, false, true, "x.go:1: oops"},
		"nothing": {"", false, true, "0 passed"},
		"noise":   {"go: downloading x\n" + pass, false, false, "go: downloading x"},
	} {
		var out strings.Builder
		sum, err := digest(strings.NewReader(c.in), &out)
		if err != nil {
			t.Fatal(err)
		}
		if err := sum.verdict(c.noSkip); (err != nil) != c.fail {
			t.Errorf("%s: verdict %v", name, err)
		}
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %q is missing in\n%s", name, c.want, out.String())
		}
		if strings.Contains(out.String(), "quiet") {
			t.Errorf("%s: output of a good test is shown", name)
		}
	}
}
