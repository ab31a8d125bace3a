package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Cached is a line of what the cache holds.
type Cached struct {
	Model
	Revisions  []string // branches and tags that stand for its commit
	Used       time.Time
	Unfinished bool // bytes of pulls that stopped, which the next one goes on with
}

// List is what is in the cache: each GGUF file, or all its parts, by its tag, and each folder, of every commit that is there. Other
// things in the cache, such as data sets, are left out.
func (h *Hub) List() (list []Cached, err error) {
	dirs, err := filepath.Glob(filepath.Join(globbed(h.o.Cache), "models--*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		r := Ref{Repo: strings.ReplaceAll(strings.TrimPrefix(filepath.Base(dir), "models--"), "--", "/")}
		if r.Check() != nil {
			continue // models without an owner, as there were once
		}
		one, err := h.listRepo(r)
		if err != nil {
			return nil, fmt.Errorf("hub: %w", err)
		}
		list = append(list, one...)
	}
	return list, nil
}

// globbed protects a folder's name from being taken for a pattern.
func globbed(dir string) string {
	return strings.NewReplacer("*", `[*]`, "?", `[?]`, "[", `[[]`).Replace(dir)
}

func (h *Hub) listRepo(r Ref) (list []Cached, err error) {
	refs, err := h.refs(r.Repo)
	if err != nil {
		return nil, err
	}
	commits, err := h.commits(r.Repo)
	if err != nil {
		return nil, err
	}
	for _, sha := range commits {
		names, err := h.files(r.Repo, sha)
		if err != nil {
			return nil, err
		}
		for _, c := range models(names) {
			m, err := h.model(Ref{Repo: r.Repo, Tag: tagOf(c.open)}, sha, c)
			if errors.Is(err, fs.ErrNotExist) {
				continue // another process removes it
			}
			if err != nil {
				return nil, err
			}
			one := Cached{Model: m, Revisions: refs[sha]}
			for _, name := range c.files {
				path := filepath.Join(h.snapshot(r.Repo, sha), filepath.FromSlash(name))
				if info, err := os.Stat(path); err == nil {
					if t := accessed(path, info); t.After(one.Used) {
						one.Used = t
					}
				}
			}
			list = append(list, one)
		}
	}
	return append(list, h.unfinished(r)...), nil
}

// models are the lines that a snapshot's files make.
func models(names []string) (list []choice) {
	var rest []string
	taken := map[string]bool{}
	for _, set := range ggufSets(names) {
		list = append(list, choice{set, set[0]})
		for _, name := range set {
			taken[name] = true
		}
	}
	for _, name := range names {
		if !taken[name] {
			rest = append(rest, name)
		}
	}
	if len(rest) > 0 {
		list = append(list, choice{files: rest})
	}
	return list
}

// commits are those with a snapshot.
func (h *Hub) commits(repo string) (list []string, err error) {
	entries, err := os.ReadDir(h.snapshot(repo, ""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if e.IsDir() && commit.MatchString(e.Name()) {
			list = append(list, e.Name())
		}
	}
	return list, err
}

// refs maps commits to the branches and tags that stand for them.
func (h *Hub) refs(repo string) (map[string][]string, error) {
	refs, root := map[string][]string{}, filepath.Join(h.repoDir(repo), "refs")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil // another process replaces it
		}
		name, err := filepath.Rel(root, path)
		sha := strings.TrimSpace(string(b))
		refs[sha] = append(refs[sha], filepath.ToSlash(name))
		return err
	})
	return refs, err
}

func (h *Hub) unfinished(r Ref) []Cached {
	one := Cached{Model: Model{Ref: r, Path: h.repoDir(r.Repo)}, Unfinished: true}
	entries, _ := os.ReadDir(h.blob(r.Repo, ""))
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), ".incomplete") {
			one.Bytes += info.Size()
			one.Files = append(one.Files, e.Name())
			one.Used = info.ModTime()
		}
	}
	if len(one.Files) == 0 {
		return nil
	}
	return []Cached{one}
}

