package gbdt

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/internal/par"
)

// Column is a feature: Values or Float32, one number a row, NaN where it is missing.
type Column struct {
	Name        string // default Column_0, Column_1, …
	Values      []float64
	Float32     []float32 // instead of Values
	Stride      int       // the values lie so many apart, as in rows side by side; default 1
	Categorical bool      // the numbers are codes of categories, 0…2³¹−1; negative ones count as missing
	Ignore      bool      // keeps its place among the features, but is never split on
}

// Len is the number of rows.
func (c *Column) Len() int {
	stride := max(c.Stride, 1)
	return (max(len(c.Values), len(c.Float32)) + stride - 1) / stride
}

func (c *Column) at(i int) float64 {
	if c.Stride > 1 {
		i *= c.Stride
	}
	if c.Float32 != nil {
		return float64(c.Float32[i])
	}
	return c.Values[i]
}

// Data is what a Dataset is made from. The columns are kept, not copied: training goes on from another model and makes
// linear leaves by them.
type Data struct {
	Columns   []Column
	Label     []float64 // used as float32, as in LightGBM
	Weight    []float64 // of rows; nil: all 1
	Group     []int     // sizes of queries, in order, for ranking; nil: none
	Position  []int     // where each row stood when its label was seen, any numbers, for lambdarank without that bias; nil: none
	InitScore []float64 // raw scores to start from, class after class; nil: none

	// FreeRaw drops the columns' values once they are binned (free_raw_data of LightGBM's Python package); training
	// with LinearTree or from an InitModel is then an error, where the data set was not binned for it.
	FreeRaw bool

	labelIndex int  // column of the file that the label was
	sparse     bool // from LibSVM text, whose last features may not occur
}

// Dataset is binned training or validation data. It is immutable and may be used by several trainings at once.
type Dataset struct {
	rows    int
	columns []Column // as given, or without values: see raw
	names   []string
	mappers []*binMapper // of all features
	used    []int32      // features that are not trivial
	inner   []int32      // place in used, −1 for a trivial one
	layout  layout
	places  []featurePlace // where the bins of each feature used are
	bins    []binColumn    // of one feature used or of a bundle of them
	sparse  *sparseRows    // bins of the others; nil: none
	label   []float32
	weight  []float32
	queries []int32 // bounds of queries: one more than there are
	qWeight []float32
	init    []float64
	options Options

	position  []int32 // of each row, as number of a position
	positions int

	labelIndex int

	raw      bool // columns have the values that they were given; linear leaves do with float32
	scoredBy *Model
	scores   []float64 // what scoredBy predicts, class after class, where the values it needs are not kept
}

// maxBins is the most bins that a feature can have.
const maxBins = 1 << 16

