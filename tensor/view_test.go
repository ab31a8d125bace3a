package tensor_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hanji-ml/hanji/tensor"
)

// naive is the specification of a view: a shape, and for each place in row-major order the element of the first tensor that
// stands there (−1: a zero of padding).
type naive struct {
	shape []int
	at    []int
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// from builds a naive array of the shape whose place idx holds what old has at src(idx), or a zero where src gives nil.
func (old naive) from(shape []int, src func(idx []int) []int) naive {
	out := naive{slices.Clone(shape), make([]int, size(shape))}
	idx := make([]int, len(shape))
	for p := range out.at {
		for i, r := len(shape)-1, p; i >= 0; i-- {
			idx[i], r = r%shape[i], r/shape[i]
		}
		from := src(idx)
		if from == nil {
			out.at[p] = -1
			continue
		}
		q := 0
		for i, j := range from {
			q = q*old.shape[i] + j
		}
		out.at[p] = old.at[q]
	}
	return out
}

// A chain of views shows what the naive index model says, whatever is a view and whatever a copy, and its gradient goes back to
// the elements it came from, as often as each was shown.
func TestViewChains(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		shape := rapid.SliceOfN(rapid.IntRange(1, 4), 1, 4).Draw(r, "shape")
		ctx := tensor.New(tensor.Options{Grad: true})
		defer ctx.Close()
		values := make([]float64, size(shape))
		want := naive{shape, make([]int, len(values))}
		for i := range values {
			values[i], want.at[i] = float64(i+1), i
		}
		first := ctx.F64s(values, shape...).Watch()
		x, story := first, fmt.Sprint(shape)
		for range rapid.IntRange(1, 6).Draw(r, "length") {
			x, want, story = viewStep(r, x, want, story)
		}
		check := func(got []float64, shape []int) {
			if !slices.Equal(shape, want.shape) {
				r.Fatalf("%s: shape %v, want %v", story, shape, want.shape)
			}
			for p, v := range got {
				if w := float64(want.at[p] + 1); v != w {
					r.Fatalf("%s: place %d holds %v, want %v\n%v", story, p, v, w, got)
				}
			}
		}
		check(x.ReadF64(), x.Shape())
		check(x.AddS(0).ReadF64(), x.Shape()) // an op reads views as Read does
		if x.Len() == 0 {
			return
		}
		weight := make([]float64, x.Len()) // small integers: sums are exact
		grad := make([]float64, len(values))
		for p := range weight {
			weight[p] = float64(p%7 + 1)
			if want.at[p] >= 0 {
				grad[want.at[p]] += weight[p]
			}
		}
		if x == first {
			x = x.MulS(1)
		}
		x.Mul(ctx.F64s(weight, x.Shape()...)).Sum().Backward()
		if got := first.Grad(); got == nil {
			if slices.Max(grad) > 0 {
				r.Fatalf("%s: no gradient", story)
			}
		} else if !slices.Equal(got.ReadF64(), grad) {
			r.Fatalf("%s: gradient %v, want %v", story, got.ReadF64(), grad)
		}
	})
}

