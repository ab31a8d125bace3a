package gbdt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/hanji-ml/hanji/internal/atomicfile"
)

// checkpointMagic begins a checkpoint; the SHA-256 of what follows it comes next.
const checkpointMagic = "hanji gbdt checkpoint 1\n"

// checkpoint is all of a training that its options and data do not say: scores, trees in terms of bins, and where each random
// generator stands. Training that goes on from it gives the model that it would have given uninterrupted, to the bit.
type checkpoint struct {
	Identity    string
	Round, Iter int
	Rate        float64
	Scores      [][]float64 // of the training data, then of each validation set
	Grad, Hess  []float32   // of a random forest, which keeps them
	Trees       []savedTree

	Bagging, Queries []uint32 // generators
	Features         uint32
	Extra            []uint32 // of each feature
	Rounded          int      // trees begun with use_quantized_grad
	Bias             []float32
	Fresh            bool
	In, Out, InQuery []int32

	Bought       []bool
	BoughtForRow [][]uint64

	Drop       uint32
	DropWeight []float64
	DropSum    float64

	Best      []float64
	BestAt    []int
	FirstName string
}

// savedTree is a tree, exported for gob.
type savedTree struct {
	NumLeaves, NumCat             int
	SplitFeature                  []int32
	SplitGain                     []float32
	Threshold                     []float64
	DecisionType                  []int8
	Left, Right                   []int32
	LeafValue, LeafWeight         []float64
	LeafCount                     []int
	InternalValue, InternalWeight []float64
	InternalCount                 []int
	CatBoundaries                 []int32
	CatThreshold                  []uint32
	HasLinear, Linear             bool
	LeafConst                     []float64
	LeafFeatures                  [][]int32
	LeafCoeff                     [][]float64
	Shrinkage                     float64
	Depth                         int
	SplitInner, ThresholdBin      []int32
	CatInner                      [][]uint32
	LeafParent, LeafDepth         []int32
}

func saveTree(t *tree) savedTree {
	return savedTree{
		t.numLeaves, t.numCat, t.splitFeature, t.splitGain, t.threshold, t.decisionType, t.left, t.right, t.leafValue, t.leafWeight, t.leafCount,
		t.internalValue, t.internalWeigh, t.internalCount, t.catBoundaries, t.catThreshold, t.hasLinear, t.linear, t.leafConst, t.leafFeatures, t.leafCoeff,
		t.shrinkage, t.depth, t.splitInner, t.thresholdBin, t.catInner, t.leafParent, t.leafDepth,
	}
}

// tree gives the tree back. gob makes nil of slices that are empty, which model files tell from those that are not there.
func (s *savedTree) tree() *tree {
	return &tree{
		numLeaves: s.NumLeaves, numCat: s.NumCat, splitFeature: there(s.SplitFeature), splitGain: there(s.SplitGain), threshold: there(s.Threshold),
		decisionType: there(s.DecisionType), left: there(s.Left), right: there(s.Right), leafValue: there(s.LeafValue), leafWeight: there(s.LeafWeight),
		leafCount: there(s.LeafCount), internalValue: there(s.InternalValue), internalWeigh: there(s.InternalWeight), internalCount: there(s.InternalCount),
		catBoundaries: s.CatBoundaries, catThreshold: s.CatThreshold, hasLinear: s.HasLinear, linear: s.Linear, leafConst: s.LeafConst,
		leafFeatures: s.LeafFeatures, leafCoeff: s.LeafCoeff, shrinkage: s.Shrinkage, depth: s.Depth,
		grown: &grown{splitInner: s.SplitInner, thresholdBin: s.ThresholdBin, catInner: s.CatInner, leafParent: s.LeafParent, leafDepth: s.LeafDepth},
	}
}

func there[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}

