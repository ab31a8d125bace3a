package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

var errPacked = errors.New("damaged compressed data")

// unpacker decompresses pages to exactly the size their header states.
type unpacker struct {
	gz  *gzip.Reader
	zst *zstd.Decoder
}

func (u *unpacker) close() {
	if u.zst != nil {
		u.zst.Close()
	}
}

// unpack decompresses src into size bytes. Nothing larger is ever allocated.
func (u *unpacker) unpack(codec format.CompressionCodec, src []byte, size int) ([]byte, error) {
	switch codec {
	case format.Uncompressed:
		if len(src) != size {
			return nil, fmt.Errorf("a page of %d bytes, stated as %d", len(src), size)
		}
		return src, nil
	case format.Snappy:
		if n, err := snappy.DecodedLen(src); err != nil || n != size {
			return nil, errPacked
		}
		return snappy.Decode(nil, src)
	case format.Lz4Raw:
		return unpackLZ4(src, size)
	case format.Gzip:
		var err error
		if u.gz == nil {
			u.gz, err = gzip.NewReader(bytes.NewReader(src))
		} else {
			err = u.gz.Reset(bytes.NewReader(src))
		}
		if err != nil {
			return nil, err
		}
		return readExactly(u.gz, size)
	case format.Zstd:
		var err error
		if u.zst == nil {
			u.zst, err = zstd.NewReader(bytes.NewReader(src), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxPage), zstd.WithDecoderLowmem(true))
		} else {
			err = u.zst.Reset(bytes.NewReader(src))
		}
		if err != nil {
			return nil, err
		}
		return readExactly(u.zst, size)
	}
	return nil, fmt.Errorf("it is compressed with %s; write it with zstd, snappy, gzip or lz4_raw", codec)
}

// readExactly reads size bytes and the end. The buffer grows with what comes, so that a page that only claims to be
// large costs nothing.
func readExactly(r io.Reader, size int) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(min(size, 1<<20))
	n, err := io.Copy(&buf, io.LimitReader(r, int64(size)+1))
	if err != nil {
		return nil, err
	}
	if n != int64(size) {
		return nil, fmt.Errorf("a page that does not unpack to the %d bytes stated", size)
	}
	return buf.Bytes(), nil
}

// unpackLZ4 decodes an LZ4 block: runs of [literals, copy from offset], each length a nibble that 15 continues in
// bytes. https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
func unpackLZ4(src []byte, size int) ([]byte, error) {
	if size > 255*len(src)+16 { // no byte stands for more
		return nil, errPacked
	}
	dst := make([]byte, 0, size)
	length := func(n int) int {
		for n >= 15 && len(src) > 0 {
			c := src[0]
			src = src[1:]
			if n += int(c); c != 255 {
				return n
			}
		}
		return n
	}
	for len(src) > 0 {
		token := src[0]
		src = src[1:]
		n := length(int(token >> 4))
		if n > len(src) || n > size-len(dst) {
			return nil, errPacked
		}
		dst = append(dst, src[:n]...)
		if src = src[n:]; len(src) == 0 {
			break // the last run has no copy
		}
		if len(src) < 2 {
			return nil, errPacked
		}
		offset := int(src[0]) | int(src[1])<<8
		src = src[2:]
		n = length(int(token&15)) + 4
		if offset == 0 || offset > len(dst) || n > size-len(dst) {
			return nil, errPacked
		}
		for ; n > 0; n-- { // byte by byte: source and target may overlap
			dst = append(dst, dst[len(dst)-offset])
		}
	}
	if len(dst) != size {
		return nil, errPacked
	}
	return dst, nil
}