// viewStep applies one drawn view to both.
func viewStep(r *rapid.T, x T, n naive, story string) (T, naive, string) {
	rank := len(n.shape)
	kind := rapid.SampledFrom([]string{"permute", "slice", "reshape", "unsqueeze", "expand", "concat", "unfold", "pad", "contiguous"}).Draw(r, "view")
	switch {
	case kind == "permute":
		axes := rapid.Permutation(upTo(rank)).Draw(r, "axes")
		shape := make([]int, rank)
		for i, a := range axes {
			shape[i] = n.shape[a]
		}
		return x.Permute(axes...), n.from(shape, func(idx []int) []int {
			from := make([]int, rank)
			for i, a := range axes {
				from[a] = idx[i]
			}
			return from
		}), fmt.Sprintf("%s permute%v", story, axes)
	case kind == "slice" && rank > 0:
		axis := rapid.IntRange(0, rank-1).Draw(r, "axis")
		lo := rapid.IntRange(0, n.shape[axis]).Draw(r, "lo")
		hi := rapid.IntRange(min(lo+1, n.shape[axis]), n.shape[axis]).Draw(r, "hi")
		if hi == lo {
			lo = max(0, lo-1) // now and then empty only where the axis is
		}
		shape := slices.Clone(n.shape)
		shape[axis] = hi - lo
		return x.Slice(axis, lo, hi), n.from(shape, func(idx []int) []int {
			from := slices.Clone(idx)
			from[axis] += lo
			return from
		}), fmt.Sprintf("%s slice(%d, %d, %d)", story, axis, lo, hi)
	case kind == "reshape":
		shape := factors(r, size(n.shape))
		return x.Reshape(shape...), naive{shape, n.at}, fmt.Sprintf("%s reshape%v", story, shape)
	case kind == "unsqueeze" && rank < 5:
		axis := rapid.IntRange(0, rank).Draw(r, "axis")
		return x.Unsqueeze(axis), naive{slices.Insert(slices.Clone(n.shape), axis, 1), n.at}, fmt.Sprintf("%s unsqueeze(%d)", story, axis)
	case kind == "expand" && rank < 5:
		shape := append([]int{rapid.IntRange(1, 3).Draw(r, "times")}, n.shape...)
		for i := range shape[1:] {
			if shape[i+1] == 1 {
				shape[i+1] = rapid.IntRange(1, 3).Draw(r, "repeat")
			}
		}
		if size(shape) > 4096 {
			break
		}
		return x.Expand(shape...), n.from(shape, func(idx []int) []int {
			from := slices.Clone(idx[1:])
			for i := range from {
				from[i] = min(from[i], n.shape[i]-1)
			}
			return from
		}), fmt.Sprintf("%s expand%v", story, shape)
	case kind == "concat" && rank > 0 && size(n.shape) < 2048:
		axis := rapid.IntRange(0, rank-1).Draw(r, "axis")
		shape := slices.Clone(n.shape)
		shape[axis] *= 2
		return tensor.Concat(axis, x, x), n.from(shape, func(idx []int) []int {
			from := slices.Clone(idx)
			from[axis] %= n.shape[axis]
			return from
		}), fmt.Sprintf("%s concat(%d)", story, axis)
	case kind == "unfold" && rank > 0 && rank < 6 && n.shape[rank-1] > 0 && size(n.shape) < 2048:
		length := n.shape[rank-1]
		width := rapid.IntRange(1, length).Draw(r, "size")
		step := rapid.IntRange(1, 3).Draw(r, "step")
		shape := append(slices.Clone(n.shape[:rank-1]), (length-width)/step+1, width)
		return x.Unfold(width, step), n.from(shape, func(idx []int) []int {
			from := slices.Clone(idx[:rank])
			from[rank-1] = idx[rank-1]*step + idx[rank]
			return from
		}), fmt.Sprintf("%s unfold(%d, %d)", story, width, step)
	case kind == "pad" && rank > 0 && size(n.shape) < 2048:
		axis := rapid.IntRange(0, rank-1).Draw(r, "axis")
		before, after := rapid.IntRange(0, 2).Draw(r, "before"), rapid.IntRange(0, 2).Draw(r, "after")
		mode := rapid.SampledFrom([]tensor.PadMode{tensor.PadZero, tensor.PadReplicate}).Draw(r, "mode")
		length := n.shape[axis]
		if length == 0 {
			break
		}
		shape := slices.Clone(n.shape)
		shape[axis] += before + after
		return x.Pad(axis, before, after, mode), n.from(shape, func(idx []int) []int {
			from := slices.Clone(idx)
			from[axis] = min(max(from[axis]-before, 0), length-1)
			if mode == tensor.PadZero && from[axis]+before != idx[axis] {
				return nil
			}
			return from
		}), fmt.Sprintf("%s pad(%d, %d, %d, %v)", story, axis, before, after, mode)
	case kind == "contiguous":
		return x.MulS(1), n, story + " mul(1)"
	}
	return x, n, story
}

func upTo(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// factors draws a shape of n elements with at most five axes.
func factors(r *rapid.T, n int) []int {
	shape := []int{}
	for len(shape) < 4 && n > 0 && rapid.Bool().Draw(r, "more") {
		var divisors []int
		for d := 1; d <= n; d++ {
			if n%d == 0 {
				divisors = append(divisors, d)
			}
		}
		d := rapid.SampledFrom(divisors).Draw(r, "factor")
		shape, n = append(shape, d), n/d
	}
	if n != 1 || rapid.Bool().Draw(r, "last") {
		shape = append(shape, n)
	}
	return shape
}
