//go:build amd64 && !purego

package kernel

import (
	"math"
	"unsafe"
)

// The vector paths of attention give every query of a block its own lane: 16
// queries with AVX-512, 8 with AVX2. What belongs to the block is transposed
// (q[c][lane], scores[key][lane]), a key's or value's number is broadcast to all
// queries, and no sum ever runs across the lanes, whatever D is: the short
// heads of PatchTST (D 4 to 16) fill the vectors as well as long ones. A block
// goes through the keys attnKeys at a time with the online softmax.

// attnKeys bounds the keys of a tile: two tiles of 8 KiB stay in L1.
const attnKeys = 128

// attnTile is the working memory of one block of queries, cut from a scratch.
type attnTile struct {
	lanes int

	q, do, o        []float32 // [D][lanes]
	p, ds, keep     []float32 // [attnKeys][lanes]
	qRows, doRows   []float32 // [lanes][D]: rows of the last, incomplete block
	rows            []float32 // [lanes][D or attnKeys]: the same for one step
	top, sum        []float32 // [lanes] from here
	alpha, inv      []float32
	logSum, delta   []float32
	ones, scaleLane []float32
}

// tile cuts a tile for heads of d from the scratch. It is 64-byte aligned: a
// 512-bit load across two cache lines costs twice.
func (w *AttentionScratch[F]) tile(lanes, d int) (t attnTile) {
	wide := max(d, attnKeys)
	n := lanes*(5*d+3*attnKeys+wide+8) + 16
	if cap(w.tiles) < n {
		w.tiles = make([]float32, n)
	}
	x := w.tiles[:n]
	x = x[(64-uintptr(unsafe.Pointer(&x[0]))%64)%64/4:]
	cut := func(rows int) []float32 {
		part := x[: rows*lanes : rows*lanes]
		x = x[rows*lanes:]
		return part
	}
	t.lanes = lanes
	t.q, t.do, t.o = cut(d), cut(d), cut(d)
	t.p, t.ds, t.keep = cut(attnKeys), cut(attnKeys), cut(attnKeys)
	t.top, t.sum, t.alpha, t.inv = cut(1), cut(1), cut(1), cut(1)
	t.logSum, t.delta, t.ones, t.scaleLane = cut(1), cut(1), cut(1), cut(1)
	t.qRows, t.doRows, t.rows = cut(d), cut(d), cut(wide)
	attnFill(t.ones, 1)
	return t
}

func attnFill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// keysFor is how many of the first keys a block of queries has to look at.
func (h *AttentionHead[F]) keysFor(i, rows int) int {
	if h.Causal && i+h.S-h.T < 0 {
		return h.S // a query without keys: see visible
	}
	return h.visible(i + rows - 1)
}

// attnKeyBlock evens the tiles out: 130 keys are 65 and 65.
func attnKeyBlock(n int) int {
	blocks := (n + attnKeys - 1) / attnKeys
	return (n + blocks - 1) / blocks
}

// attentionTiles is Attention for float32 by blocks of lanes queries.
func attentionTiles(h *AttentionHead[float32], w *AttentionScratch[float32], lanes int) {
	t := w.tile(lanes, h.D)
	negInf := float32(math.Inf(-1))
	for i := 0; i < h.T; i += lanes {
		rows := min(lanes, h.T-i)
		t.pack(t.q, h.Q[i*h.StrideQ:], h.StrideQ, rows, h.D, h.Scale)
		clear(t.o)
		clear(t.sum)
		attnFill(t.top, negInf)
		keys := h.keysFor(i, rows)
		step := attnKeyBlock(keys)
		for j := 0; j < keys; j += step {
			n := min(step, keys-j)
			attnScores(lanes, &t.p[0], &t.q[0], &h.K[j*h.StrideK], h.StrideK, n, h.D)
			t.addTerms(h, i, rows, j, n)
			if h.Scores != nil {
				t.unpack(h.Scores[i*h.StrideScores+j:], h.StrideScores, rows, n, t.p, t.ones, false)
			}
			attnSoftmax(lanes, &t.p[0], n, &t.top[0], &t.sum[0], &t.alpha[0])
			if h.Drop > 0 {
				t.drawKeep(h, i, rows, j, n)
				Mul(t.p[:n*lanes], t.p[:n*lanes], t.keep[:n*lanes])
			}
			attnMix(lanes, &t.o[0], &t.p[0], &h.V[j*h.StrideV], h.StrideV, n, h.D, &t.alpha[0])
		}
		attnFinish(lanes, &t.top[0], &t.sum[0], &t.logSum[0], &t.inv[0])
		t.unpack(h.O[i*h.StrideO:], h.StrideO, rows, h.D, t.o, t.inv, false)
		if h.LogSum != nil {
			copy(h.LogSum[i:i+rows], t.logSum)
		}
		if h.Scores != nil && keys < h.S {
			for r := range rows {
				attnFill(h.Scores[(i+r)*h.StrideScores:][keys:h.S], negInf)
			}
		}
	}
}

