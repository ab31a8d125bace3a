package gbdt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"slices"

	"github.com/hanji-ml/hanji/internal/atomicfile"
)

// A saved data set is dataMagic, the length of a header (uint64), the header (gob), arrays of little-endian numbers as
// the header tells, and the SHA-256 of all that.
const dataMagic = "hanji gbdt data 1\n"

// lightGBMMagic begins LightGBM's own saved data sets, whose layout changes with its version and build.
const lightGBMMagic = "______LightGBM_Binary_File_Token______\n"

// savedHeader is all of a data set but its arrays.
type savedHeader struct {
	Rows, LabelIndex         int
	Columns                  []savedColumn
	Binning                  [][2]string // parameters: name, value
	FeaturePreFilter, Linear bool
	Raw                      bool // values are what they were, not rounded
	MinDataInLeaf            int
	Weights                  bool
	Queries, InitScores      int // how many numbers
	Positions                int // how many there are; 0: rows have none
}

// savedColumn is a column and its bins, exported for gob.
type savedColumn struct {
	Name                        string
	Ignore, Categorical         bool
	NumBin                      int
	CategoricalBins, Trivial    bool
	Missing                     uint8
	Upper                       []float64
	Categories                  []int32
	SparseRate, Min, Max        float64
	DefaultBin, MostFrequentBin int
	Values                      uint8 // kept: 0 none, 4 float32, 8 float64
}

// binningParameters are those that a saved data set was made with, whatever training says.
var binningParameters = []string{"max_bin", "max_bin_by_feature", "min_data_in_bin", "bin_construct_sample_cnt", "data_random_seed", "use_missing",
	"zero_as_missing", "feature_pre_filter", "forcedbins_filename", "categorical_feature", "ignore_column", "label_column", "weight_column", "group_column"}

// Save writes the data set to a file that [OpenDataset] reads: bins, labels, weights, queries, positions, initial scores, names, and
// the values of columns only if it was binned with LinearTree. The format is hanji's own; LightGBM does not read it.
func (ds *Dataset) Save(path string) error {
	err := atomicfile.Write(path, func(w io.Writer) error {
		sum := sha256.New()
		if err := ds.write(io.MultiWriter(w, sum)); err != nil {
			return err
		}
		_, err := w.Write(sum.Sum(nil))
		return err
	})
	if err != nil {
		return fmt.Errorf("gbdt: save data: %w", err)
	}
	return nil
}

func (ds *Dataset) write(w io.Writer) error {
	h := ds.savedHeader()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&h); err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint64([]byte(dataMagic), uint64(b.Len()))
	if _, err := w.Write(append(head, b.Bytes()...)); err != nil {
		return err
	}
	return ds.arrays(&h, func(v any) error { return writeArray(w, v) })
}

func (ds *Dataset) savedHeader() savedHeader {
	o := &ds.options
	h := savedHeader{Rows: ds.rows, LabelIndex: ds.labelIndex, FeaturePreFilter: o.FeaturePreFilter,
		Linear: o.LinearTree && ds.hasValues(), MinDataInLeaf: o.MinDataInLeaf, Weights: ds.weight != nil, Queries: len(ds.queries), InitScores: len(ds.init), Positions: ds.positions}
	h.Raw = h.Linear && ds.raw
	for _, name := range binningParameters {
		h.Binning = append(h.Binning, [2]string{name, paramByName(name).text(o)})
	}
	for i, m := range ds.mappers {
		c := savedColumn{ds.names[i], ds.columns[i].Ignore, ds.columns[i].Categorical, m.numBin, m.categorical, m.trivial, uint8(m.missing), m.upper, m.categories,
			m.sparseRate, m.min, m.max, m.defaultBin, m.mostFreqBin, 0}
		switch {
		case h.Linear && ds.columns[i].Float32 != nil:
			c.Values = 4
		case h.Linear:
			c.Values = 8
		}
		h.Columns = append(h.Columns, c)
	}
	return h
}

