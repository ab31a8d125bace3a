package nn

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// Rules by which rows are sent to experts, beside Mixtral's: noise that spreads them (Shazeer et al., arXiv 1701.06538),
// room that each expert has (Switch Transformer, arXiv 2101.03961) and a second expert by chance (GShard, arXiv
// 2006.16668). N rows, E experts, K experts of a row.

// NoisyGates is what NoisyTopK gives, [N, E] each.
type NoisyGates struct {
	Noisy *tensor.Tensor // H, the router's logits with noise
	Gates *tensor.Tensor // softmax over each row's K largest of H, 0 elsewhere
	Load  *tensor.Tensor // probability that the expert would be among the K with other noise for it alone
}

// NoisyTopK is noisy top-K gating (arXiv 1701.06538, §4.1 and appendix A): H = clean + noise·std, with clean = x·Wg and std =
// softplus(x·Wn) [N, E] and noise of standard normal draws. Sums over rows of Gates and Load are each expert's importance and
// load, which CV2 makes losses of. K is below E. tensor2tensor adds 0.01 to std; the paper does not.
func NoisyTopK(clean, std, noise *tensor.Tensor, k int) NoisyGates {
	n, e := clean.Dim(0), clean.Dim(1)
	if k < 1 || k >= e {
		panic(&tensor.Error{Op: "noisy top-k", Problem: fmt.Sprintf("%d of %d experts", k, e), Shapes: []string{clean.String()}})
	}
	h := clean.Add(std.Mul(noise))
	top := TopExperts(nil, h.ReadF64(), e, k+1)
	hidden, bound := make([]float64, n*e), make([]int64, n*e)
	for i := range bound {
		row := top[i/e*(k+1):][:k+1]
		hidden[i], bound[i] = math.Inf(-1), int64(i/e*e+row[k-1]) // out: it would have to beat the last that is in
		for _, in := range row[:k] {
			if in == i%e {
				hidden[i], bound[i] = 0, int64(i/e*e+row[k]) // in: the first that is out
			}
		}
	}
	c := h.Ctx()
	least := c.Ints(bound, n*e).Embedding(h.Reshape(n*e, 1)).Reshape(n, e)
	z := clean.Sub(least).Div(std)
	return NoisyGates{
		Noisy: h,
		Gates: h.Add(c.Constant(h.DType(), hidden, n, e)).Softmax(),
		Load:  z.MulS(math.Sqrt2 / 2).Erf().AddS(1).MulS(0.5), // Φ(z)
	}
}

// CV2 is the squared coefficient of variation Var(v)/Mean(v)² of all elements, the loss by which importance and load are evened out
// (arXiv 1701.06538, eq. 7). The paper leaves the variance open: with sample it is divided by one less than the number of
// elements, else by that number, as tensor2tensor does.
func CV2(v *tensor.Tensor, sample bool) *tensor.Tensor {
	n := float64(v.Len())
	if sample {
		n--
	}
	mean := v.Mean()
	return v.Sub(mean).Square().Sum().DivS(n).Div(mean.Square())
}

// ExpertCapacity is how many of n rows, each sent to k of e experts, one expert takes: the fair share times the factor, rounded up
// (arXiv 2101.03961, eq. 3).
func ExpertCapacity(n, e, k int, factor float64) int {
	return int(math.Ceil(float64(k*n) / float64(e) * factor))
}

// ExpertSlots gives each row's k choices [N, K] their places in the buffers of the experts, of capacity places each: all first
// choices in the order of rows, then all second ones, and so on. −1: not sent, since the expert is full or send (nil:
// always) says no; the place counts as taken even so.
func ExpertSlots(chosen []int, k, e, capacity int, send func(row, which int) bool) []int {
	slots, taken := make([]int, len(chosen)), make([]int, e)
	for which := range k {
		for at := which; at < len(chosen); at += k {
			to := chosen[at]
			slots[at] = -1
			if taken[to] < capacity && (send == nil || send(at/k, which)) {
				slots[at] = taken[to]
			}
			taken[to]++
		}
	}
	return slots
}

// SwitchSlots is ExpertSlots for one choice a row: a row whose expert is full is dropped, and the residual connection carries it
// on (arXiv 2101.03961, §2.2).
func SwitchSlots(chosen []int, e, capacity int) []int {
	return ExpertSlots(chosen, 1, e, capacity, nil)
}

// GShardSlots is ExpertSlots for two choices a row, of which the second is sent with probability 2·g₂: where uniform, drawn from
// [0, 1) for each row, is below that. second is g₂ [N], the second's share of the two gates (arXiv 2006.16668,
// algorithm 1).
func GShardSlots(chosen []int, second, uniform []float64, e, capacity int) []int {
	return ExpertSlots(chosen, 2, e, capacity, func(row, which int) bool { return which == 0 || 2*second[row] > uniform[row] })
}

// ExpertGates are the shares of the chosen experts [N, K], the softmax over their logits alone: [N, K] of router logits [N, E], with
// gradients. It is what is left of the softmax over all when it is made to add up to 1 again.
func ExpertGates(logits *tensor.Tensor, chosen []int) *tensor.Tensor {
	n, e := logits.Dim(0), logits.Dim(1)
	k := len(chosen) / max(n, 1)
	flat := make([]int64, len(chosen))
	for i, to := range chosen {
		flat[i] = int64(i/k*e + to)
	}
	return logits.Ctx().Ints(flat, n*k).Embedding(logits.Reshape(n*e, 1)).Reshape(n, k).Softmax()
}
