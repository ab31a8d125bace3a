package tensor

import "fmt"

// packed is t itself when its elements lie without gaps, else a contiguous copy.
func (t *Tensor) packed() *Tensor {
	if t.contiguous() {
		return t
	}
	c := ctxOf("contiguous", t)
	out := c.like(t)
	prim.copy(out, t)
	c.record("contiguous", passBack, out, t)
	return out
}

// Reshape gives the same elements another shape; one axis may be −1, worked out from the rest. It is a view where the
// strides allow, else a copy.
func (t *Tensor) Reshape(shape ...int) *Tensor {
	t.check("reshape")
	var s [MaxRank]int
	if len(shape) > MaxRank {
		fail("reshape", "too many axes", t)
	}
	copy(s[:], shape)
	want, free := 1, -1
	for i, d := range s[:len(shape)] {
		if d == -1 && free < 0 {
			free = i
		} else {
			want *= d
		}
	}
	if n := t.Len(); free >= 0 && want > 0 && n%want == 0 {
		s[free] = n / want
		want = n
	} else if free >= 0 || want != n {
		fail("reshape", fmt.Sprintf("%d elements do not make %v", n, append([]int(nil), shape...)), t)
	}
	stride, ok := t.regroup(s[:len(shape)])
	src := t
	if !ok {
		src = t.packed()
	}
	c := ctxOf("reshape", src)
	v := c.view("reshape", src)
	if ok {
		v.rank, v.shape, v.stride = len(shape), s, stride
	} else {
		v.setShape("reshape", s[:len(shape)])
	}
	c.record("reshape", reshapeBack, v, src)
	return v
}

func reshapeBack(n *node) {
	x := n.in[0]
	n.in[0].accumulate(n.out.grad.Reshape(x.shape[:x.rank]...))
}

// regroup finds strides that show t's elements, in order, as the given shape; ok is false when a copy is needed.
func (t *Tensor) regroup(shape []int) (stride [MaxRank]int, ok bool) {
	if t.contiguous() {
		n := 1
		for i := len(shape) - 1; i >= 0; i-- {
			stride[i] = max(n, 1)
			n *= shape[i]
		}
		return stride, true
	}
	// Walk groups of axes from the last: a run of old axes that lie without gaps equals a run of new ones.
	j := len(shape) - 1
	for i := t.rank - 1; i >= 0; {
		n, st := t.shape[i], t.stride[i]
		for i--; i >= 0 && (t.shape[i] == 1 || t.stride[i] == st*n); i-- {
			n *= t.shape[i]
		}
		for m := 1; m < n || (j >= 0 && shape[j] == 1); j-- {
			if j < 0 || n%max(m*shape[j], 1) != 0 {
				return stride, false
			}
			stride[j] = st * m
			m *= shape[j]
			if m > n {
				return stride, false
			}
		}
	}
	for ; j >= 0; j-- {
		if shape[j] != 1 {
			return stride, false
		}
		stride[j] = 1
	}
	return stride, len(shape) == 0 || stride[len(shape)-1] == 1 || shape[len(shape)-1] == 1
}

// Permute reorders the axes: axis i of the result is axis axes[i] of t. It is a view unless it moves the last axis.
func (t *Tensor) Permute(axes ...int) *Tensor {
	c := ctxOf("permute", t)
	var seen [MaxRank]bool
	if len(axes) != t.rank {
		fail("permute", "one entry per axis is wanted", t)
	}
	var perm [MaxRank]int
	for i, a := range axes {
		a = t.axis("permute", a)
		if seen[a] {
			fail("permute", "an axis appears twice", t)
		}
		seen[a], perm[i] = true, a
	}
	var out *Tensor
	if t.rank == 0 || t.stride[perm[t.rank-1]] == 1 || t.shape[perm[t.rank-1]] == 1 {
		out = c.view("permute", t)
		for i, a := range perm[:t.rank] {
			out.shape[i], out.stride[i] = t.shape[a], t.stride[a]
		}
	} else {
		var shape [MaxRank]int
		for i, a := range perm[:t.rank] {
			shape[i] = t.shape[a]
		}
		out = c.empty(t.dt, shape[:t.rank])
		prim.permute(out, t, perm[:t.rank])
	}
	if n := c.record("permute", permuteBack, out, t); n != nil {
		copy(n.arg[:], perm[:])
	}
	return out
}

func permuteBack(n *node) {
	var back [MaxRank]int
	r := n.out.rank
	for i, a := range n.arg[:r] {
		back[a] = i
	}
	n.in[0].accumulate(n.out.grad.Permute(back[:r]...))
}