// arrays calls do with each array of the file, in order.
func (ds *Dataset) arrays(h *savedHeader, do func(any) error) error {
	list := []any{ds.label}
	if h.Weights {
		list = append(list, ds.weight)
	}
	list = append(list, ds.queries, ds.init, ds.position)
	for i := range ds.bins {
		if b := &ds.bins[i]; b.u8 != nil {
			list = append(list, b.u8)
		} else {
			list = append(list, b.u16)
		}
	}
	for i := range h.Columns {
		switch h.Columns[i].Values {
		case 4:
			list = append(list, packed(ds.columns[i].Float32, ds.columns[i].Stride))
		case 8:
			list = append(list, packed(ds.columns[i].Values, ds.columns[i].Stride))
		}
	}
	for _, v := range list {
		if err := do(v); err != nil {
			return err
		}
	}
	return nil
}

// packed gives the values of a column without what lies between them.
func packed[T any](v []T, stride int) []T {
	if stride <= 1 {
		return v
	}
	out := make([]T, 0, len(v)/stride+1)
	for i := 0; i < len(v); i += stride {
		out = append(out, v[i])
	}
	return out
}

// arrayPiece is how many numbers are converted at a time.
const arrayPiece = 1 << 13

func writeArray(w io.Writer, v any) error {
	return eachPiece(v, func(piece any, size int) error {
		buf, err := binary.Append(make([]byte, 0, size), binary.LittleEndian, piece)
		if err != nil {
			return err
		}
		_, err = w.Write(buf)
		return err
	})
}

func readArray(r io.Reader, v any) error {
	return eachPiece(v, func(piece any, size int) error {
		buf := make([]byte, size)
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		_, err := binary.Decode(buf, binary.LittleEndian, piece)
		return err
	})
}

func eachPiece(v any, do func(piece any, size int) error) error {
	switch v := v.(type) {
	case []uint8:
		return pieces(v, do)
	case []uint16:
		return pieces(v, do)
	case []int32:
		return pieces(v, do)
	case []float32:
		return pieces(v, do)
	case []float64:
		return pieces(v, do)
	}
	panic(fmt.Sprintf("gbdt: no array of a data set is %T", v))
}

func pieces[T any](v []T, do func(piece any, size int) error) error {
	for len(v) > 0 {
		n := min(len(v), arrayPiece)
		if err := do(v[:n], binary.Size(v[:n])); err != nil {
			return err
		}
		v = v[n:]
	}
	return nil
}

// readSaved reads a saved data set of so many bytes.
func readSaved(r io.Reader, size int64) (*Dataset, error) {
	sum := sha256.New()
	in := io.TeeReader(r, sum)
	head := make([]byte, len(dataMagic)+8)
	if _, err := io.ReadFull(in, head); err != nil || !bytes.HasPrefix(head, []byte(dataMagic)) {
		return nil, errors.New("not a saved data set")
	}
	length := binary.LittleEndian.Uint64(head[len(dataMagic):])
	rest := size - int64(len(head)) - sha256.Size
	if rest < 0 || length > uint64(rest) {
		return nil, fmt.Errorf("the file of %d bytes is cut off", size)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, err
	}
	var h savedHeader
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&h); err != nil {
		return nil, fmt.Errorf("the header is damaged: %w", err)
	}
	ds := &Dataset{}
	if err := ds.takeHeader(&h); err != nil {
		return nil, err
	}
	if want := h.arraySize(); want != rest-int64(length) {
		return nil, fmt.Errorf("the file has %d bytes, its header wants %d", size, want+size-rest+int64(length))
	}
	ds.makeArrays(&h)
	if err := ds.arrays(&h, func(v any) error { return readArray(in, v) }); err != nil {
		return nil, err
	}
	if err := checkSum(r, sum); err != nil {
		return nil, err
	}
	return ds, ds.checkArrays()
}

func checkSum(r io.Reader, sum hash.Hash) error {
	var want [sha256.Size]byte
	if _, err := io.ReadFull(r, want[:]); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), want[:]) {
		return errors.New("the file is damaged: its checksum is wrong")
	}
	return nil
}

