package kernel

import (
	"fmt"
	"math"
)

// AttentionHead is one head of scaled dot-product attention: T queries against
// S keys and values of D numbers each. Every matrix is a slice and the distance
// between its rows in elements, so a head inside [B, T, H, D] or [B, H, T, D]
// is read and written in place; a stride of 0 means packed rows (D, or S for
// the matrices that are [T, S]). An optional field is left nil.
//
// The scores of query i are
//
//	s[i][j] = Scale·q[i]·k[j] + Prev[i][j] + Bias[i][j] + KeyBias[j]
//
// and −Inf where Causal forbids key j, and the output is
// o[i] = Σ_j dropout(softmax(s[i]))[j]·v[j] (Attention Is All You Need,
// arXiv 1706.03762, §3.2.1; Prev is RealFormer's residual, arXiv 2012.11747).
//
// A query whose scores are all −Inf has an output of NaN, as in torch's math
// path, and a LogSum of −Inf; its gradients are NaN too. Without any keys at
// all (S = 0) the output is 0, torch's again.
type AttentionHead[F Float] struct {
	T, S, D int

	Q, K, V             []F // [T, D], [S, D], [S, D]
	StrideQ, StrideK    int
	StrideV             int
	Scale               F    // of q·k; 0 means 1/√D
	Causal              bool // query i sees keys j ≤ i + S − T only; the others are not even read
	Bias, Prev          []F  // [T, S], added to the scores; −Inf masks
	StrideBias          int
	StridePrev          int
	KeyBias             []F     // [S], added to every query's scores; −Inf masks
	Drop                float64 // share of the probabilities that Dropout zeroes; 0 means none
	DropKey, DropOffset uint64  // Dropout's; the probability of (i, j) is element DropOffset + i·S + j

	O            []F // [T, D] out
	StrideO      int
	LogSum       []F // [T] out: log Σ_j exp(s[i][j]), which AttentionGrad reads; nil: not wanted
	Scores       []F // [T, S] out: s; nil: not wanted
	StrideScores int
}

// AttentionGrads is what AttentionGrad reads and writes beside the head.
type AttentionGrads[F Float] struct {
	DO, DQ, DK, DV                         []F // in: gradient of O [T, D]; out: of Q [T, D], K [S, D], V [S, D]
	StrideDO, StrideDQ, StrideDK, StrideDV int

	AddQ  bool // add to DQ instead of overwriting it
	AddKV bool // add to DK and DV instead: the other query heads of a group share them

	// DScores [T, S], optional. In: the gradient that reaches Scores from
	// elsewhere (0 where there is none). Out: the whole gradient of the scores,
	// which is also that of Prev and Bias; 0 where Causal forbids.
	DScores       []F
	StrideDScores int
}

// AttentionScratch is working memory that Attention and AttentionGrad grow as
// needed and use again; one call at a time. The zero value is ready. It holds
// on to the slices of the last call.
type AttentionScratch[F Float] struct {
	head  AttentionHead[F] // the caller's, with its defaults filled in
	grads AttentionGrads[F]

	p, dp, kept []F       // rows of the generic loops
	tiles       []float32 // of the vector paths: see attn_tile.go
}

// attnGrow returns x with room for n elements; what they hold is left over.
func attnGrow[F Float](x []F, n int) []F {
	if cap(x) < n {
		return make([]F, n)
	}
	return x[:n]
}

// Attention fills h.O, and h.LogSum and h.Scores where wanted. It is serial;
// callers share out heads. Rows of T×S are never kept: the memory it needs
// beside Scores is O(S + D). A nil scratch costs an allocation.
func Attention[F Float](h *AttentionHead[F], w *AttentionScratch[F]) {
	if w == nil {
		w = new(AttentionScratch[F])
	}
	w.head = *h
	h = &w.head
	h.check()
	if h.S == 0 {
		h.noKeys()
		return
	}
	if h32, w32, ok := attention32(h, w); ok && attentionF32(h32, w32) {
		return
	}
	attentionGeneric(h, w)
}

