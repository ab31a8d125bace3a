package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/format"
)

// chunkReader reads the pages of one column in one row group.
type chunkReader struct {
	r        io.ReaderAt
	codec    format.CompressionCodec
	pos, end int64
	phys     physical
	optional bool
	unpacker *unpacker
	budget   *int64 // bytes that pages may still unpack to

	dict    *values
	vals    values
	levels  []uint32
	present []bool // of each value of the last page; nil where all are
	index   []uint32
}

// openChunk checks that a column chunk lies in the file.
func openChunk(r io.ReaderAt, size int64, meta *format.ColumnMetaData, phys physical, optional bool, u *unpacker, budget *int64) (*chunkReader, error) {
	pos := meta.DataPageOffset
	if meta.DictionaryPageOffset > 0 && meta.DictionaryPageOffset < pos {
		pos = meta.DictionaryPageOffset
	}
	n := meta.TotalCompressedSize
	if pos < 4 || n < 0 || pos > size || n > size-pos {
		return nil, errors.New("pages outside the file; it is cut off or damaged")
	}
	if meta.Type != phys.kind {
		return nil, errors.New("pages of another type than the schema says")
	}
	return &chunkReader{r: r, codec: meta.Codec, pos: pos, end: pos + n, phys: phys, optional: optional, unpacker: u, budget: budget}, nil
}

// next reads a data page of at most most values and returns how many it has, missing ones included; vals and present
// hold them until the next call.
func (c *chunkReader) next(most int) (int, error) {
	for {
		if c.pos >= c.end {
			return 0, fmt.Errorf("%d values are missing", most)
		}
		h, n, err := pageHeader(c.r, c.pos, c.end)
		if err != nil {
			return 0, err
		}
		c.pos += n
		plain, packed := int64(h.UncompressedPageSize), int64(h.CompressedPageSize)
		switch {
		case packed < 0 || packed > c.end-c.pos:
			return 0, errors.New("a page past the end of its column")
		case plain < 0 || plain > maxPage:
			return 0, fmt.Errorf("a page of %d bytes, more than %d", plain, maxPage)
		}
		if *c.budget -= plain; *c.budget < 0 {
			return 0, errTooBig
		}
		data := make([]byte, packed) // no more than the file has
		if _, err := io.ReadFull(io.NewSectionReader(c.r, c.pos, packed), data); err != nil {
			return 0, err
		}
		c.pos += packed
		c.vals.reset()
		switch {
		case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
			if err := c.dictionary(&h.DictionaryPageHeader.V, data, int(plain)); err != nil {
				return 0, err
			}
		case h.Type == format.DataPage && h.DataPageHeader.Valid:
			return c.pageV1(&h.DataPageHeader.V, data, int(plain), most)
		case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
			return c.pageV2(&h.DataPageHeaderV2.V, data, int(plain), most)
		case h.Type == format.IndexPage:
		default:
			return 0, errors.New("a page of unknown type")
		}
	}
}

func (c *chunkReader) dictionary(h *format.DictionaryPageHeader, data []byte, plain int) error {
	data, err := c.unpacker.unpack(c.codec, data, plain)
	if err != nil {
		return err
	}
	if h.NumValues < 0 {
		return errEncoding
	}
	c.dict = &values{ints: []int64{}}
	switch c.phys.kind {
	case format.Float, format.Double:
		c.dict = &values{floats: []float64{}}
	case format.ByteArray, format.FixedLenByteArray, format.Int96:
		c.dict = &values{bytes: [][]byte{}}
	}
	return c.phys.plain(c.dict, data, int(h.NumValues))
}

// pageV1 reads a page whose levels are compressed together with its values.
func (c *chunkReader) pageV1(h *format.DataPageHeader, data []byte, plain, most int) (int, error) {
	n, err := pageCount(h.NumValues, most)
	if err != nil {
		return 0, err
	}
	if data, err = c.unpacker.unpack(c.codec, data, plain); err != nil {
		return 0, err
	}
	set := n
	if c.optional {
		if h.DefinitionLevelEncoding != format.RLE {
			return 0, errors.New("definition levels in an encoding no longer in use")
		}
		if len(data) < 4 {
			return 0, errShort
		}
		size := binary.LittleEndian.Uint32(data)
		if uint64(size) > uint64(len(data)-4) {
			return 0, errShort
		}
		if set, err = c.definitions(data[4:4+size], n); err != nil {
			return 0, err
		}
		data = data[4+size:]
	}
	return n, c.decode(h.Encoding, data, set)
}

// pageV2 reads a page whose levels come first and uncompressed.
func (c *chunkReader) pageV2(h *format.DataPageHeaderV2, data []byte, plain, most int) (int, error) {
	n, err := pageCount(h.NumValues, most)
	if err != nil {
		return 0, err
	}
	rep, def := int(h.RepetitionLevelsByteLength), int(h.DefinitionLevelsByteLength)
	if rep < 0 || def < 0 || rep > len(data) || def > len(data)-rep || rep+def > plain {
		return 0, errShort
	}
	set := n
	if c.optional {
		if set, err = c.definitions(data[rep:rep+def], n); err != nil {
			return 0, err
		}
	}
	data = data[rep+def:]
	if !h.IsCompressed.Valid || h.IsCompressed.V {
		if data, err = c.unpacker.unpack(c.codec, data, plain-rep-def); err != nil {
			return 0, err
		}
	}
	return n, c.decode(h.Encoding, data, set)
}

func pageCount(n int32, most int) (int, error) {
	if n < 0 || int(n) > most {
		return 0, fmt.Errorf("a page of %d values where %d are left", n, most)
	}
	return int(n), nil
}

// definitions reads which of n values are there and counts them.
func (c *chunkReader) definitions(b []byte, n int) (int, error) {
	var err error
	if c.levels, err = hybrid(c.levels[:0], b, 1, n); err != nil {
		return 0, err
	}
	c.present = c.present[:0]
	set := 0
	for _, l := range c.levels {
		c.present = append(c.present, l == 1)
		set += int(l)
	}
	return set, nil
}

// decode reads n values.
func (c *chunkReader) decode(enc format.Encoding, data []byte, n int) error {
	if enc != format.RLEDictionary && enc != plainDictionary {
		return c.phys.decode(&c.vals, enc, data, n)
	}
	if c.dict == nil {
		return errors.New("a page refers to a dictionary that is not there")
	}
	if n == 0 {
		return nil
	}
	if len(data) == 0 {
		return errShort
	}
	var err error
	if c.index, err = hybrid(c.index[:0], data[1:], int(data[0]), n); err != nil {
		return err
	}
	return c.vals.pick(c.dict, c.index)
}

// plainDictionary is what old writers call RLEDictionary in data pages and Plain in dictionary pages (parquet-format,
// Encodings.md); parquet-go marks its name for it as deprecated.
const plainDictionary format.Encoding = 2