// NewDataset finds bins for the columns and bins them. Of the options it uses those about binning, MinDataInLeaf for
// the pre-filter, MonotoneConstraints, Seed and DataRandomSeed.
func NewDataset(d Data, o Options) (*Dataset, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	ds := &Dataset{options: o}
	if err := ds.describe(d); err != nil {
		return nil, err
	}
	rng := newRandom(o.DataRandomSeed)
	sample := rng.sample(ds.rows, min(ds.rows, o.BinConstructSampleCnt))
	err = ds.findMappers(len(sample), func(feature int, s *sampledColumn) {
		c := &ds.columns[feature]
		for i, row := range sample {
			if v := c.at(row); !isZero(v) {
				s.add(i, v)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	ds.binAll()
	if d.FreeRaw && !o.LinearTree {
		ds.dropValues()
	}
	return ds, nil
}

// NewValid bins other data with the bins of this one, for validation.
func (ds *Dataset) NewValid(d Data) (*Dataset, error) {
	d.fit(len(ds.columns))
	if len(d.Columns) != len(ds.columns) {
		return nil, fmt.Errorf("gbdt: validation data has %d columns, the training data %d", len(d.Columns), len(ds.columns))
	}
	v := &Dataset{options: ds.options, mappers: ds.mappers, used: ds.used, inner: ds.inner}
	if err := v.describe(d); err != nil {
		return nil, err
	}
	v.names = ds.names
	v.arrangeAlone()
	v.binAll()
	if d.FreeRaw && !ds.options.LinearTree {
		v.dropValues()
	}
	return v, nil
}

// hasValues tells whether the columns have values, if perhaps rounded to float32.
func (ds *Dataset) hasValues() bool {
	return !slices.ContainsFunc(ds.columns, func(c Column) bool { return c.Len() == 0 })
}

// dropValues keeps of the columns only what they are.
func (ds *Dataset) dropValues() {
	ds.raw, ds.columns = false, slices.Clone(ds.columns)
	for i := range ds.columns {
		ds.columns[i].Values, ds.columns[i].Float32, ds.columns[i].Stride = nil, nil, 0
	}
}

// NumRows is the number of rows.
func (ds *Dataset) NumRows() int { return ds.rows }

// NumFeatures is the number of columns.
func (ds *Dataset) NumFeatures() int { return len(ds.columns) }

// NumBins gives the number of bins of a feature, 0 if it is trivial and not used.
func (ds *Dataset) NumBins(feature int) int {
	if ds.inner[feature] < 0 {
		return 0
	}
	return ds.mappers[feature].numBin
}

// describe checks the data and takes over everything but the bins.
func (ds *Dataset) describe(d Data) error {
	if len(d.Columns) == 0 {
		return fmt.Errorf("gbdt: data has no columns")
	}
	ds.rows, ds.columns, ds.raw, ds.labelIndex = d.Columns[0].Len(), d.Columns, true, d.labelIndex
	if ds.rows == 0 || ds.rows > math.MaxInt32 {
		return fmt.Errorf("gbdt: data has %d rows, want 1 to %d", ds.rows, math.MaxInt32)
	}
	ds.nameColumns()
	for i := range d.Columns {
		if c := &d.Columns[i]; c.Len() != ds.rows || c.Values != nil && c.Float32 != nil {
			return fmt.Errorf("gbdt: column %d (%s) has %d rows, column 0 has %d", i, clip(ds.names[i]), c.Len(), ds.rows)
		}
	}
	return ds.setLabels(d)
}

// nameColumns makes names of the columns that a model file can hold.
func (ds *Dataset) nameColumns() {
	for i := range ds.columns {
		name := strings.Join(strings.Fields(ds.columns[i].Name), "_")
		if name == "" {
			name = fmt.Sprintf("Column_%d", i)
		}
		ds.names = append(ds.names, name)
	}
}

func (ds *Dataset) setLabels(d Data) error {
	if len(d.Label) != ds.rows {
		return fmt.Errorf("gbdt: %d labels for %d rows", len(d.Label), ds.rows)
	}
	ds.label = make([]float32, ds.rows)
	for i, v := range d.Label {
		if v != v || math.IsInf(v, 0) {
			return fmt.Errorf("gbdt: the label of row %d is %v", i, v)
		}
		ds.label[i] = float32(v)
	}
	if d.Weight != nil {
		if len(d.Weight) != ds.rows {
			return fmt.Errorf("gbdt: %d weights for %d rows", len(d.Weight), ds.rows)
		}
		ds.weight = make([]float32, ds.rows)
		for i, v := range d.Weight {
			if !(v >= 0) || math.IsInf(v, 1) {
				return fmt.Errorf("gbdt: the weight of row %d is %v, want 0 or more", i, v)
			}
			ds.weight[i] = float32(v)
		}
	}
	if d.InitScore != nil {
		if len(d.InitScore)%ds.rows != 0 || len(d.InitScore) == 0 {
			return fmt.Errorf("gbdt: %d initial scores for %d rows", len(d.InitScore), ds.rows)
		}
		for i, v := range d.InitScore {
			if v != v || math.IsInf(v, 0) {
				return fmt.Errorf("gbdt: initial score %d is %v", i, v)
			}
		}
		ds.init = d.InitScore
	}
	if err := ds.setPositions(d.Position); err != nil {
		return err
	}
	return ds.setGroups(d.Group)
}

func (ds *Dataset) setGroups(group []int) error {
	if group == nil {
		return nil
	}
	ds.queries = []int32{0}
	sum := 0
	for i, n := range group {
		if n < 0 || n > ds.rows-sum {
			return fmt.Errorf("gbdt: query %d has %d rows, %d are left", i, n, ds.rows-sum)
		}
		sum += n
		ds.queries = append(ds.queries, int32(sum))
	}
	if sum != ds.rows {
		return fmt.Errorf("gbdt: queries have %d rows together, the data has %d", sum, ds.rows)
	}
	if ds.weight != nil { // a query weighs as much as its rows on average (Metadata::CalculateQueryWeights)
		for i := range group {
			var w float32
			for _, v := range ds.weight[ds.queries[i]:ds.queries[i+1]] {
				w += v
			}
			ds.qWeight = append(ds.qWeight, w/float32(ds.queries[i+1]-ds.queries[i]))
		}
	}
	return nil
}

// sampledColumn is what a sample of rows has in a column.
type sampledColumn struct {
	values []float64 // that are not zero
	rows   []int32   // their places in the sample, ascending; noted from the first gap on
	gaps   bool
}

func (s *sampledColumn) add(i int, v float64) {
	if i != len(s.values) && !s.gaps {
		s.noteRows()
	}
	if s.values = append(s.values, v); s.gaps {
		s.rows = append(s.rows, int32(i))
	}
}

func (s *sampledColumn) noteRows() {
	s.gaps, s.rows = true, s.rows[:0]
	for k := range s.values {
		s.rows = append(s.rows, int32(k))
	}
}

// findMappers finds the bins of each column from a sample of its rows, and which features share a column. collect adds what the
// sample has in a column.
func (ds *Dataset) findMappers(sampled int, collect func(feature int, s *sampledColumn)) error {
	o := &ds.options
	if o.MaxBinByFeature != nil && len(o.MaxBinByFeature) != len(ds.columns) {
		return fmt.Errorf("gbdt: max_bin_by_feature has %d entries for %d columns", len(o.MaxBinByFeature), len(ds.columns))
	}
	forced, err := readForcedBins(o.ForcedBinsFilename, len(ds.columns))
	if err != nil {
		return err
	}
	p := binParams{minDataInBin: o.MinDataInBin, useMissing: o.UseMissing, zeroAsMissing: o.ZeroAsMissing, preFilter: o.FeaturePreFilter,
		minSplitData: int(float64(o.MinDataInLeaf*sampled) / float64(ds.rows))}
	ds.mappers = make([]*binMapper, len(ds.columns))
	all := bundler{rows: ds.rows, sampled: sampled, sparse: o.IsEnableSparse, taken: make([]taken, len(ds.columns)), nonzero: make([]int, len(ds.columns))}
	errs := make([]error, len(ds.columns))
	scratch := make([]sampledColumn, par.Threads())
	par.ForWorker(len(ds.columns), 1, func(worker, i, _ int) {
		c, p := &ds.columns[i], p
		if c.Ignore {
			ds.mappers[i] = &binMapper{numBin: 1, trivial: true}
			return
		}
		p.maxBin = o.MaxBin
		if o.MaxBinByFeature != nil {
			p.maxBin = o.MaxBinByFeature[i]
		}
		p.forced = forced[i]
		s := &scratch[worker]
		s.values, s.gaps = s.values[:0], false
		collect(i, s)
		ds.mappers[i], errs[i] = findBins(s.values, sampled, c.Categorical, p)
		if m := ds.mappers[i]; errs[i] == nil && !m.trivial && o.EnableBundle {
			all.taken[i], all.nonzero[i] = newTaken(m, sampled, s), len(s.values)
		}
	})
	ds.inner = make([]int32, len(ds.columns))
	for i, m := range ds.mappers {
		switch {
		case errs[i] != nil:
			return fmt.Errorf("gbdt: column %d (%s): %w", i, clip(ds.names[i]), errs[i])
		case m.numBin > maxBins:
			return fmt.Errorf("gbdt: column %d (%s): %d bins, at most %d are possible", i, clip(ds.names[i]), m.numBin, maxBins)
		case m.trivial:
			ds.inner[i] = -1
		default:
			k := len(ds.used)
			ds.inner[i] = int32(k)
			ds.used = append(ds.used, int32(i))
			all.taken[k], all.nonzero[k] = all.taken[i], all.nonzero[i]
		}
	}
	if !o.EnableBundle {
		ds.arrangeAlone()
		return nil
	}
	all.taken, all.nonzero = all.taken[:len(ds.used)], all.nonzero[:len(ds.used)]
	ds.arrange(all.groups())
	return nil
}

// binChunk is how many rows of a column are binned at a time.
const binChunk = 1 << 14

// binAll fills in the bins of all features used.
func (ds *Dataset) binAll() {
	stores := make([][][]int32, len(ds.bins)) // columns that lie together, as features
	for c, features := range ds.layout.columns {
		s := ds.layout.store(c)
		stores[s] = append(stores[s], features)
	}
	tasks := len(stores)
	chunks := (ds.rows + binChunk - 1) / binChunk
	var pieces []*sparsePiece
	if ds.sparse != nil {
		tasks++
		pieces = make([]*sparsePiece, chunks)
	}
	par.For(tasks*chunks, 1, func(task, _ int) {
		k, chunk := task%tasks, task/tasks // all columns of a piece of rows, which may lie side by side, before the next piece
		lo := chunk * binChunk
		hi := min(lo+binChunk, ds.rows)
		if k == len(stores) {
			p := &sparsePiece{first: lo, rows: hi - lo}
			for _, j := range ds.layout.sparse {
				ds.binTogether(j, lo, hi, p)
			}
			p.sort()
			pieces[chunk] = p
			return
		}
		for _, features := range stores[k] {
			if len(features) == 1 {
				ds.binAlone(features[0], lo, hi)
				continue
			}
			for _, j := range slices.Sorted(slices.Values(features)) {
				ds.binTogether(j, lo, hi, nil)
			}
		}
	})
	if ds.sparse != nil {
		ds.sparse.join(ds.rows, pieces)
	}
}

// binAlone fills in rows lo…hi−1 of a feature that has a column.
func (ds *Dataset) binAlone(j int32, lo, hi int) {
	switch c := &ds.columns[ds.used[j]]; {
	case c.Stride > 1:
		values := make([]float64, hi-lo)
		for i := range values {
			values[i] = c.at(lo + i)
		}
		fill(ds, j, lo, values)
	case c.Float32 != nil:
		fill(ds, j, lo, c.Float32[lo:hi])
	default:
		fill(ds, j, lo, c.Values[lo:hi])
	}
}

// binTogether notes rows lo…hi−1 of a feature that is not alone.
func (ds *Dataset) binTogether(j int32, lo, hi int, piece *sparsePiece) {
	c := &ds.columns[ds.used[j]]
	stride := max(c.Stride, 1)
	if from, to := lo*stride, (hi-1)*stride+1; c.Float32 != nil {
		putValues(ds, j, lo, c.Float32[from:to], stride, allValues, piece)
	} else {
		putValues(ds, j, lo, c.Values[from:to], stride, allValues, piece)
	}
}

// readForcedBins reads LightGBM's file of bin bounds: [{"feature": 0, "bin_upper_bound": [0.3, 0.35]}, …].
func readForcedBins(path string, features int) ([][]float64, error) {
	out := make([][]float64, features)
	if path == "" {
		return out, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("gbdt: forced bins: %w", err)
	}
	var list []struct {
		Feature int       `json:"feature"`
		Upper   []float64 `json:"bin_upper_bound"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("gbdt: forced bins: %s: %w", path, err)
	}
	for _, e := range list {
		if e.Feature < 0 || e.Feature >= features {
			return nil, fmt.Errorf("gbdt: forced bins: %s: feature %d is not in 0..%d", path, e.Feature, features-1)
		}
		for i, v := range e.Upper {
			if i == 0 || v != e.Upper[i-1] {
				out[e.Feature] = append(out[e.Feature], v)
			}
		}
	}
	return out, nil
}

// row copies the values of a row.
func (ds *Dataset) row(dst []float64, i int) {
	for j := range ds.columns {
		dst[j] = ds.columns[j].at(i)
	}
}

// infos are the feature_infos of a model file.
func (ds *Dataset) infos() []string {
	out := make([]string, len(ds.mappers))
	for i, m := range ds.mappers {
		out[i] = m.info()
	}
	return out
}
