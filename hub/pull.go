package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// PullOptions of Pull.
type PullOptions struct {
	// Globs choose files by name in place of Pull's own choice: path.Match patterns, held against a file's whole name and its last
	// part; each must match one.
	Globs []string
	// Progress hears how many bytes of the total are there, those of an earlier try included; one call at a time. It may go back,
	// when what was there turns out to be of no use.
	Progress func(done, total int64)
}

// Pull brings a model into the cache and returns it; what is there already stays. Of a repository with safetensors that is the weights,
// the configuration, the tokenizer and the chat template, not copies of the weights in other formats; of one with GGUF
// files, or with a tag, the one file (or all parts of it) of that type. Every file's checksum is compared with the hub's. After an error
// or the end of ctx the next call goes on where this one stopped. Offline it is Find.
func (h *Hub) Pull(ctx context.Context, r Ref, o PullOptions) (Model, error) {
	if h.o.Offline {
		m, err := h.find(r, o.Globs)
		if errors.Is(err, ErrNotCached) {
			err = fmt.Errorf("%w, and HF_HUB_OFFLINE forbids to ask for it", err)
		}
		return m, err
	}
	if err := r.Check(); err != nil {
		return Model{}, err
	}
	m, err := h.pull(ctx, r, o)
	if err != nil {
		return m, fmt.Errorf("hub: %w", err)
	}
	return m, nil
}

func (h *Hub) pull(ctx context.Context, r Ref, o PullOptions) (m Model, err error) {
	sha := r.revision()
	if !commit.MatchString(sha) {
		if sha, err = h.commitOf(ctx, r); err != nil {
			return m, err
		}
	}
	all, err := h.tree(ctx, r, sha)
	if err != nil {
		return m, err
	}
	byName, names := map[string]remote{}, make([]string, 0, len(all))
	for _, f := range all {
		byName[f.path] = f
		names = append(names, f.path)
	}
	c, err := choose(names, r.Tag, o.Globs)
	if err != nil {
		return m, fmt.Errorf("%s: %w", r.Repo, err)
	}
	files := make([]remote, len(c.files))
	for i, name := range c.files {
		files[i] = byName[name]
	}
	for i, sum := range r.sums {
		if i < len(files) && files[i].sum != sum {
			return m, fmt.Errorf("%s of %s is not the file that the catalogue knows, its sha256 is %s and not %s; to have it all the same, name it %s:%s", files[i].path, r.Repo, files[i].sum, sum, r.Repo, r.Tag)
		}
	}
	if err := h.bring(ctx, r, sha, files, o.Progress); err != nil {
		return m, err
	}
	if err := h.setRef(r, sha); err != nil {
		return m, err
	}
	return h.model(r, sha, c)
}

// bring puts the files into the snapshot, some at once. The first error ends it.
func (h *Hub) bring(ctx context.Context, r Ref, sha string, files []remote, progress func(done, total int64)) error {
	if err := os.MkdirAll(filepath.Join(h.repoDir(r.Repo), "blobs"), 0o777); err != nil {
		return err
	}
	if err := h.room(r, sha, files); err != nil {
		return err
	}
	var mu sync.Mutex
	var done, total int64
	for _, f := range files {
		total += f.size
	}
	count := func(n int64) {
		mu.Lock()
		defer mu.Unlock()
		if done += n; progress != nil {
			progress(done, total)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	slots := make(chan struct{}, h.o.Parallel)
	for _, f := range files {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := h.bringOne(ctx, r, sha, f, count); err != nil {
				cancel(err)
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

func (h *Hub) bringOne(ctx context.Context, r Ref, sha string, f remote, count func(int64)) error {
	path := filepath.Join(h.snapshot(r.Repo, sha), filepath.FromSlash(f.path))
	if h.has(path, f) {
		count(f.size)
		return nil
	}
	lock, err := h.lock(ctx, r.Repo, f.sum)
	if err != nil {
		return err
	}
	defer lock.Close()
	blob, fresh := h.blob(r.Repo, f.sum), false
	switch {
	case h.has(path, f): // by another process, meanwhile
		count(f.size)
		return nil
	case h.has(blob, f):
		count(f.size)
	default:
		if err := h.download(ctx, r, sha, f, blob, count); err != nil {
			return err
		}
		fresh = true
	}
	return h.link(blob, path, fresh)
}

// has tells whether a file is there whole. Its sum was compared when it came.
func (h *Hub) has(path string, f remote) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == f.size
}

// spare is room on the disk that a pull leaves to others.
const spare = 64 << 20

// room compares what is still to come with what the disk has.
func (h *Hub) room(r Ref, sha string, files []remote) error {
	need := int64(0)
	for _, f := range files {
		blob := h.blob(r.Repo, f.sum)
		if h.has(blob, f) || h.has(filepath.Join(h.snapshot(r.Repo, sha), filepath.FromSlash(f.path)), f) {
			continue
		}
		need += f.size
		if part, err := os.Stat(blob + ".incomplete"); err == nil {
			need -= min(part.Size(), f.size)
		}
	}
	if have, ok := free(h.o.Cache); ok && need > 0 && need+spare > have {
		return fmt.Errorf("%s needs %.1f GB more in %s, whose disk has %.1f GB; HF_HUB_CACHE names another place", r, float64(need+spare)/1e9, h.o.Cache, float64(have)/1e9)
	}
	return nil
}