// Remove takes out of the cache a repository, or with a revision that snapshot of it, or with a tag the GGUF files of that
// type alone, and frees the blobs that nothing else uses. It returns the bytes freed. What another process is pulling stays, as an
// error says.
func (h *Hub) Remove(r Ref) (freed int64, err error) {
	if err := r.Check(); err != nil {
		return 0, err
	}
	if _, err := os.Stat(h.repoDir(r.Repo)); err != nil {
		return 0, fmt.Errorf("hub: %s: %w", r, ErrNotCached)
	}
	unlock, err := h.lockAll(r.Repo)
	if err != nil {
		return 0, fmt.Errorf("hub: %w", err)
	}
	defer unlock()
	before := diskUse(h.repoDir(r.Repo))
	if r.Tag == "" && r.Revision == "" {
		err = os.RemoveAll(h.repoDir(r.Repo))
	} else {
		err = h.removeSome(r)
	}
	if err != nil {
		return 0, fmt.Errorf("hub: %s: %w", r, err)
	}
	return before - diskUse(h.repoDir(r.Repo)), nil
}

func (h *Hub) removeSome(r Ref) error {
	commits, err := h.commits(r.Repo)
	if err != nil {
		return err
	}
	refs, err := h.refs(r.Repo)
	if err != nil {
		return err
	}
	found := false
	for _, sha := range commits {
		if r.Revision != "" && r.Revision != sha && !slices.Contains(refs[sha], r.Revision) {
			continue
		}
		names, err := h.files(r.Repo, sha)
		if err != nil {
			return err
		}
		left := len(names)
		for _, set := range models(names) {
			if r.Tag != "" && !(set.open != "" && hasTag(set.open, r.Tag)) {
				continue
			}
			found = true
			for _, name := range set.files {
				if err := os.Remove(filepath.Join(h.snapshot(r.Repo, sha), filepath.FromSlash(name))); err != nil {
					return err
				}
				left--
			}
		}
		if left > 0 {
			continue
		}
		if err := os.RemoveAll(h.snapshot(r.Repo, sha)); err != nil {
			return err
		}
		for _, name := range refs[sha] {
			os.Remove(filepath.Join(h.repoDir(r.Repo), "refs", filepath.FromSlash(name)))
		}
	}
	if !found {
		return ErrNotCached
	}
	return h.sweep(r.Repo)
}

// sweep removes the blobs that no snapshot links to.
func (h *Hub) sweep(repo string) error {
	used := map[string]bool{}
	err := filepath.WalkDir(h.snapshot(repo, ""), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			used[filepath.Base(target)] = true
			return err
		}
		return err
	})
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(h.blob(repo, ""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if !used[e.Name()] && !strings.HasSuffix(e.Name(), ".incomplete") {
			if err := os.Remove(h.blob(repo, e.Name())); err != nil {
				return err
			}
		}
	}
	return err
}

// lockAll holds a repository's locks, so that nothing is removed under a pull; held elsewhere, one is an error.
func (h *Hub) lockAll(repo string) (unlock func(), err error) {
	paths, err := filepath.Glob(filepath.Join(globbed(filepath.Dir(h.lockPath(repo, ""))), "*.lock"))
	if err != nil {
		return nil, err
	}
	var held []*os.File
	unlock = func() {
		for _, f := range held {
			f.Close()
		}
	}
	for _, path := range paths {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue // removed, or not ours to write
		}
		held = append(held, f)
		switch ok, err := tryLock(f); {
		case err != nil:
			unlock()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		case !ok:
			unlock()
			return nil, fmt.Errorf("another process is pulling %s; stop it or wait", repo)
		}
	}
	return unlock, nil
}

// diskUse adds up the files below a folder; links count nothing.
func diskUse(dir string) (n int64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}
