package nn

import (
	"slices"
	"sync"

	"github.com/hanji-ml/hanji/tensor"
)

// MoE is a mixture of experts (arXiv 1701.06538) with Mixtral's routing (arXiv 2401.04088, §2.1): each row goes to the TopK experts
// with the largest router logits, and their outputs are weighted by the softmax of these logits.
//
// In training, experts may have limited room and second choices be left to chance. A choice that is not sent adds nothing: the
// residual connection around the layer carries the row on. The other gates of the row stay as they are.
type MoE struct {
	Gate    *Linear   `w:"gate"`    // the router, C → E
	Experts []*SwiGLU `w:"experts"` //
	TopK    int       `w:"-"`

	Capacity float64 `w:"-"`     // in training: rows that an expert takes, in fair shares (ExpertCapacity); 0: all
	ByChance bool    `w:"-"`     // in training, with TopK 2: the second is sent by chance (GShardSlots)
	Noise    *Linear `w:"noise"` // C → E; not nil: in training noise of that size moves the router's logits (NoisyTopK)

	path uint64
}

// NewMoE makes e experts from c channels through f and back.
func NewMoE(c, f, e, topK int) *MoE {
	m := &MoE{Gate: NewLinear(c, e, false), TopK: topK}
	for range e {
		m.Experts = append(m.Experts, NewSwiGLU(c, f))
	}
	return m
}

func (m *MoE) place(path uint64) { m.path = path }

// Routed is what a router said of the rows of one call, from which the losses are made that even experts out.
type Routed struct {
	Logits           *tensor.Tensor // [N, E], without noise: LoadBalance, ZLoss
	Importance, Load *tensor.Tensor // [E], the sums over rows of NoisyTopK's gates and load: CV2; nil where no noise was added
}

// Forward maps [N, C] to [N, C]. Rows are grouped by expert, so that each expert's weights are read once.
func (m *MoE) Forward(x *tensor.Tensor) (y *tensor.Tensor, routed Routed) {
	logits := m.Gate.Forward(x)
	routed.Logits = logits
	n, e := logits.Dim(0), logits.Dim(1)
	if m.Noise != nil && x.Training() {
		g := NoisyTopK(logits, m.Noise.Forward(x).Softplus(), x.Ctx().Normal(m.path, logits.DType(), n, e), m.TopK)
		logits, routed.Importance, routed.Load = g.Noisy, g.Gates.Sum(0).Reshape(e), g.Load.Sum(0).Reshape(e)
	}
	if len(m.Experts) < e {
		return m.forwardSpread(x, logits), routed
	}
	r := routings.Get().(*routing)
	defer r.done()
	gates, sent := m.send(r, x, logits)
	for i, expert := range m.Experts {
		if lo, hi := r.start[i], r.start[i+1]; lo < hi {
			r.outs = append(r.outs, expert.Forward(sent.Slice(0, lo, hi)))
		}
	}
	return r.join(gates, tensor.Concat(0, r.outs...)), routed
}

// send chooses the experts of x's rows: gates [N, K], and the rows that are sent, by expert.
func (m *MoE) send(r *routing, x, logits *tensor.Tensor) (gates, sent *tensor.Tensor) {
	n, e, k, c := x.Dim(0), logits.Dim(1), m.TopK, x.Ctx()
	r.choose(logits, n, e, k)
	gates = c.Ints(r.flat, n*k).Embedding(logits.Reshape(n*e, 1)).Reshape(n, k).Softmax()
	if x.Training() && (m.Capacity > 0 || m.ByChance) {
		gates = m.limit(r, gates, e)
	}
	r.group(e, k)
	return gates, c.Ints(r.row, len(r.row)).Embedding(x)
}

// join weights what the experts have made of the rows that were sent, in that order: [N, C].
func (r *routing) join(gates, outs *tensor.Tensor) *tensor.Tensor {
	n, k := gates.Dim(0), gates.Dim(1)
	back := gates.Ctx().Ints(r.place, n*k).Embedding(outs).Reshape(n, k, outs.Dim(1))
	return gates.Reshape(n, 1, k).MatMul(back).Reshape(n, outs.Dim(1))
}

// limit decides which choices are sent, and gives the gates with 0 for the others.
func (m *MoE) limit(r *routing, gates *tensor.Tensor, e int) *tensor.Tensor {
	n, k := gates.Dim(0), gates.Dim(1)
	capacity := n
	if m.Capacity > 0 {
		capacity = ExpertCapacity(n, e, k, m.Capacity)
	}
	if m.ByChance && k == 2 {
		second := gates.Slice(1, 1, 2).ReadF64()
		r.slots = GShardSlots(r.chosen, second, gates.Ctx().Uniform(m.path, tensor.F64, n).ReadF64(), e, capacity)
	} else {
		r.slots = ExpertSlots(r.chosen, k, e, capacity, nil)
	}
	keep := make([]float64, len(r.slots))
	for i, s := range r.slots {
		if s >= 0 {
			keep[i] = 1
		}
	}
	return gates.Mul(gates.Ctx().Constant(gates.DType(), keep, n, k))
}