// AttentionGrad is the gradient of Attention. It reads what Attention read and
// wrote (O and LogSum; not Scores), makes the probabilities again,
//
//	P = exp(s − LogSum)   dP = dropout(DO·Vᵀ)   δ = rowsum(DO∘O)
//	dS = P∘(dP − δ) + DScores
//	DV = dropout(P)ᵀ·DO   DQ = Scale·dS·K       DK = Scale·dSᵀ·Q
//
// (FlashAttention, arXiv 2205.14135, appendix B.4) and keeps nothing of T×S.
func AttentionGrad[F Float](h *AttentionHead[F], g *AttentionGrads[F], w *AttentionScratch[F]) {
	if w == nil {
		w = new(AttentionScratch[F])
	}
	w.head, w.grads = *h, *g
	h, g = &w.head, &w.grads
	h.check()
	g.check(h)
	if !g.AddQ {
		attnClear(g.DQ, g.StrideDQ, h.T, h.D)
	}
	if !g.AddKV {
		attnClear(g.DK, g.StrideDK, h.S, h.D)
		attnClear(g.DV, g.StrideDV, h.S, h.D)
	}
	if h.S == 0 || h.T == 0 {
		return
	}
	if h32, w32, ok := attention32(h, w); ok {
		if g32, ok := any(g).(*AttentionGrads[float32]); ok && attentionGradF32(h32, g32, w32) {
			return
		}
	}
	attentionGradGeneric(h, g, w)
}

// attention32 is h and w as what they are if F is float32.
func attention32[F Float](h *AttentionHead[F], w *AttentionScratch[F]) (*AttentionHead[float32], *AttentionScratch[float32], bool) {
	h32, ok := any(h).(*AttentionHead[float32])
	if !ok {
		return nil, nil, false
	}
	return h32, any(w).(*AttentionScratch[float32]), true
}

// attentionGeneric is the specification: a row of probabilities at a time.
func attentionGeneric[F Float](h *AttentionHead[F], w *AttentionScratch[F]) {
	w.p, w.kept = attnGrow(w.p, h.S), attnGrow(w.kept, h.S)
	for i := range h.T {
		n := h.visible(i)
		p := w.p[:n]
		h.scores(p, i)
		if h.Scores != nil {
			s := h.Scores[i*h.StrideScores:][:h.S]
			for j := copy(s, p); j < h.S; j++ {
				s[j] = F(math.Inf(-1))
			}
		}
		m := F(math.Inf(-1))
		for _, s := range p {
			m = max(m, s) // NaN wins
		}
		var sum F
		for j, s := range p {
			p[j] = F(math.Exp(float64(s - m)))
			sum += p[j]
		}
		if h.LogSum != nil {
			h.LogSum[i] = m
			if !math.IsInf(float64(m), -1) {
				h.LogSum[i] += F(math.Log(float64(sum)))
			}
		}
		for j := range p {
			p[j] /= sum
		}
		if h.Drop > 0 {
			for j, keep := range h.kept(w.kept[:n], i) {
				p[j] *= keep
			}
		}
		o := h.O[i*h.StrideO:][:h.D]
		clear(o)
		for j, p := range p {
			for d, v := range h.V[j*h.StrideV:][:h.D] {
				o[d] += p * v
			}
		}
	}
}

func attentionGradGeneric[F Float](h *AttentionHead[F], g *AttentionGrads[F], w *AttentionScratch[F]) {
	w.p, w.dp, w.kept = attnGrow(w.p, h.S), attnGrow(w.dp, h.S), attnGrow(w.kept, h.S)
	for i := range h.T {
		n := h.visible(i)
		p, dp, kept := w.p[:n], w.dp[:n], w.kept[:n]
		h.scores(p, i)
		for j, s := range p {
			p[j] = F(math.Exp(float64(s - h.LogSum[i])))
		}
		do := g.DO[i*g.StrideDO:][:h.D]
		var delta F
		for d, o := range h.O[i*h.StrideO:][:h.D] {
			delta += do[d] * o
		}
		for j := range dp {
			dp[j] = 0
			for d, v := range h.V[j*h.StrideV:][:h.D] {
				dp[j] += do[d] * v
			}
		}
		copy(kept, p)
		if h.Drop > 0 {
			for j, keep := range h.kept(kept, i) {
				dp[j] *= keep
				kept[j] = keep * p[j]
			}
		}
		if g.DScores != nil {
			clear(g.DScores[i*g.StrideDScores:][n:h.S])
		}
		q, dq := h.Q[i*h.StrideQ:][:h.D], g.DQ[i*g.StrideDQ:][:h.D]
		for j := range p {
			ds := p[j] * (dp[j] - delta)
			if g.DScores != nil {
				at := &g.DScores[i*g.StrideDScores+j]
				ds += *at
				*at = ds
			}
			k, dk := h.K[j*h.StrideK:][:h.D], g.DK[j*g.StrideDK:][:h.D]
			dv := g.DV[j*g.StrideDV:][:h.D]
			ds *= h.Scale
			for d := range do {
				dq[d] += ds * k[d]
				dk[d] += ds * q[d]
				dv[d] += kept[j] * do[d]
			}
		}
	}
}