// identity is a hash of what must be equal for a checkpoint to be gone on from: the parameters (but for how many rounds), and the data
// as training sees it.
func (t *trainer) identity() string {
	o := *t.o
	o.NumIterations, o.NumThreads = 0, 0
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%d %d\n", o.block(), t.ds.rows, t.first)
	data := func(v any) {
		if err := binary.Write(h, binary.LittleEndian, v); err != nil {
			panic(err) // a slice of numbers
		}
	}
	for _, ds := range t.datasets() {
		data(int64(ds.rows))
		data(ds.label)
		data(ds.weight)
		data(ds.queries)
		data(ds.init)
		data(ds.position)
		for i := range ds.bins {
			data(ds.bins[i].u8)
			data(ds.bins[i].u16)
		}
	}
	for _, m := range t.ds.mappers {
		fmt.Fprintf(h, "%s %d %v\n", m.info(), m.numBin, m.upper)
	}
	if m := t.o.InitModel; m != nil {
		if err := m.WriteText(h); err != nil {
			panic(err) // a hash takes everything
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// datasets are the training data and the validation sets other than it.
func (t *trainer) datasets() []*Dataset {
	list := []*Dataset{t.ds}
	for _, s := range t.sets {
		if !s.train {
			list = append(list, s.ds)
		}
	}
	return list
}

// save writes Options.Checkpoint.
func (t *trainer) save() error {
	c := checkpoint{Identity: t.id, Round: t.round, Iter: t.iter, Rate: t.rate, Scores: t.scores(), Bagging: states(t.sample.rngs), Queries: states(t.obj.rngs),
		Fresh: t.sample.fresh, In: t.sample.in, Out: t.sample.out, InQuery: t.sample.queries}
	for _, tr := range t.trees {
		c.Trees = append(c.Trees, saveTree(tr))
	}
	if t.obj.position != nil {
		c.Bias = t.obj.position.bias
	}
	if t.forest != nil {
		c.Grad, c.Hess = t.grad, t.hess
	}
	if l := t.learner; l != nil {
		c.Features = l.cols.rng.x
		for i := range l.meta {
			c.Extra = append(c.Extra, l.meta[i].rng.x)
		}
		if l.quant != nil {
			c.Rounded = l.quant.trees
		}
		if l.cegb != nil {
			c.Bought, c.BoughtForRow = l.cegb.bought, l.cegb.boughtForRow
		}
	}
	if d := t.dart; d != nil {
		c.Drop, c.DropWeight, c.DropSum = d.rng.x, d.weight, d.sum
	}
	if e := t.early; e != nil {
		c.Best, c.BestAt, c.FirstName = e.best, e.at, e.firstName
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&c); err != nil {
		return fmt.Errorf("gbdt: checkpoint: %w", err)
	}
	err := atomicfile.Write(t.o.Checkpoint, func(w io.Writer) error {
		sum := sha256.Sum256(b.Bytes())
		for _, part := range [][]byte{[]byte(checkpointMagic), sum[:], b.Bytes()} {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("gbdt: checkpoint: %w", err)
	}
	return nil
}

func (t *trainer) scores() [][]float64 {
	list := [][]float64{t.score}
	for _, s := range t.sets {
		if !s.train {
			list = append(list, s.score)
		}
	}
	return list
}

func states(rngs []random) []uint32 {
	var x []uint32
	for _, r := range rngs {
		x = append(x, r.x)
	}
	return x
}

// resume takes up Options.Checkpoint, if it is there.
func (t *trainer) resume() error {
	b, err := os.ReadFile(t.o.Checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("gbdt: checkpoint: %w", err)
	}
	c, err := readCheckpoint(b)
	if err != nil {
		return fmt.Errorf("gbdt: %s: %w; remove it to begin anew", t.o.Checkpoint, err)
	}
	if c.Identity != t.id {
		return fmt.Errorf("gbdt: %s is of other parameters or other data; remove it to begin anew, or name another file", t.o.Checkpoint)
	}
	t.round, t.iter, t.rate = c.Round, c.Iter, c.Rate
	for i, s := range t.scores() {
		copy(s, c.Scores[i])
	}
	for i := range c.Trees {
		t.trees = append(t.trees, c.Trees[i].tree())
	}
	s := t.sample
	s.fresh, s.in, s.out, s.queries = c.Fresh, c.In, c.Out, c.InQuery
	setStates(s.rngs, c.Bagging)
	setStates(t.obj.rngs, c.Queries)
	if t.obj.position != nil {
		copy(t.obj.position.bias, c.Bias)
	}
	if t.forest != nil {
		copy(t.grad, c.Grad)
		copy(t.hess, c.Hess)
	}
	if l := t.learner; l != nil {
		l.cols.rng.x = c.Features
		for i, x := range c.Extra {
			l.meta[i].rng.x = x
		}
		if l.quant != nil {
			l.quant.skip(c.Rounded)
		}
		if l.cegb != nil {
			l.cegb.bought, l.cegb.boughtForRow = c.Bought, c.BoughtForRow
		}
	}
	if d := t.dart; d != nil {
		d.rng.x, d.weight, d.sum = c.Drop, c.DropWeight, c.DropSum
	}
	if e := t.early; e != nil && c.Best != nil {
		e.best, e.at, e.firstName = c.Best, c.BestAt, c.FirstName
	}
	return nil
}

func setStates(rngs []random, x []uint32) {
	for i := range rngs {
		rngs[i].x = x[i]
	}
}

// readCheckpoint reads what save wrote. Its content is as it was written: the hash says so.
func readCheckpoint(b []byte) (c checkpoint, err error) {
	rest, ok := bytes.CutPrefix(b, []byte(checkpointMagic))
	if !ok || len(rest) < sha256.Size {
		return c, errors.New("not a checkpoint of a training")
	}
	sum, rest := rest[:sha256.Size], rest[sha256.Size:]
	if got := sha256.Sum256(rest); !bytes.Equal(got[:], sum) {
		return c, errors.New("the checkpoint is damaged: its checksum is wrong")
	}
	err = gob.NewDecoder(bytes.NewReader(rest)).Decode(&c)
	return c, err
}

// due tells whether a checkpoint is to be written after this round.
func (t *trainer) due() bool { return t.o.Checkpoint != "" && t.round%t.o.CheckpointFreq == 0 }