// attentionGradTiles is AttentionGrad for float32 by blocks of lanes queries.
func attentionGradTiles(h *AttentionHead[float32], g *AttentionGrads[float32], w *AttentionScratch[float32], lanes int) {
	t := w.tile(lanes, h.D)
	attnFill(t.scaleLane, h.Scale)
	for i := 0; i < h.T; i += lanes {
		rows := min(lanes, h.T-i)
		q, strideQ := t.fullRows(t.qRows, h.Q[i*h.StrideQ:], h.StrideQ, rows, h.D)
		do, strideDO := t.fullRows(t.doRows, g.DO[i*g.StrideDO:], g.StrideDO, rows, h.D)
		t.pack(t.q, q, strideQ, lanes, h.D, h.Scale)
		t.pack(t.do, do, strideDO, lanes, h.D, 1)
		t.pack(t.o, h.O[i*h.StrideO:], h.StrideO, rows, h.D, 1)
		attnDelta(lanes, &t.delta[0], &t.do[0], &t.o[0], h.D)
		attnFill(t.logSum, float32(math.Inf(1))) // lanes without a query: all probabilities are 0
		copy(t.logSum, h.LogSum[i:i+rows])
		clear(t.o) // from here on the gradient of q
		keys := h.keysFor(i, rows)
		step := attnKeyBlock(keys)
		for j := 0; j < keys; j += step {
			n := min(step, keys-j)
			k, v := &h.K[j*h.StrideK], &h.V[j*h.StrideV]
			attnScores(lanes, &t.p[0], &t.q[0], k, h.StrideK, n, h.D)
			t.addTerms(h, i, rows, j, n)
			attnScores(lanes, &t.ds[0], &t.do[0], v, h.StrideV, n, h.D)
			if h.Drop > 0 {
				t.drawKeep(h, i, rows, j, n)
				Mul(t.ds[:n*lanes], t.ds[:n*lanes], t.keep[:n*lanes])
			}
			attnGradTile(lanes, &t.p[0], &t.ds[0], n, &t.logSum[0], &t.delta[0])
			if h.Drop > 0 {
				Mul(t.p[:n*lanes], t.p[:n*lanes], t.keep[:n*lanes])
			}
			if g.DScores != nil {
				ds := g.DScores[i*g.StrideDScores+j:]
				t.add(t.ds, ds, g.StrideDScores, rows, n)
				t.causal(t.ds, h, i, j, n, 0)
				t.unpack(ds, g.StrideDScores, rows, n, t.ds, t.ones, false)
			}
			attnMix(lanes, &t.o[0], &t.ds[0], k, h.StrideK, n, h.D, &t.ones[0])
			attnOuter(lanes, &g.DV[j*g.StrideDV], g.StrideDV, &t.p[0], n, &do[0], strideDO, h.D, 1)
			attnOuter(lanes, &g.DK[j*g.StrideDK], g.StrideDK, &t.ds[0], n, &q[0], strideQ, h.D, h.Scale)
		}
		t.unpack(g.DQ[i*g.StrideDQ:], g.StrideDQ, rows, h.D, t.o, t.scaleLane, g.AddQ)
		if g.DScores != nil {
			for r := range rows {
				clear(g.DScores[(i+r)*g.StrideDScores:][keys:h.S])
			}
		}
	}
}