// scores fills s with the scores of query i against its first len(s) keys.
func (h *AttentionHead[F]) scores(s []F, i int) {
	q := h.Q[i*h.StrideQ:][:h.D]
	for j := range s {
		var dot F
		for d, k := range h.K[j*h.StrideK:][:h.D] {
			dot += q[d] * k
		}
		s[j] = dot * h.Scale
		if h.Prev != nil {
			s[j] += h.Prev[i*h.StridePrev+j]
		}
		if h.Bias != nil {
			s[j] += h.Bias[i*h.StrideBias+j]
		}
		if h.KeyBias != nil {
			s[j] += h.KeyBias[j]
		}
		if h.Causal && j > i+h.S-h.T {
			s[j] = F(math.Inf(-1))
		}
	}
}

// visible is how many of the first keys query i may look at. A causal query
// that may look at none gets all of them, masked: its NaN must reach every
// gradient that torch's does.
func (h *AttentionHead[F]) visible(i int) int {
	n := i + h.S - h.T + 1
	if !h.Causal || n <= 0 {
		return h.S
	}
	return min(n, h.S)
}

// kept fills keep with what query i's first probabilities are multiplied with:
// 0 or 1/(1 − Drop). A NaN times 0 stays one.
func (h *AttentionHead[F]) kept(keep []F, i int) []F {
	for j := range keep {
		keep[j] = 1
	}
	Dropout(keep, keep, h.Drop, h.DropKey, h.DropOffset+uint64(i)*uint64(h.S))
	return keep
}

func (h *AttentionHead[F]) noKeys() {
	attnClear(h.O, h.StrideO, h.T, h.D)
	for i := range h.LogSum {
		h.LogSum[i] = F(math.Inf(-1))
	}
}

func attnClear[F Float](x []F, stride, rows, cols int) {
	if stride == cols {
		clear(x[:rows*cols])
		return
	}
	for i := range rows {
		clear(x[i*stride:][:cols])
	}
}

// check fills in defaults and panics on what the caller got wrong.
func (h *AttentionHead[F]) check() {
	if h.T < 0 || h.S < 0 || h.D < 1 {
		panic(fmt.Sprintf("kernel: attention of %d queries, %d keys, %d wide", h.T, h.S, h.D))
	}
	if h.Scale == 0 {
		h.Scale = F(1 / math.Sqrt(float64(h.D)))
	}
	attnRows("q", h.Q, &h.StrideQ, h.T, h.D)
	attnRows("k", h.K, &h.StrideK, h.S, h.D)
	attnRows("v", h.V, &h.StrideV, h.S, h.D)
	attnRows("o", h.O, &h.StrideO, h.T, h.D)
	if h.Bias != nil {
		attnRows("bias", h.Bias, &h.StrideBias, h.T, h.S)
	}
	if h.Prev != nil {
		attnRows("prev", h.Prev, &h.StridePrev, h.T, h.S)
	}
	if h.Scores != nil {
		attnRows("scores", h.Scores, &h.StrideScores, h.T, h.S)
	}
	if h.KeyBias != nil && len(h.KeyBias) != h.S || h.LogSum != nil && len(h.LogSum) != h.T {
		panic(fmt.Sprintf("kernel: attention of %d queries and %d keys with a key bias of %d and room for %d sums",
			h.T, h.S, len(h.KeyBias), len(h.LogSum)))
	}
}

func (g *AttentionGrads[F]) check(h *AttentionHead[F]) {
	attnRows("do", g.DO, &g.StrideDO, h.T, h.D)
	attnRows("dq", g.DQ, &g.StrideDQ, h.T, h.D)
	attnRows("dk", g.DK, &g.StrideDK, h.S, h.D)
	attnRows("dv", g.DV, &g.StrideDV, h.S, h.D)
	if g.DScores != nil {
		attnRows("dscores", g.DScores, &g.StrideDScores, h.T, h.S)
	}
	if h.LogSum == nil {
		panic("kernel: attention gradient without the forward pass's LogSum")
	}
}

func attnRows[F Float](name string, x []F, stride *int, rows, cols int) {
	if *stride == 0 {
		*stride = cols
	}
	if *stride < cols || rows > 0 && cols > 0 && len(x) < (rows-1)**stride+cols {
		panic(fmt.Sprintf("kernel: attention: %s has %d elements, too few for %d rows of %d, %d apart",
			name, len(x), rows, cols, *stride))
	}
}
