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
const dataMagic = "hanji gbdt data 2\n"

// olderMagic began data sets in which every feature had a column.
const olderMagic = "hanji gbdt data 1\n"

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
	Queries, InitScores      int       // how many numbers
	Layout                   [][]int32 // features of each column of bins
	Positions                int       // how many there are; 0: rows have none
	Packed                   int       // as in layout
	Sparse, Order            []int32
	Entries                  int64 // numbers of sparse rows
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
var binningParameters = []string{"max_bin", "max_bin_by_feature", "min_data_in_bin", "bin_construct_sample_cnt", "data_random_seed", "is_enable_sparse",
	"enable_bundle", "use_missing",
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
	var lengths []int32
	if ds.sparse != nil {
		lengths = ds.sparse.lengths()
	}
	return ds.arrays(&h, lengths, func(v any) error { return writeArray(w, v) })
}

func (ds *Dataset) savedHeader() savedHeader {
	o := &ds.options
	h := savedHeader{Rows: ds.rows, LabelIndex: ds.labelIndex, FeaturePreFilter: o.FeaturePreFilter,
		Linear: o.LinearTree && ds.hasValues(), MinDataInLeaf: o.MinDataInLeaf, Weights: ds.weight != nil, Queries: len(ds.queries), InitScores: len(ds.init), Positions: ds.positions}
	h.Raw = h.Linear && ds.raw
	h.Layout, h.Packed, h.Sparse, h.Order = ds.layout.columns, ds.layout.packed, ds.layout.sparse, ds.layout.order
	if ds.sparse != nil {
		h.Entries = int64(ds.sparse.start[ds.rows])
	}
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
	if want := ds.arraySize(&h); want != rest-int64(length) {
		return nil, fmt.Errorf("the file has %d bytes, its header wants %d", size, want+size-rest+int64(length))
	}
	lengths := ds.makeArrays(&h)
	if err := ds.arrays(&h, lengths, func(v any) error { return readArray(in, v) }); err != nil {
		return nil, err
	}
	for _, n := range lengths {
		last := ds.sparse.start[len(ds.sparse.start)-1]
		if n < 0 || int64(n) > h.Entries-int64(last) {
			return nil, fmt.Errorf("row %d has %d sparse bins of %d", len(ds.sparse.start)-1, n, h.Entries)
		}
		ds.sparse.start = append(ds.sparse.start, last+int(n))
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
	return ds.takeLayout(h)
}

// takeLayout takes a layout that gives every feature used one place.
func (ds *Dataset) takeLayout(h *savedHeader) error {
	ds.layout = layout{columns: h.Layout, packed: h.Packed, sparse: h.Sparse, order: h.Order}
	seen := func(lists ...[]int32) bool {
		all := slices.Concat(lists...)
		slices.Sort(all)
		for i, j := range all {
			if int(j) != i {
				return false
			}
		}
		return len(all) == len(ds.used)
	}
	if !seen(append(slices.Clip(h.Layout), h.Sparse)...) || !seen(h.Order) {
		return errors.New("the header is damaged: its columns of bins do not hold every feature once")
	}
	const most = math.MaxUint32
	l := &ds.layout
	for _, features := range l.columns {
		if n := ds.numbers(features); len(features) == 0 || int64(n) > most {
			return errors.New("the header is damaged: its columns of bins are none")
		}
	}
	ds.countNumbers()
	if l.packed < 0 || l.bytes() < 0 {
		return fmt.Errorf("the header is damaged: %d columns of 4 bits", l.packed)
	}
	for c, n := range l.bins[:l.bytes()+l.packed] {
		if n > 256 || c >= l.bytes() && n > 16 {
			return errors.New("the header is damaged: its columns of bins are in no order")
		}
	}
	if h.Entries < 0 || h.Entries > 1<<50 || h.Sparse == nil && h.Entries > 0 || int64(ds.numbersTogether(h.Sparse)) > most {
		return fmt.Errorf("the header is damaged: %d sparse bins", h.Entries)
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
	case bytes.HasPrefix(head, []byte(olderMagic)):
		return nil, fmt.Errorf("gbdt: %s was saved by an older version, whose bins lie otherwise; read the text again, and save that with task=save_binary", path)
	case !bytes.HasPrefix(head, []byte(dataMagic)):
		return nil, nil
	}
	ds, err := readSaved(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("gbdt: saved data set %s: %w", path, err)
	}
	return ds, nil
}