// Transpose swaps two axes.
func (t *Tensor) Transpose(a, b int) *Tensor {
	a, b = t.axis("transpose", a), t.axis("transpose", b)
	axes := [MaxRank]int{0, 1, 2, 3, 4, 5}
	axes[a], axes[b] = b, a
	return t.Permute(axes[:t.rank]...)
}

// Slice is the view of elements lo ≤ i < hi along an axis.
func (t *Tensor) Slice(axis, lo, hi int) *Tensor {
	c := ctxOf("slice", t)
	axis = t.axis("slice", axis)
	if lo < 0 || hi < lo || hi > t.shape[axis] {
		fail("slice", fmt.Sprintf("[%d:%d] of axis %d", lo, hi, axis), t)
	}
	v := c.view("slice", t)
	v.off += lo * t.stride[axis]
	v.shape[axis] = hi - lo
	if n := c.record("slice", sliceBack, v, t); n != nil {
		n.arg[0], n.arg[1], n.arg[2] = axis, lo, hi
	}
	return v
}

func sliceBack(n *node) {
	x := n.in[0]
	dx, add := x.gradInto()
	if !add {
		prim.fill(dx, 0)
	}
	part := n.out.ctx.view("slice", dx)
	part.off += n.arg[1] * dx.stride[n.arg[0]]
	part.shape[n.arg[0]] = n.arg[2] - n.arg[1]
	prim.binary(opAdd, part, part, n.out.grad)
}

// Index is element i along an axis, without that axis.
func (t *Tensor) Index(axis, i int) *Tensor { return t.Slice(axis, i, i+1).Squeeze(axis) }

// Squeeze drops an axis of length 1.
func (t *Tensor) Squeeze(axis int) *Tensor {
	axis = t.axis("squeeze", axis)
	if t.shape[axis] != 1 {
		fail("squeeze", fmt.Sprintf("axis %d is not 1", axis), t)
	}
	var s [MaxRank]int
	copy(s[:], t.shape[:axis])
	copy(s[axis:], t.shape[axis+1:t.rank])
	return t.Reshape(s[:t.rank-1]...)
}

// Unsqueeze puts an axis of length 1 before the given one (rank itself: at the end).
func (t *Tensor) Unsqueeze(axis int) *Tensor {
	if axis < 0 {
		axis += t.rank + 1
	}
	if axis < 0 || axis > t.rank || t.rank == MaxRank {
		fail("unsqueeze", fmt.Sprintf("no place %d", axis), t)
	}
	var s [MaxRank]int
	copy(s[:], t.shape[:axis])
	s[axis] = 1
	copy(s[axis+1:], t.shape[axis:t.rank])
	return t.Reshape(s[:t.rank+1]...)
}

// Flatten joins axes lo…hi (inclusive; negative ones count from the end) into one.
func (t *Tensor) Flatten(lo, hi int) *Tensor {
	lo, hi = t.axis("flatten", lo), t.axis("flatten", hi)
	var s [MaxRank]int
	copy(s[:], t.shape[:lo])
	s[lo] = 1
	for _, d := range t.shape[lo : hi+1] {
		s[lo] *= d
	}
	copy(s[lo+1:], t.shape[hi+1:t.rank])
	return t.Reshape(s[:t.rank-(hi-lo)]...)
}

// Expand repeats axes of length 1 to the given shape without copying; the last axis must keep its length unless it
// is copied. Axes may be added in front.
func (t *Tensor) Expand(shape ...int) *Tensor {
	c := ctxOf("expand", t)
	out := c.empty(t.dt, shape)
	add := len(shape) - t.rank
	for i := 0; i < t.rank; i++ {
		if add < 0 || (t.shape[i] != 1 && t.shape[i] != shape[i+add]) {
			fail("expand", fmt.Sprintf("to %v", append([]int(nil), shape...)), t)
		}
	}
	prim.copy(out, t.stretched(out))
	c.record("expand", passBack, out, t) // accumulate sums the repeats up
	return out
}

// stretched is t with the strides that show it in like's shape; only primitives may see it.
func (t *Tensor) stretched(like *Tensor) *Tensor {
	v := *t
	add := like.rank - t.rank
	v.rank, v.shape = like.rank, like.shape
	for i := range v.rank {
		v.stride[i] = 0
		if j := i - add; j >= 0 && t.shape[j] != 1 {
			v.stride[i] = t.stride[j]
		}
	}
	return &v
}