// takeHeader makes columns and bin mappers of a header that is as it should be.
func (ds *Dataset) takeHeader(h *savedHeader) error {
	const most = math.MaxInt32
	if h.Rows < 1 || h.Rows > most || len(h.Columns) < 1 || len(h.Columns) > 1<<24 || h.LabelIndex < 0 || h.Queries < 0 || h.Queries == 1 || h.Queries > most ||
		h.InitScores < 0 || h.InitScores > 1<<50 || h.InitScores%h.Rows != 0 || h.Positions < 0 || h.Positions > h.Rows {
		return fmt.Errorf("the header is damaged: %d rows of %d columns, %d bounds of queries, %d initial scores, %d positions", h.Rows, len(h.Columns), h.Queries, h.InitScores, h.Positions)
	}
	ds.options = DefaultOptions()
	o := &ds.options
	for _, b := range h.Binning {
		if !slices.Contains(binningParameters, b[0]) {
			return fmt.Errorf("the header is damaged: no parameter of binning is %q", clip(b[0]))
		}
		if err := o.Set(b[0], b[1]); err != nil {
			return fmt.Errorf("the header is damaged: %w", err)
		}
	}
	o.FeaturePreFilter, o.LinearTree, o.MinDataInLeaf = h.FeaturePreFilter, h.Linear, h.MinDataInLeaf
	ds.rows, ds.labelIndex, ds.positions = h.Rows, h.LabelIndex, h.Positions
	ds.inner = make([]int32, len(h.Columns))
	for i := range h.Columns {
		c := &h.Columns[i]
		m, err := c.mapper()
		if err == nil && (c.Values != 0) != h.Linear {
			err = errors.New("its values are kept where others are not, or are not where others are")
		}
		if err != nil {
			return fmt.Errorf("the header is damaged: column %d (%s): %w", i, clip(c.Name), err)
		}
		ds.names, ds.mappers = append(ds.names, c.Name), append(ds.mappers, m)
		ds.columns = append(ds.columns, Column{Name: c.Name, Categorical: c.Categorical, Ignore: c.Ignore})
		if ds.inner[i] = -1; !m.trivial {
			ds.inner[i] = int32(len(ds.used))
			ds.used = append(ds.used, int32(i))
		}
	}
	return nil
}

// mapper gives the mapper that was saved, if it can be one.
func (c *savedColumn) mapper() (*binMapper, error) {
	m := &binMapper{numBin: c.NumBin, categorical: c.CategoricalBins, missing: missingType(c.Missing), trivial: c.Trivial, upper: c.Upper, categories: c.Categories,
		sparseRate: c.SparseRate, min: c.Min, max: c.Max, defaultBin: c.DefaultBin, mostFreqBin: c.MostFrequentBin}
	if c.Values != 0 && c.Values != 4 && c.Values != 8 || m.missing > missingNaN {
		return nil, fmt.Errorf("values of %d bytes, missing type %d", c.Values, m.missing)
	}
	if m.categorical {
		m.binOf = make(map[int32]int32, len(m.categories))
		for i, k := range m.categories {
			m.binOf[k] = int32(i)
		}
	}
	if m.trivial {
		return m, nil
	}
	bins := len(m.upper)
	switch {
	case m.categorical:
		bins = len(m.categories)
		if len(m.binOf) != bins || bins == 0 || m.categories[0] != -1 {
			return nil, errors.New("its categories are none")
		}
	case bins == 0 || !math.IsInf(m.upper[bins-1], 1) || !slices.IsSorted(m.upper) || slices.ContainsFunc(m.upper, math.IsNaN):
		return nil, errors.New("its bounds do not rise to infinity")
	case m.missing == missingNaN:
		bins++
	}
	if m.numBin != bins || bins > maxBins || uint(m.defaultBin) >= uint(bins) || uint(m.mostFreqBin) >= uint(bins) {
		return nil, fmt.Errorf("%d bins, of which %d have bounds; default bin %d, most frequent %d", m.numBin, bins, m.defaultBin, m.mostFreqBin)
	}
	return m, nil
}