// addTerms adds to the products in t.p what else the scores consist of, for
// queries from i on and keys j to j+n.
func (t *attnTile) addTerms(h *AttentionHead[float32], i, rows, j, n int) {
	if h.Prev != nil {
		t.add(t.p, h.Prev[i*h.StridePrev+j:], h.StridePrev, rows, n)
	}
	if h.Bias != nil {
		t.add(t.p, h.Bias[i*h.StrideBias+j:], h.StrideBias, rows, n)
	}
	if h.KeyBias != nil {
		for k, b := range h.KeyBias[j : j+n] {
			if b == 0 {
				continue
			}
			row := t.p[k*t.lanes:][:t.lanes]
			for i := range row {
				row[i] += b
			}
		}
	}
	t.causal(t.p, h, i, j, n, float32(math.Inf(-1)))
}

// causal sets to v what causality forbids. Queries without any key keep
// their zeros to a gradient (v = 0): it is NaN.
func (t *attnTile) causal(x []float32, h *AttentionHead[float32], i, j, n int, v float32) {
	if !h.Causal {
		return
	}
	first := i + h.S - h.T // the last key that lane 0 sees
	for k := max(0, first+1-j); k < n; k++ {
		row := x[k*t.lanes:][:min(j+k-first, t.lanes)]
		if v == 0 {
			row = row[min(max(0, -first), len(row)):]
		}
		attnFill(row, v)
	}
}

// drawKeep fills t.keep with dropout's factors.
func (t *attnTile) drawKeep(h *AttentionHead[float32], i, rows, j, n int) {
	x := t.rows[:t.lanes*n]
	attnFill(x, 1)
	at := h.DropOffset + uint64(i)*uint64(h.S) + uint64(j)
	if n == h.S { // the rows follow each other in the stream too: one long run
		x := x[:rows*n]
		Dropout(x, x, h.Drop, h.DropKey, at)
	} else {
		for r := range rows {
			row := x[r*n:][:n]
			Dropout(row, row, h.Drop, h.DropKey, at+uint64(r)*uint64(h.S))
		}
	}
	t.pack(t.keep, x, n, t.lanes, n, 1)
}

// fullRows is x if it has rows for all lanes, else a copy in buf ending in
// rows of 0.
func (t *attnTile) fullRows(buf, x []float32, stride, rows, cols int) ([]float32, int) {
	if rows == t.lanes {
		return x, stride
	}
	for r := range rows {
		copy(buf[r*cols:][:cols], x[r*stride:])
	}
	clear(buf[rows*cols : t.lanes*cols])
	return buf, cols
}

// pack sets dst[c][lane] to x[lane][c]·scale, 0 in lanes without a row.
func (t *attnTile) pack(dst, x []float32, stride, rows, cols int, scale float32) {
	x, stride = t.fullRows(t.rows, x, stride, rows, cols)
	if cols >= 4 {
		attnPack(t.lanes, &dst[0], &x[0], stride, cols/4, scale)
	}
	for c := cols &^ 3; c < cols; c++ {
		for l := range t.lanes {
			dst[c*t.lanes+l] = x[l*stride+c] * scale
		}
	}
}

// add adds x[lane][c] to dst[c][lane].
func (t *attnTile) add(dst, x []float32, stride, rows, cols int) {
	x, stride = t.fullRows(t.rows, x, stride, rows, cols)
	if cols >= 4 {
		attnPackAdd(t.lanes, &dst[0], &x[0], stride, cols/4)
	}
	for c := cols &^ 3; c < cols; c++ {
		for l := range t.lanes {
			dst[c*t.lanes+l] += x[l*stride+c]
		}
	}
}

// unpack sets dst[lane][c] to x[c][lane]·scale[lane], or adds that.
func (t *attnTile) unpack(dst []float32, stride, rows, cols int, x, scale []float32, add bool) {
	to, ld := dst, stride
	if add || rows < t.lanes {
		to, ld = t.rows, cols
	}
	if cols >= 4 {
		attnUnpack(t.lanes, &to[0], ld, &x[0], cols/4, &scale[0])
	}
	for c := cols &^ 3; c < cols; c++ {
		for l := range t.lanes {
			to[l*ld+c] = x[c*t.lanes+l] * scale[l]
		}
	}
	if !add && rows == t.lanes {
		return
	}
	for r := range rows {
		row := dst[r*stride:][:cols]
		for c, v := range to[r*ld:][:cols] {
			if add {
				v += row[c]
			}
			row[c] = v
		}
	}
}
