package gbdt

import (
	"encoding/json"
	"fmt"
	"os"
)

// forcedSplit is a node of the file of splits that every tree begins with.
type forcedSplit struct {
	Feature   *int         `json:"feature"`
	Threshold *float64     `json:"threshold"`
	Left      *forcedSplit `json:"left"`
	Right     *forcedSplit `json:"right"`
	inner     int32
	bin       int32
}

// readForcedSplits reads forcedsplits_filename; nil if there is none.
func readForcedSplits(path string, ds *Dataset) (*forcedSplit, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("gbdt: forced splits: %w", err)
	}
	root := &forcedSplit{}
	if err := json.Unmarshal(b, root); err != nil {
		return nil, fmt.Errorf("gbdt: forced splits: %s: %w", path, err)
	}
	if err := root.resolve(ds); err != nil {
		return nil, fmt.Errorf("gbdt: forced splits: %s: %w", path, err)
	}
	return root, nil
}

// resolve finds the bin of each threshold.
func (s *forcedSplit) resolve(ds *Dataset) error {
	if s == nil {
		return nil
	}
	if s.Feature == nil || s.Threshold == nil {
		return fmt.Errorf("a split needs feature and threshold")
	}
	if *s.Feature < 0 || *s.Feature >= len(ds.columns) {
		return fmt.Errorf("feature %d is not in 0..%d", *s.Feature, len(ds.columns)-1)
	}
	if s.inner = ds.inner[*s.Feature]; s.inner < 0 {
		return fmt.Errorf("feature %d is constant or filtered out", *s.Feature)
	}
	s.bin = int32(ds.mappers[*s.Feature].bin(*s.Threshold))
	if err := s.Left.resolve(ds); err != nil {
		return err
	}
	return s.Right.resolve(ds)
}

// features adds all inner features of the splits.
func (s *forcedSplit) features(into map[int32]bool) map[int32]bool {
	if s != nil {
		into[s.inner] = true
		s.Left.features(into)
		s.Right.features(into)
	}
	return into
}

// forceSplits makes the forced splits level by level, as far as they gain (SerialTreeLearner::ForceSplits). Once one
// does not, the best split there is is made instead and the rest of the file is dropped.
func (l *learner) forceSplits() (done int, left, right int32) {
	type task struct {
		split *forcedSplit
		leaf  int32
	}
	queue := []task{{l.forced, 0}}
	always := l.forced.features(map[int32]bool{})
	infos := map[int32]*splitInfo{}
	left, right = 0, -1
	goLeft, goRight := l.forced, (*forcedSplit)(nil)
	for len(queue) > 0 && done < l.o.NumLeaves-1 {
		if l.prepare(left, right) {
			l.findSplits(always)
		}
		if goLeft != nil {
			l.forcedInfo(infos, goLeft, left)
		}
		if goRight != nil {
			l.forcedInfo(infos, goRight, right)
		}
		t := queue[0]
		queue = queue[1:]
		info, ok := infos[t.leaf]
		if !ok {
			leaf := l.bestLeaf()
			if l.best[leaf].gain <= 0 {
				return l.o.NumLeaves, left, right
			}
			left, right = l.split(leaf)
			return done + 1, left, right
		}
		l.best[t.leaf].set(info)
		left, right = l.split(t.leaf)
		done++
		goLeft, goRight = t.split.Left, t.split.Right
		if goLeft != nil {
			queue = append(queue, task{goLeft, left})
		}
		if goRight != nil {
			queue = append(queue, task{goRight, right})
		}
	}
	return done, left, right
}

// forcedInfo works out what a forced split of a leaf does, and notes it if it gains (GatherInfoForThreshold).
func (l *learner) forcedInfo(infos map[int32]*splitInfo, f *forcedSplit, leaf int32) {
	state := &l.smaller
	if l.larger.leaf == leaf {
		state = &l.larger
	}
	p, m := &l.search, &l.meta[f.inner]
	v := l.layout.views[f.inner]
	bins := l.pool[leaf].bins[v.lo:v.hi]
	count := int(l.part.count[leaf])
	factor := float64(count) / state.hess
	info := &splitInfo{feature: m.feature, inner: f.inner, threshold: f.bin, defaultLeft: true}
	var rg, rh float64
	var rc int
	if m.mapper.categorical {
		if f.bin == 0 {
			return
		}
		e := bins[f.bin]
		lg, lh := e.grad, e.hess+epsilon
		rg, rh, rc = state.grad-lg, state.hess-lh, count-roundInt(e.hess*factor)
		info.defaultLeft, info.categories = false, []int32{f.bin}
	} else {
		rh = epsilon
		last := m.mapper.numBin - 1
		if m.mapper.missing == missingNaN {
			last--
		}
		for b := last; b > int(f.bin) && b >= 1; b-- {
			if m.mapper.missing == missingZero && b == m.mapper.defaultBin {
				continue
			}
			rg += bins[b].grad
			rh += bins[b].hess
			rc += roundInt(bins[b].hess * factor)
		}
	}
	lg, lh, lc := state.grad-rg, state.hess-rh, count-rc
	info.leftOutput, info.rightOutput = p.output(lg, lh, p.l2, lc, state.output), p.output(rg, rh, p.l2, rc, state.output)
	shift := p.gainOf(state.grad, state.hess, p.l2, state.output) + p.minGain
	gain := p.gainOf(lg, lh, p.l2, info.leftOutput) + p.gainOf(rg, rh, p.l2, info.rightOutput)
	if !(gain > shift) {
		return
	}
	info.leftGrad, info.leftHess, info.leftCount = lg, lh-epsilon, lc
	info.rightGrad, info.rightHess, info.rightCount = rg, rh-epsilon, rc
	info.gain = gain - shift
	infos[leaf] = info
}