// routing is where the rows of one call go; its memory is lent by a pool.
type routing struct {
	scores []float32
	chosen []int   // [N, K] experts by falling score
	flat   []int64 // [N, K] where their logits lie in [N·E]
	slots  []int   // [N, K] −1: not sent; nil: all are
	start  []int   // of each expert's rows among all that are sent, and the end
	row    []int64 // of each that is sent, by expert: the row of x
	place  []int64 // [N, K] where each choice is among those that are sent; 0 where it is not
	outs   []*tensor.Tensor
}

var routings = sync.Pool{New: func() any { return new(routing) }}

func (r *routing) done() {
	clear(r.outs)
	r.outs, r.slots = r.outs[:0], nil
	routings.Put(r)
}

func (r *routing) choose(logits *tensor.Tensor, n, e, k int) {
	r.scores = grown(r.scores, n*e)
	if logits.DType() == tensor.F64 {
		r.chosen = TopExperts(r.chosen[:0], logits.ReadF64(), e, k)
	} else {
		logits.ReadInto(r.scores)
		r.chosen = TopExperts(r.chosen[:0], r.scores, e, k)
	}
	r.flat = r.flat[:0]
	for i, to := range r.chosen {
		r.flat = append(r.flat, int64(i/k*e+to))
	}
}

// group sorts the choices that are sent by expert, rows of one expert in order.
func (r *routing) group(e, k int) {
	r.start = append(r.start[:0], make([]int, e+1)...)
	for i, to := range r.chosen {
		if r.isSent(i) {
			r.start[to+1]++
		}
	}
	for i := range e {
		r.start[i+1] += r.start[i]
	}
	r.row = slices.Grow(r.row[:0], r.start[e])[:r.start[e]]
	r.place = slices.Grow(r.place[:0], len(r.chosen))[:len(r.chosen)]
	for i, to := range r.chosen {
		r.place[i] = 0
		if r.isSent(i) {
			at := r.start[to]
			r.start[to]++
			r.row[at], r.place[i] = int64(i/k), int64(at)
		}
	}
	copy(r.start[1:], r.start) // each start has moved to the next one's
	r.start[0] = 0
}

func (r *routing) isSent(choice int) bool { return r.slots == nil || r.slots[choice] >= 0 }

// TopExperts appends, for each row of scores [N, E], the k experts with the largest scores, largest first and the first of equal
// ones.
func TopExperts[F float32 | float64](dst []int, scores []F, e, k int) []int {
	for ; len(scores) >= e && e > 0; scores = scores[e:] {
		from := len(dst)
		for range min(k, e) {
			best := -1
			for i, s := range scores[:e] {
				if !slices.Contains(dst[from:], i) && (best < 0 || s > scores[best]) {
					best = i
				}
			}
			dst = append(dst, best)
		}
	}
	return dst
}

// LoadBalance is the auxiliary loss that keeps experts equally busy, as transformers computes Mixtral's
// (load_balancing_loss_func): E·Σₑ fₑ·Pₑ over the rows of all layers' router logits [N, E] together, f the choices that fall on an
// expert per row, so k when it gets all, P its mean probability. It is k where all are equally busy (the Switch Transformer's,
// arXiv 2101.03961, eq. 4, is this for k = 1). real tells which of the N rows count; nil: all. No gradient flows through f.
func LoadBalance(logits []*tensor.Tensor, k int, real []bool) *tensor.Tensor {
	all := tensor.Concat(0, logits...)
	n, e := logits[0].Dim(0), all.Dim(1)
	weight, counts, rows := make([]float64, all.Dim(0)), make([]float64, e), 0.0
	for i, to := range TopExperts(nil, all.ReadF64(), e, k) {
		if r := i / k; real == nil || real[r%n] {
			weight[r] = 1
			counts[to]++
		}
	}
	for _, w := range weight {
		rows += w
	}
	for i := range counts {
		counts[i] *= float64(e) / max(rows, 1) / max(rows, 1)
	}
	c := all.Ctx()
	p := all.Softmax().Mul(c.Constant(all.DType(), weight, len(weight), 1)).Sum(0)
	return p.Mul(c.Constant(all.DType(), counts, 1, e)).Sum()
}

// ExpertCounts is how many choices of the rows of router logits [N, E] fall on each expert; real as in LoadBalance.
func ExpertCounts(logits *tensor.Tensor, k int, real []bool) []int {
	e := logits.Dim(1)
	counts := make([]int, e)
	for i, to := range TopExperts(nil, logits.ReadF64(), e, k) {
		if real == nil || real[i/k] {
			counts[to]++
		}
	}
	return counts
}
