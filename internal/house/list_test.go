package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/hanji-ml/hanji"

// pkg is what the tests need of the go command's description of a package.
type pkg struct {
	ImportPath, Name, Doc, Dir string
	Standard                   bool
	Imports                    []string
	TestGoFiles, XTestGoFiles  []string
}

// short is the package's path inside the module: "internal/cpu", "" for the root.
func (p pkg) short() string { return inside(p.ImportPath) }

// inside returns an import path without the module's, or "" when it is not ours.
func inside(path string) string {
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	return rest
}

// goList runs `go list -e -json` at the module root.
func goList(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json"}, args...)...)
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.String())
	}
	var list []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("go list %v: %v", args, err)
		}
		list = append(list, p)
	}
}

// root is the folder that holds go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("no go.mod two folders above: %v", err)
	}
	return dir
}

// files gives every regular file of the tree in text order, as slash paths from the root.
// Build outputs and Git's own folder are left out.
func files(t *testing.T) []string {
	t.Helper()
	dir := root(t)
	skip := map[string]bool{".git": true, "dist": true, "out": true, "node_modules": true}
	var list []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skip[d.Name()]:
			return filepath.SkipDir
		case !d.Type().IsRegular(): // folders, links, and .git of a worktree's kin
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if rel != ".git" { // in a worktree .git is a file
			list = append(list, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
