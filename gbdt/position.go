package gbdt

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
)

// positionBias is what the position of a row, where its label was seen, adds to its score: score = relevance(x) +
// bias(position), of which the trees learn only the relevance (lambdarank with positions, rank_objective.hpp; the two-tower
// models of Guo et al. 2019, PAL). The biases take a Newton step each time gradients are computed.
type positionBias struct {
	of     []int32   // position of each row, from 0
	bias   []float32 // of each position; its steps are rounded, as in LightGBM
	rate   float64
	lambda float64 // L2 regularization for each row
}

func newPositionBias(ds *Dataset, o *Options) *positionBias {
	return &positionBias{of: ds.position, bias: make([]float32, ds.positions), rate: o.LearningRate, lambda: o.LambdaRankPositionBiasRegularization}
}

// adjusted gives the scores of rows lo… with their biases.
func (p *positionBias) adjusted(score []float64, lo int32) []float64 {
	out := make([]float64, len(score))
	for i, s := range score {
		out[i] = s + float64(p.bias[p.of[int(lo)+i]])
	}
	return out
}

// update takes the step that the gradients of some queries ask for; nil are all. Rows are added up in order: the model does
// not depend on the number of threads.
func (p *positionBias) update(bounds, queries []int32, grad, hess []float32) {
	first, second, rows := make([]float64, len(p.bias)), make([]float64, len(p.bias)), make([]int, len(p.bias))
	add := func(lo, hi int32) {
		for i := lo; i < hi; i++ {
			k := p.of[i]
			first[k] -= float64(grad[i])
			second[k] -= float64(hess[i])
			rows[k]++
		}
	}
	if queries == nil {
		add(0, int32(len(p.of)))
	}
	for _, q := range queries {
		add(bounds[q], bounds[q+1])
	}
	for k, b := range p.bias {
		g := first[k] - float64(b)*p.lambda*float64(rows[k])
		h := second[k] - p.lambda*float64(rows[k])
		p.bias[k] = float32(float64(b) + p.rate*g/(math.Abs(h)+0.001))
	}
}

// setPositions numbers positions in the order of their first row.
func (ds *Dataset) setPositions(positions []int) error {
	ds.position, ds.positions = nil, 0
	if positions == nil {
		return nil
	}
	if len(positions) != ds.rows {
		return fmt.Errorf("gbdt: %d positions for %d rows", len(positions), ds.rows)
	}
	number := map[int]int32{}
	for _, v := range positions {
		k, ok := number[v]
		if !ok {
			k = int32(len(number))
			number[v] = k
		}
		ds.position = append(ds.position, k)
	}
	ds.positions = len(number)
	return nil
}

// readPositions reads a position a line, any text; nil if there is no such file.
func readPositions(path string) ([]int, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("gbdt: %w", err)
	}
	defer f.Close()
	var out []int
	number := map[string]int{}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if sc.Text() == "" {
			continue
		}
		k, ok := number[sc.Text()]
		if !ok {
			k = len(number)
			number[sc.Text()] = k
		}
		out = append(out, k)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("gbdt: %s: %w", path, err)
	}
	return out, nil
}