// Concat joins tensors of equal other axes along one axis.
func Concat(axis int, ts ...*Tensor) *Tensor {
	if len(ts) == 0 {
		fail("concat", "nothing to join")
	}
	c := ctxOf("concat", ts...)
	axis = ts[0].axis("concat", axis)
	shape := ts[0].shape
	shape[axis] = 0
	for _, t := range ts {
		for i := range t.rank {
			if t.rank != ts[0].rank || t.dt != ts[0].dt || (i != axis && t.shape[i] != shape[i]) {
				fail("concat", "shapes or types differ", ts...)
			}
		}
		shape[axis] += t.shape[axis]
	}
	out := c.empty(ts[0].dt, shape[:ts[0].rank])
	at, recorded := 0, false
	for _, t := range ts {
		part := out.header()
		part.off += at * out.stride[axis]
		part.shape[axis] = t.shape[axis]
		prim.copy(part, t)
		if n := c.record("concat", concatBack, out, t); n != nil { // one node a part
			n.arg[0], n.arg[1], n.keep = axis, at, recorded
			recorded = true
		}
		at += t.shape[axis]
	}
	return out
}

func concatBack(n *node) {
	x, axis, at := n.in[0], n.arg[0], n.arg[1]
	x.accumulate(n.out.grad.Slice(axis, at, at+x.shape[axis]))
}

// Stack joins tensors of equal shape along a new axis.
func Stack(axis int, ts ...*Tensor) *Tensor {
	wide := make([]*Tensor, len(ts))
	for i, t := range ts {
		wide[i] = t.Unsqueeze(axis)
	}
	return Concat(axis, wide...)
}

// Unfold shows sliding windows along the last axis: [..., L] → [..., (L−size)/step+1, size], as torch's unfold. The
// windows overlap in memory, so it is a view.
func (t *Tensor) Unfold(size, step int) *Tensor {
	c := ctxOf("unfold", t)
	last := t.rank - 1
	if t.rank == MaxRank || t.rank == 0 || size < 1 || step < 1 || t.shape[last] < size {
		fail("unfold", fmt.Sprintf("windows of %d every %d", size, step), t)
	}
	v := c.view("unfold", t)
	v.rank++
	v.shape[last] = (t.shape[last]-size)/step + 1
	v.stride[last] = step * t.stride[last]
	v.shape[last+1], v.stride[last+1] = size, t.stride[last]
	if n := c.record("unfold", unfoldBack, v, t); n != nil {
		n.arg[0], n.arg[1] = size, step
	}
	return v
}

func unfoldBack(n *node) {
	x, dy, last := n.in[0], n.out.grad, n.in[0].rank-1
	dx, add := x.gradInto()
	if !add {
		prim.fill(dx, 0)
	}
	for i := range dy.shape[last] { // overlapping windows are added one after the other
		part := *dx
		part.off += i * n.arg[1]
		part.shape[last] = n.arg[0]
		prim.binary(opAdd, &part, &part, dy.Index(last, i))
	}
}

// PadMode says what Pad puts beside the data.
type PadMode uint8

// The ways of padding, as torch.nn.functional.pad names them.
const (
	PadZero PadMode = iota
	PadReplicate
)

// Pad lengthens an axis by before and after elements.
func (t *Tensor) Pad(axis, before, after int, mode PadMode) *Tensor {
	axis = t.axis("pad", axis)
	if before < 0 || after < 0 || (mode == PadReplicate && t.shape[axis] == 0) {
		fail("pad", fmt.Sprintf("by %d and %d", before, after), t)
	}
	c := ctxOf("pad", t)
	var parts []*Tensor
	edge := func(n, i int) {
		if n == 0 {
			return
		}
		shape := t.shape
		shape[axis] = n
		if mode == PadReplicate {
			parts = append(parts, t.Slice(axis, i, i+1).Expand(shape[:t.rank]...))
		} else {
			parts = append(parts, c.Zeros(t.dt, shape[:t.rank]...))
		}
	}
	edge(before, 0)
	parts = append(parts, t)
	edge(after, t.shape[axis]-1)
	if len(parts) == 1 {
		return t
	}
	return Concat(axis, parts...)
}

// To converts the elements to another type; no gradient flows between float and integer types.
func (t *Tensor) To(dt DType) *Tensor {
	if t.dt == dt {
		return t
	}
	c := ctxOf("to", t)
	out := c.empty(dt, t.shape[:t.rank])
	prim.copy(out, t)
	if dt.Float() && t.dt.Float() {
		c.record("to", toBack, out, t)
	}
	return out
}

func toBack(n *node) { n.in[0].accumulate(n.out.grad.To(n.in[0].dt)) }

// Detach is t without its history: no gradient flows through it.
func (t *Tensor) Detach() *Tensor { return ctxOf("detach", t).view("detach", t) }
