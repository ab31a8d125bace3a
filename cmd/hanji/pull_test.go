package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hanji-ml/hanji/internal/hubtest"
)

// hubserver DIR [TOKEN] starts a hub of the repositories OWNER/NAME in a folder and makes it HF_ENDPOINT.
func hubServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: hubserver DIR [TOKEN]")
	}
	repos, root := map[string]map[string][]byte{}, ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		parts := strings.SplitN(filepath.ToSlash(name), "/", 3)
		repo := parts[0] + "/" + parts[1]
		if repos[repo] == nil {
			repos[repo] = map[string][]byte{}
		}
		repos[repo][parts[2]], err = os.ReadFile(path)
		return err
	}))
	s, stop := hubtest.Start(repos)
	ts.Defer(stop)
	if len(args) == 2 {
		s.Set(func() { s.Token = args[1] })
	}
	ts.Setenv("HF_ENDPOINT", s.URL)
}
