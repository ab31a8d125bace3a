package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hanji-ml/hanji/internal/atomicfile"
)

// Model is one that lies in the cache.
type Model struct {
	Ref    Ref
	Commit string
	Path   string   // what to open: a GGUF file, of a split one the first part, or a folder
	Files  []string // it is made of, by their names in the repository
	Bytes  int64    // of them
}

// ErrNotCached is wrapped by Find's error when the cache does not have a model, or not all of it.
var ErrNotCached = errors.New("not in the cache")

// repoDir is a repository's place in the cache.
func (h *Hub) repoDir(repo string) string {
	return filepath.Join(h.o.Cache, "models--"+strings.ReplaceAll(repo, "/", "--"))
}

func (h *Hub) blob(repo, sum string) string { return filepath.Join(h.repoDir(repo), "blobs", sum) }

func (h *Hub) snapshot(repo, sha string) string {
	return filepath.Join(h.repoDir(repo), "snapshots", sha)
}

// Find looks for a model in the cache alone.
func (h *Hub) Find(r Ref) (Model, error) { return h.find(r, nil) }

// Use is Find for what is opened next: List tells when that was.
func (h *Hub) Use(r Ref) (Model, error) {
	m, err := h.find(r, nil)
	if err != nil {
		return m, err
	}
	now := time.Now()
	for _, name := range m.Files {
		path := filepath.Join(h.snapshot(r.Repo, m.Commit), filepath.FromSlash(name))
		if info, err := os.Stat(path); err == nil {
			os.Chtimes(path, now, info.ModTime()) // disks are often mounted without times of access; a cache that is read-only stays as it is
		}
	}
	return m, nil
}

func (h *Hub) find(r Ref, globs []string) (Model, error) {
	if err := r.Check(); err != nil {
		return Model{}, err
	}
	sha := r.revision()
	if !commit.MatchString(sha) {
		b, err := os.ReadFile(filepath.Join(h.repoDir(r.Repo), "refs", filepath.FromSlash(sha)))
		if err != nil || !commit.MatchString(strings.TrimSpace(string(b))) {
			return Model{}, fmt.Errorf("hub: %s at %s: %w", r, sha, ErrNotCached)
		}
		sha = strings.TrimSpace(string(b))
	}
	names, err := h.files(r.Repo, sha)
	if err != nil {
		return Model{}, err
	}
	c, err := choose(names, r.Tag, globs)
	if err != nil { // of what is there, that is no model
		return Model{}, fmt.Errorf("hub: %s: %w: %w", r, ErrNotCached, err)
	}
	m, err := h.model(r, sha, c)
	if err != nil {
		return m, fmt.Errorf("hub: %s: %w: %w", r, ErrNotCached, err)
	}
	return m, nil
}

// files are the names in a snapshot whose content is there.
func (h *Hub) files(repo, sha string) (names []string, err error) {
	root := h.snapshot(repo, sha)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return nil // a link into nothing
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	return names, err
}

// model adds up what was chosen.
func (h *Hub) model(r Ref, sha string, c choice) (Model, error) {
	m := Model{Ref: r, Commit: sha, Files: c.files, Path: filepath.Join(h.snapshot(r.Repo, sha), filepath.FromSlash(c.open))}
	for _, name := range c.files {
		info, err := os.Stat(filepath.Join(h.snapshot(r.Repo, sha), filepath.FromSlash(name)))
		if err != nil {
			return m, err
		}
		m.Bytes += info.Size()
	}
	return m, nil
}

// link makes a blob a file of a snapshot: a relative link, so that the cache can be moved. Where there are none, the blob becomes the
// file itself, as in huggingface_hub; one that other snapshots may use is copied.
func (h *Hub) link(blob, path string, fresh bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(path), blob)
	if err != nil {
		return err
	}
	if !h.o.noLinks {
		os.Remove(path) // a link into nothing
		err := os.Symlink(target, path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return nil
		}
	}
	if fresh {
		return os.Rename(blob, path)
	}
	in, err := os.Open(blob)
	if err != nil {
		return err
	}
	defer in.Close()
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// setRef remembers which commit a branch or tag was.
func (h *Hub) setRef(r Ref, sha string) error {
	if r.revision() == sha {
		return nil
	}
	path := filepath.Join(h.repoDir(r.Repo), "refs", filepath.FromSlash(r.revision()))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, sha)
		return err
	})
}

// lock waits until no other process or goroutine writes a blob; unlock by closing it. The file stays, as another may wait for it.
func (h *Hub) lock(ctx context.Context, repo, sum string) (io.Closer, error) {
	path := h.lockPath(repo, sum)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for {
		held, err := tryLock(f)
		if held {
			return f, nil
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (h *Hub) lockPath(repo, sum string) string {
	return filepath.Join(h.o.Cache, ".locks", filepath.Base(h.repoDir(repo)), sum+".lock")
}
