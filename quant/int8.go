package quant

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// Eight bits for weights and inputs alike: the largest of a row is 127.

// AbsmaxRows stores x, rows of cols, as q = round(127·x/max|row|), ties to even, and each row's
// scale max|row|/127; a row of zeros has the scale 0 (Dettmers et al., "LLM.int8()", NeurIPS 2022,
// §2.1).
func AbsmaxRows[T kernel.Float](q []int8, scale, x []T, cols int) {
	sameLength("AbsmaxRows", len(q), len(x))
	sameLength("AbsmaxRows", len(scale)*cols, len(x))
	for r := range scale {
		row := x[r*cols : (r+1)*cols]
		peak := absMax(row)
		scale[r] = peak / 127
		for c, v := range row {
			n := 0.0
			if peak > 0 {
				n = math.RoundToEven(float64(v * 127 / peak))
			}
			q[r*cols+c] = int8(n)
		}
	}
}

func absMax[T kernel.Float](x []T) (peak T) {
	for _, v := range x {
		peak = max(peak, max(v, -v))
	}
	return peak
}

func sameLength(what string, got, want int) {
	if got != want {
		panic(fmt.Sprintf("quant: %s: %d elements, want %d", what, got, want))
	}
}

// Int8MatMul is x·wᵀ for x [m, cols] and w [n, cols], [m, n], with the rows of both in eight bits and
// integer sums.
func Int8MatMul[T kernel.Float](x, w []T, cols int) []T {
	m, n := len(x)/cols, len(w)/cols
	qx, sx, qw, sw := make([]int8, len(x)), make([]T, m), make([]int8, len(w)), make([]T, n)
	AbsmaxRows(qx, sx, x, cols)
	AbsmaxRows(qw, sw, w, cols)
	out := make([]T, m*n)
	for i := range m {
		for j := range n {
			sum := 0
			for c := range cols {
				sum += int(qx[i*cols+c]) * int(qw[j*cols+c])
			}
			out[i*n+j] = T(sum) * sx[i] * sw[j]
		}
	}
	return out
}

// OutlierColumns lists the columns of x in which any |x| reaches threshold (6 in the paper).
func OutlierColumns[T kernel.Float](x []T, cols int, threshold T) (columns []int) {
	for c, peak := range ColumnMax(x, cols) {
		if peak >= threshold {
			columns = append(columns, c)
		}
	}
	return columns
}

// LLMInt8MatMul is Int8MatMul with the outlier columns of x multiplied as floats: they neither
// lose their precision nor spoil that of the others (LLM.int8(), §3).
func LLMInt8MatMul[T kernel.Float](x, w []T, cols int, threshold T) []T {
	m, n := len(x)/cols, len(w)/cols
	outlier := make([]bool, cols)
	for _, c := range OutlierColumns(x, cols, threshold) {
		outlier[c] = true
	}
	low := func(a []T) []T { // without the outliers; zeros change neither maxima nor sums
		out := make([]T, len(a))
		for i, v := range a {
			if !outlier[i%cols] {
				out[i] = v
			}
		}
		return out
	}
	out := Int8MatMul(low(x), low(w), cols)
	for i := range m {
		for j := range n {
			var sum T
			for c, is := range outlier {
				if is {
					sum += x[i*cols+c] * w[j*cols+c]
				}
			}
			out[i*n+j] += sum
		}
	}
	return out
}

// ColumnMax is max|x| of each column, what SmoothQuant asks of inputs and weights.
func ColumnMax[T kernel.Float](x []T, cols int) []T {
	out := make([]T, cols)
	for i, v := range x {
		out[i%cols] = max(out[i%cols], max(v, -v))
	}
	return out
}

// SmoothQuant is the factor of each column that moves difficulty from inputs to weights: divide the
// input by s (in the norm before) and multiply the weight's column with it. s = inputMax^alpha /
// weightMax^(1−alpha), at least 1e-5 (Xiao et al., "SmoothQuant", ICML 2023, eq. 4; smooth.py of
// mit-han-lab/smoothquant). alpha is usually 0.5; up to 0.9 for inputs with many outliers.
func SmoothQuant[T kernel.Float](inputMax, weightMax []T, alpha float64) []T {
	sameLength("SmoothQuant", len(weightMax), len(inputMax))
	s := make([]T, len(inputMax))
	for c := range s {
		s[c] = max(T(math.Pow(float64(inputMax[c]), alpha)/math.Pow(float64(weightMax[c]), 1-alpha)), 1e-5)
	}
	return s
}
