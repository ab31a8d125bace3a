package nn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/hanji-ml/hanji/tensor"
)

// A stored sequence, little-endian: this header, a storedGroup for each kind of window, then the keys and values of each
// group's pages [layers, 2, Heads, tokens, D], the last page cut to its tokens, and the CRC-32C of it all.
type storedSequence struct {
	Magic                          [8]byte
	DType                          [8]byte
	Layers, Heads, HeadDim, Groups uint32
	PageTokens                     uint32
	Length                         uint64 // tokens
}

type storedGroup struct {
	Window, Layers uint32
	Base           uint64 // first position that is there
}

var (
	sequenceMagic = [8]byte{'h', 'a', 'n', 'j', 'i', 'k', 'v', '1'}
	castagnoli    = crc32.MakeTable(crc32.Castagnoli)
)

// ErrSequence is wrapped by ReadSequence's error when what it reads is damaged or of another cache: read the tokens again.
var ErrSequence = errors.New("no stored sequence of this cache")

// header describes a sequence, or with nil what any of this cache has in common.
func (c *Cache) header(s *sequence) (h storedSequence, groups []storedGroup) {
	h = storedSequence{Magic: sequenceMagic, Layers: uint32(c.o.Layers), Heads: uint32(c.o.Heads), HeadDim: uint32(c.o.HeadDim), Groups: uint32(len(c.groups)), PageTokens: uint32(c.o.PageTokens)}
	copy(h.DType[:], c.o.DType.String())
	if s != nil {
		h.Length = uint64(s.length)
	}
	for i := range c.groups {
		g := storedGroup{Window: uint32(c.groups[i].window), Layers: uint32(c.groups[i].layers)}
		if s != nil {
			g.Base = uint64(s.tables[i].base)
		}
		groups = append(groups, g)
	}
	return h, groups
}

// WriteSequence writes what the cache holds of a sequence, for ReadSequence of a cache with the same layers, type and size of
// pages. Which tokens and which model it is of is the caller's to write beside it.
func (c *Cache) WriteSequence(w io.Writer, seq int) error {
	c.settle()
	s := c.seqs[seq]
	if s == nil {
		return fmt.Errorf("nn: cache: no sequence %d to write", seq)
	}
	sum := crc32.New(castagnoli)
	out := io.MultiWriter(w, sum)
	h, groups := c.header(s)
	var head bytes.Buffer
	binary.Write(&head, binary.LittleEndian, h)
	binary.Write(&head, binary.LittleEndian, groups)
	if _, err := out.Write(head.Bytes()); err != nil {
		return err
	}
	for i := range c.groups {
		t := &s.tables[i]
		for k, id := range t.pages {
			b := c.groups[i].pages[id].ReadBytes()
			if _, err := out.Write(b[:c.cutPage(i, b, s.length-t.base-k*c.o.PageTokens)]); err != nil {
				return err
			}
		}
	}
	return binary.Write(w, binary.LittleEndian, sum.Sum32())
}

// cutPage moves what the first tokens of a page take, in each plane of a layer's keys or values of a head, to its beginning, and
// returns how many bytes that is.
func (c *Cache) cutPage(group int, page []byte, tokens int) (n int) {
	plane := len(page) / (2 * c.groups[group].layers * c.o.Heads)
	used := plane / c.o.PageTokens * min(tokens, c.o.PageTokens)
	for at := 0; at < len(page); at += plane {
		n += copy(page[n:], page[at:at+used])
	}
	return n
}

// spreadPage is the way back: it moves what cutPage has put together at the beginning of page to its places.
func (c *Cache) spreadPage(group int, page []byte, tokens int) {
	plane := len(page) / (2 * c.groups[group].layers * c.o.Heads)
	used := plane / c.o.PageTokens * min(tokens, c.o.PageTokens)
	for i := len(page)/plane - 1; i >= 0; i-- {
		copy(page[i*plane:][:used], page[i*used:][:used])
		clear(page[i*plane+used:][:plane-used])
	}
}

// ReadSequence begins sequence seq with what WriteSequence wrote. It reads that many bytes of r and no more. On an error, which wraps
// ErrSequence or ErrCacheFull unless it is r's, the cache is as before.
func (c *Cache) ReadSequence(r io.Reader, seq int) (err error) {
	c.settle()
	if c.seqs[seq] != nil {
		return fmt.Errorf("nn: cache: sequence %d exists already; free it first", seq)
	}
	sum := crc32.New(castagnoli)
	in := io.TeeReader(r, sum)
	s, err := c.readHeader(in, seq)
	if err != nil {
		return fmt.Errorf("nn: cache: %w", err)
	}
	defer func() {
		if err != nil {
			c.forget(s)
			err = fmt.Errorf("nn: cache: %w", short(err))
		}
	}()
	for i := range c.groups {
		g, t := &c.groups[i], &s.tables[i]
		for left := s.length - t.base; left > 0; left -= c.o.PageTokens {
			id := c.take(g)
			t.pages = append(t.pages, id)
			page := g.pages[id]
			b := make([]byte, page.Len()*page.DType().Size())
			if _, err := io.ReadFull(in, b[:len(b)/c.o.PageTokens*min(left, c.o.PageTokens)]); err != nil {
				return err
			}
			c.spreadPage(i, b, left)
			page.Set(tensor.Wrap("kv", page.DType(), b, page.Shape()...))
		}
	}
	want := sum.Sum32()
	var got uint32
	if err := binary.Read(r, binary.LittleEndian, &got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: checksum %08x, not %08x", ErrSequence, want, got)
	}
	c.seqs[seq] = s
	return nil
}

// readHeader checks all that memory is taken for, and that there is room.
func (c *Cache) readHeader(r io.Reader, seq int) (*sequence, error) {
	want, groups := c.header(nil)
	var h storedSequence
	if err := binary.Read(r, binary.LittleEndian, &h); err != nil {
		return nil, short(err)
	}
	length := h.Length
	if h.Length = 0; h != want {
		return nil, fmt.Errorf("%w: it has %d layers, %d heads of %d, %s, pages of %d; this one %d layers, %d heads of %d, %v, pages of %d", ErrSequence,
			h.Layers, h.Heads, h.HeadDim, bytes.TrimRight(h.DType[:], "\x00"), h.PageTokens, want.Layers, want.Heads, want.HeadDim, c.o.DType, want.PageTokens)
	}
	stored := make([]storedGroup, len(groups))
	if err := binary.Read(r, binary.LittleEndian, stored); err != nil {
		return nil, short(err)
	}
	size, most := uint64(c.o.PageTokens), uint64(c.groups[0].most)
	if length == 0 || length > 1<<40 {
		return nil, fmt.Errorf("%w: %d tokens", ErrSequence, length)
	}
	s := &sequence{id: seq, length: int(length), next: int(length), tables: make([]pageTable, len(groups))}
	for i, g := range stored {
		base := g.Base
		if g.Base = 0; g != groups[i] || base%size != 0 || base >= length || base > 0 && (g.Window == 0 || base > length-min(length, uint64(g.Window)-1)) {
			return nil, fmt.Errorf("%w: positions %d to %d of %d layers with window %d", ErrSequence, base, length, g.Layers, g.Window)
		}
		free := uint64(len(c.groups[i].free)) + most - uint64(len(c.groups[i].pages))
		if need := (length-1-base)/size + 1; need > free {
			return nil, fmt.Errorf("%w: %d pages of %d tokens wanted, %d left of %d", ErrCacheFull, need, size, free, most)
		}
		s.tables[i].base = int(base)
	}
	return s, nil
}

// short makes the end of what is read an error of its form.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrSequence)
	}
	return err
}
