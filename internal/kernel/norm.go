package kernel

import "math"

// LayerNormRows is dst = (x - mean)·rstd·gamma + beta for each of rows
// contiguous rows of cols elements, with mean and rstd = 1/√(var + eps) of
// that row (var over cols, not cols-1). gamma and beta are [cols] or nil for
// 1 and 0. mean and rstd are [rows], written for the gradient, or nil.
// The variance is taken in a second pass about the mean, so a large mean
// costs no digits. dst may be x.
func LayerNormRows[T Float](dst, x, gamma, beta, mean, rstd []T, rows, cols int, eps float64) {
	if rows <= 0 || cols <= 0 {
		return
	}
	checkRows(len(dst), rows, cols, cols)
	checkRows(len(x), rows, cols, cols)
	checkCols(cols, gamma, beta)
	checkCols(rows, mean, rstd)
	if isF32[T]() && layerNormRowsF32(f32(dst), f32(x), f32(gamma), f32(beta), f32(mean), f32(rstd), rows, cols, float32(eps)) {
		return
	}
	for r := range rows {
		dst, x := dst[r*cols:][:cols], x[r*cols:][:cols]
		m, s := rowMoments(x, eps)
		for i, v := range x {
			y := (float64(v) - m) * s
			if gamma != nil {
				y *= float64(gamma[i])
			}
			if beta != nil {
				y += float64(beta[i])
			}
			dst[i] = T(y)
		}
		if mean != nil {
			mean[r] = T(m)
		}
		if rstd != nil {
			rstd[r] = T(s)
		}
	}
}

// rowMoments gives the mean of x and 1/√(var + eps).
func rowMoments[T Float](x []T, eps float64) (mean, rstd float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += float64(v)
	}
	mean /= n
	var m2 float64
	for _, v := range x {
		d := float64(v) - mean
		m2 += d * d
	}
	return mean, 1 / math.Sqrt(m2/n+eps)
}

// checkCols panics when one of the optional slices is there but too short.
func checkCols[T Float](n int, s ...[]T) {
	for _, s := range s {
		if s != nil && len(s) < n {
			panic("kernel: a per-column or per-row slice is too short")
		}
	}
}

// LayerNormGradRows gives the gradients of LayerNormRows from its mean and
// rstd [rows]. With g = dy·gamma and x̂ = (x - mean)·rstd:
//
//	dx = rstd·(g - Σg/cols - x̂·Σ(g·x̂)/cols)   overwritten; may be dy or x; may be nil
//	dgamma += Σ_rows dy·x̂, dbeta += Σ_rows dy  [cols], accumulated; each may be nil
//
// gamma may be nil for 1.
func LayerNormGradRows[T Float](dx, dy, x, gamma, mean, rstd, dgamma, dbeta []T, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	if dx != nil {
		checkRows(len(dx), rows, cols, cols)
	}
	checkRows(len(dy), rows, cols, cols)
	checkRows(len(x), rows, cols, cols)
	checkCols(cols, gamma, dgamma, dbeta)
	mean, rstd = mean[:rows], rstd[:rows]
	if isF32[T]() && layerNormGradRowsF32(f32(dx), f32(dy), f32(x), f32(gamma), f32(mean), f32(rstd), f32(dgamma), f32(dbeta), rows, cols) {
		return
	}
	for r := range rows {
		dy, x := dy[r*cols:][:cols], x[r*cols:][:cols]
		m, s := float64(mean[r]), float64(rstd[r])
		addNormParamGrads(dgamma, dbeta, dy, x, m, s)
		if dx == nil {
			continue
		}
		var sumG, sumGX float64
		for i, d := range dy {
			g, xhat := scaled(d, gamma, i), (float64(x[i])-m)*s
			sumG += g
			sumGX += g * xhat
		}
		sumG /= float64(cols)
		sumGX /= float64(cols)
		dx := dx[r*cols:][:cols]
		for i, d := range dy {
			g, xhat := scaled(d, gamma, i), (float64(x[i])-m)*s
			dx[i] = T(s * (g - sumG - xhat*sumGX))
		}
	}
}

// scaled is d·gamma[i], or d where there is no gamma.
func scaled[T Float](d T, gamma []T, i int) float64 {
	if gamma == nil {
		return float64(d)
	}
	return float64(d) * float64(gamma[i])
}

// addNormParamGrads adds one row to dgamma and dbeta (each may be nil).
func addNormParamGrads[T Float](dgamma, dbeta, dy, x []T, mean, rstd float64) {
	for i, d := range dy {
		if dgamma != nil {
			dgamma[i] += T(float64(d) * ((float64(x[i]) - mean) * rstd))
		}
		if dbeta != nil {
			dbeta[i] += d
		}
	}
}

// RMSNormRows is dst = x·rstd·gamma with rstd = 1/√(Σx²/cols + eps) of each
// contiguous row (Zhang & Sennrich 2019). gamma is [cols] or nil for 1; rstd
// is [rows], written for the gradient, or nil. dst may be x.
func RMSNormRows[T Float](dst, x, gamma, rstd []T, rows, cols int, eps float64) {
	if rows <= 0 || cols <= 0 {
		return
	}
	checkRows(len(dst), rows, cols, cols)
	checkRows(len(x), rows, cols, cols)
	checkCols(cols, gamma)
	checkCols(rows, rstd)
	if isF32[T]() && rmsNormRowsF32(f32(dst), f32(x), f32(gamma), f32(rstd), rows, cols, float32(eps)) {
		return
	}
	for r := range rows {
		dst, x := dst[r*cols:][:cols], x[r*cols:][:cols]
		var sq float64
		for _, v := range x {
			sq += float64(v) * float64(v)
		}
		s := 1 / math.Sqrt(sq/float64(cols)+eps)
		for i, v := range x {
			dst[i] = T(scaled(v, gamma, i) * s)
		}
		if rstd != nil {
			rstd[r] = T(s)
		}
	}
}

// RMSNormGradRows gives the gradients of RMSNormRows from its rstd [rows].
// With g = dy·gamma and x̂ = x·rstd:
//
//	dx = rstd·(g - x̂·Σ(g·x̂)/cols)   overwritten; may be dy or x; may be nil
//	dgamma += Σ_rows dy·x̂            [cols], accumulated; may be nil
func RMSNormGradRows[T Float](dx, dy, x, gamma, rstd, dgamma []T, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	if dx != nil {
		checkRows(len(dx), rows, cols, cols)
	}
	checkRows(len(dy), rows, cols, cols)
	checkRows(len(x), rows, cols, cols)
	checkCols(cols, gamma, dgamma)
	rstd = rstd[:rows]
	if isF32[T]() && rmsNormGradRowsF32(f32(dx), f32(dy), f32(x), f32(gamma), f32(rstd), f32(dgamma), rows, cols) {
		return
	}
	for r := range rows {
		dy, x := dy[r*cols:][:cols], x[r*cols:][:cols]
		s := float64(rstd[r])
		addNormParamGrads(dgamma, nil, dy, x, 0, s)
		if dx == nil {
			continue
		}
		var sumGX float64
		for i, d := range dy {
			sumGX += scaled(d, gamma, i) * (float64(x[i]) * s)
		}
		sumGX /= float64(cols)
		dx := dx[r*cols:][:cols]
		for i, d := range dy {
			dx[i] = T(s * (scaled(d, gamma, i) - float64(x[i])*s*sumGX))
		}
	}
}
