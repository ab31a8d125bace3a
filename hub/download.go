package hub

import (
	"context"
	"crypto/sha1" // git names objects by it
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// download writes the file f of commit sha to path, going on with what path + ".incomplete" holds. count hears of every change of what
// is there, in bytes. The caller holds the blob's lock.
func (h *Hub) download(ctx context.Context, r Ref, sha string, f remote, path string, count func(int64)) error {
	p, err := openPartial(path+".incomplete", f)
	if err != nil {
		return err
	}
	defer p.Close()
	count(p.have)
	resumed := p.have > 0
	for {
		if err := h.retry(ctx, func() (bool, error) {
			before := p.have
			err := h.continues(ctx, r, sha, p, count)
			return p.have > before, err
		}); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		got := hex.EncodeToString(p.sum.Sum(nil))
		if got == f.sum {
			break
		}
		count(-p.have)
		if err := p.reset(); err != nil {
			return err
		}
		if !resumed {
			p.Close()
			os.Remove(p.Name())
			return fmt.Errorf("%s came with checksum %s, the hub says %s: it was damaged on the way; pull again", f.path, got, f.sum)
		}
		resumed = false // what lay there was no part of it: once more, from the beginning
	}
	if err := p.Sync(); err != nil {
		return err
	}
	if err := p.Close(); err != nil {
		return err
	}
	return os.Rename(p.Name(), path)
}

// partial is a file being pulled, and the sum of what it holds.
type partial struct {
	*os.File
	f    remote
	have int64
	sum  hash.Hash
}

func openPartial(path string, f remote) (*partial, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	p := &partial{File: file, f: f}
	p.begin()
	if p.have, err = io.Copy(p.sum, io.LimitReader(file, f.size+1)); err == nil && p.have > f.size {
		err = p.reset()
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return p, nil
}

// begin makes the sum one of nothing: of sha256, or of git's "blob SIZE\0" and the content.
func (p *partial) begin() {
	if p.have = 0; p.f.sha256 {
		p.sum = sha256.New()
		return
	}
	p.sum = sha1.New()
	fmt.Fprintf(p.sum, "blob %d\x00", p.f.size)
}

func (p *partial) reset() error {
	p.begin()
	if err := p.Truncate(0); err != nil {
		return err
	}
	_, err := p.Seek(0, io.SeekStart)
	return err
}

// continues asks once for what is missing and writes what comes.
func (h *Hub) continues(ctx context.Context, r Ref, sha string, p *partial, count func(int64)) error {
	if p.have == p.f.size {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	header := http.Header{"Accept-Encoding": {"identity"}} // a range of compressed bytes would be another
	if p.have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", p.have))
	}
	u := h.addressOf(r, sha, p.f.path)
	res, err := h.get(ctx, r, u, header)
	if e := (*StatusError)(nil); errors.As(err, &e) && e.Code == http.StatusRequestedRangeNotSatisfiable && p.have > 0 {
		count(-p.have)
		if err := p.reset(); err != nil {
			return err
		}
		return &lost{errors.New("the server has fewer bytes than are here")}
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if tag := etag(res.Header); res.Request.URL.Host == u.Host && tag != p.f.sum && (commit.MatchString(tag) || sha256ID.MatchString(tag)) {
		return fmt.Errorf("%s serves another file than it lists: %s in place of %s", u.Host, tag, p.f.sum)
	}
	switch {
	case p.have == 0:
	case res.StatusCode != http.StatusPartialContent: // all of it, from the beginning
		count(-p.have)
		if err := p.reset(); err != nil {
			return err
		}
	case !strings.HasPrefix(res.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", p.have)):
		return fmt.Errorf("%s was asked for byte %d on and gives %.60q", u.Host, p.have, res.Header.Get("Content-Range"))
	}
	idle := time.AfterFunc(h.o.Idle, func() { cancel(fmt.Errorf("nothing came for %s", h.o.Idle)) })
	defer idle.Stop()
	buf := make([]byte, 256<<10)
	for {
		n, err := res.Body.Read(buf)
		idle.Reset(h.o.Idle)
		if int64(n) > p.f.size-p.have {
			return fmt.Errorf("%s gives more than the %d bytes that it lists", u.Host, p.f.size)
		}
		if n > 0 {
			if _, err := p.Write(buf[:n]); err != nil {
				return err
			}
			p.sum.Write(buf[:n])
			p.have += int64(n)
			count(int64(n))
		}
		switch {
		case err == io.EOF && p.have < p.f.size:
			return &lost{fmt.Errorf("%s: the connection ended after %d of %d bytes", u.Host, p.have, p.f.size)}
		case err == io.EOF:
			return nil
		case err != nil && context.Cause(ctx) != nil:
			return &lost{fmt.Errorf("%s: %w", u.Host, context.Cause(ctx))}
		case err != nil:
			return &lost{fmt.Errorf("%s: %w", u.Host, err)}
		}
	}
}

// etag is the sum that the hub's own answer names; a storage that it redirects to has tags of another kind.
func etag(h http.Header) string {
	tag := h.Get("X-Linked-Etag")
	if tag == "" {
		tag = h.Get("Etag")
	}
	return strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
}
