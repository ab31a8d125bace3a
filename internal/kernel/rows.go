package kernel

import "math"

// Softmax is dst[i] = e^(x[i]-m) / Σ e^(x[j]-m) with m = max x. Elements of
// -Inf get 0; a row of nothing but -Inf gives NaN everywhere, as in torch.
func Softmax[T Float](dst, x []T) {
	SoftmaxRows(dst, x, 1, len(dst), len(dst), len(dst))
}

// SoftmaxRows is Softmax of each of rows rows of cols elements; row r stands
// at r·ldDst in dst and at r·ldX in x. dst may be x.
func SoftmaxRows[T Float](dst, x []T, rows, cols, ldDst, ldX int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	checkRows(len(dst), rows, cols, ldDst)
	checkRows(len(x), rows, cols, ldX)
	if isF32[T]() && softmaxRowsF32(f32(dst), f32(x), rows, cols, ldDst, ldX) {
		return
	}
	for r := range rows {
		softmaxGeneric(dst[r*ldDst:][:cols], x[r*ldX:][:cols])
	}
}

func softmaxGeneric[T Float](dst, x []T) {
	m := math.Inf(-1)
	for _, v := range x {
		m = maxOf(m, float64(v))
	}
	var sum float64
	for i, v := range x {
		e := math.Exp(float64(v) - m)
		dst[i] = T(e)
		sum += e
	}
	inv := 1 / sum
	for i, v := range dst {
		dst[i] = T(float64(v) * inv)
	}
}

// checkRows panics unless rows rows of cols elements at distance ld lie in n.
// The assembly behind it does not look again.
func checkRows(n, rows, cols, ld int) {
	if ld < cols && rows > 1 || (rows-1)*ld+cols > n {
		panic("kernel: rows do not fit into the slice")
	}
}

// SoftmaxGrad is dx[i] = y[i]·(dy[i] - Σ dy[j]·y[j]) with y = Softmax(x).
func SoftmaxGrad[T Float](dx, dy, y []T) {
	n := len(dx)
	SoftmaxGradRows(dx, dy, y, 1, n, n, n, n)
}

// SoftmaxGradRows is SoftmaxGrad of each row; each slice has its own row
// distance. dx may be dy or y.
func SoftmaxGradRows[T Float](dx, dy, y []T, rows, cols, ldDx, ldDy, ldY int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	checkRows(len(dx), rows, cols, ldDx)
	checkRows(len(dy), rows, cols, ldDy)
	checkRows(len(y), rows, cols, ldY)
	if isF32[T]() && softmaxGradRowsF32(f32(dx), f32(dy), f32(y), rows, cols, ldDx, ldDy, ldY) {
		return
	}
	for r := range rows {
		dx, dy, y := dx[r*ldDx:][:cols], dy[r*ldDy:][:cols], y[r*ldY:][:cols]
		var dot float64
		for i, v := range y {
			dot += float64(dy[i]) * float64(v)
		}
		for i, v := range y {
			dx[i] = T(float64(v) * (float64(dy[i]) - dot))
		}
	}
}

// LogSumExp is ln Σ e^x[i] without overflow. It is -Inf of nothing but -Inf
// and of nothing, +Inf if one element is, NaN if one element is.
func LogSumExp[T Float](x []T) T {
	return T(logSumExp(x))
}

func logSumExp[T Float](x []T) float64 {
	m := float64(MaxOf(x))
	if math.IsInf(m, 0) {
		return m // e^(Inf-Inf) would be NaN
	}
	return m + math.Log(sumExp(x, m))
}

// SumExp is Σ e^(x[i]-m), for m the largest x[i].
func SumExp[T Float](x []T, m T) float64 { return sumExp(x, float64(m)) }

// sumExp is Σ e^(x[i]-m), for m the largest x[i].
func sumExp[T Float](x []T, m float64) float64 {
	if isF32[T]() {
		if s, ok := sumExpF32(f32(x), float32(m)); ok {
			return s
		}
	}
	var s float64
	for _, v := range x {
		s += math.Exp(float64(v) - m)
	}
	return s
}

// LogSoftmax is dst[i] = x[i] - LogSumExp(x). A row of nothing but -Inf
// gives NaN everywhere, as in torch.
func LogSoftmax[T Float](dst, x []T) {
	x = x[:len(dst)]
	m := float64(MaxOf(x))
	l := math.Log(sumExp(x, m)) // not added to m, beside which it may vanish
	for i, v := range x {
		dst[i] = T(float64(v) - m - l)
	}
}

// LogSoftmaxRows is LogSoftmax of each row.
func LogSoftmaxRows[T Float](dst, x []T, rows, cols, ldDst, ldX int) {
	for r := range rows {
		LogSoftmax(dst[r*ldDst:][:cols], x[r*ldX:][:cols])
	}
}

// LogSoftmaxGrad is dx[i] = dy[i] - e^y[i]·Σ dy[j] with y = LogSoftmax(x).
// dx may be dy or y.
func LogSoftmaxGrad[T Float](dx, dy, y []T) {
	dy, y = dy[:len(dx)], y[:len(dx)]
	sum := Sum(dy)
	var p [512]T // e^y of a stretch, taken before dx overwrites y or dy
	for len(dx) > 0 {
		n := min(len(dx), len(p))
		Exp(p[:n], y)
		copy(dx[:n], dy)
		Axpy(dx[:n], -sum, p[:n])
		dx, dy, y = dx[n:], dy[n:], y[n:]
	}
}

// LogSoftmaxGradRows is LogSoftmaxGrad of each row.
func LogSoftmaxGradRows[T Float](dx, dy, y []T, rows, cols, ldDx, ldDy, ldY int) {
	for r := range rows {
		LogSoftmaxGrad(dx[r*ldDx:][:cols], dy[r*ldDy:][:cols], y[r*ldY:][:cols])
	}
}

// GateRows is the gated attention block of TSMixer with the residual beside
// it: dst = residual + x·softmax(g), row by row; rows are contiguous, cols
// long. dst must not be x, g or residual.
func GateRows[T Float](dst, x, g, residual []T, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	checkGate(dst, x, g, residual, rows*cols)
	if isF32[T]() && gateRowsF32(f32(dst), f32(x), f32(g), f32(residual), rows, cols) {
		return
	}
	for r := range rows {
		at := r * cols
		w := dst[at:][:cols]
		softmaxGeneric(w, g[at:][:cols])
		for c, v := range w {
			w[c] = residual[at+c] + T(x[at+c]*v) // rounded before the sum, as apart
		}
	}
}

// GateCols is GateRows with the softmax down each column of cols columns.
func GateCols[T Float](dst, x, g, residual []T, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	checkGate(dst, x, g, residual, rows*cols)
	if isF32[T]() && gateColsF32(f32(dst), f32(x), f32(g), f32(residual), rows, cols) {
		return
	}
	for c := range cols {
		m, sum := math.Inf(-1), 0.0
		for r := range rows {
			m = maxOf(m, float64(g[r*cols+c]))
		}
		for r := range rows {
			e := math.Exp(float64(g[r*cols+c]) - m)
			dst[r*cols+c] = T(e)
			sum += e
		}
		inv := 1 / sum
		for i := c; i < rows*cols; i += cols {
			w := T(float64(dst[i]) * inv)
			dst[i] = residual[i] + T(x[i]*w)
		}
	}
}

// checkGate panics where a slice is too short: the assembly does not look.
func checkGate[T Float](dst, x, g, residual []T, n int) {
	if min(len(dst), len(x), len(g), len(residual)) < n {
		panic("kernel: rows do not fit into the slice")
	}
}