// arraySize is the bytes that the arrays take. takeHeader has bounded what is added up here.
func (h *savedHeader) arraySize() int64 {
	n := int64(h.Rows)
	size := 4*n + 4*int64(h.Queries) + 8*int64(h.InitScores)
	if h.Weights {
		size += 4 * n
	}
	if h.Positions > 0 {
		size += 4 * n
	}
	for i := range h.Columns {
		c := &h.Columns[i]
		if !c.Trivial {
			size += n
			if c.NumBin > 256 {
				size += n
			}
		}
		size += n * int64(c.Values)
	}
	return size
}

func (ds *Dataset) makeArrays(h *savedHeader) {
	ds.label = make([]float32, h.Rows)
	if h.Weights {
		ds.weight = make([]float32, h.Rows)
	}
	if h.Queries > 0 {
		ds.queries = make([]int32, h.Queries)
	}
	if h.InitScores > 0 {
		ds.init = make([]float64, h.InitScores)
	}
	if h.Positions > 0 {
		ds.position = make([]int32, h.Rows)
	}
	for _, f := range ds.used {
		ds.bins = append(ds.bins, makeBins(h.Rows, ds.mappers[f].numBin))
	}
	ds.raw = h.Linear && h.Raw
	for i := range h.Columns {
		switch h.Columns[i].Values {
		case 4:
			ds.columns[i].Float32 = make([]float32, h.Rows)
		case 8:
			ds.columns[i].Values = make([]float64, h.Rows)
		}
	}
}

// checkArrays finds numbers that no data set has: a file can be wrong and have the right checksum.
func (ds *Dataset) checkArrays() error {
	for i, v := range ds.label {
		if v != v {
			return fmt.Errorf("the label of row %d is %v", i, v)
		}
	}
	for i, v := range ds.weight {
		if !(v >= 0) {
			return fmt.Errorf("the weight of row %d is %v, want 0 or more", i, v)
		}
	}
	for i, v := range ds.init {
		if v != v || math.IsInf(v, 0) {
			return fmt.Errorf("initial score %d is %v", i, v)
		}
	}
	for i, v := range ds.position {
		if v < 0 || int(v) >= ds.positions {
			return fmt.Errorf("the position of row %d is %d of %d", i, v, ds.positions)
		}
	}
	for j, f := range ds.used {
		b, bins := &ds.bins[j], ds.mappers[f].numBin
		if m := max(largest(b.u8), largest(b.u16)); m >= bins {
			return fmt.Errorf("column %d (%s) has bin %d of %d", f, clip(ds.names[f]), m, bins)
		}
	}
	var group []int
	for i := 1; i < len(ds.queries); i++ {
		group = append(group, int(ds.queries[i])-int(ds.queries[i-1]))
	}
	if group != nil && ds.queries[0] != 0 {
		return fmt.Errorf("the first query begins with row %d", ds.queries[0])
	}
	return ds.setGroups(group)
}

func largest[T uint8 | uint16](v []T) int {
	var m T
	for _, x := range v {
		m = max(m, x)
	}
	return int(m)
}

// openSaved reads path if it is a saved data set; nil if it is anything else.
func openSaved(path string) (*Dataset, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gbdt: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil // a pipe: what is read from it would be lost
	}
	head := make([]byte, len(lightGBMMagic))
	n, _ := f.ReadAt(head, 0)
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte(lightGBMMagic)):
		return nil, fmt.Errorf("gbdt: %s is a data set saved by LightGBM, whose layout belongs to its version; read the text again, and save that with task=save_binary here", path)
	case !bytes.HasPrefix(head, []byte(dataMagic)):
		return nil, nil
	}
	ds, err := readSaved(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("gbdt: saved data set %s: %w", path, err)
	}
	return ds, nil
}
