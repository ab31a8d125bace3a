package kernel

// Column kernels: x is [rows, cols], contiguous. They give what batch
// normalisation over the rows needs, in pieces that a caller may run on
// fixed chunks of rows and put together in order, so that the result does
// not depend on the number of threads.

// ColSum adds the column sums of x to acc [cols].
func ColSum[T Float](acc []float64, x []T, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	acc = acc[:cols]
	checkRows(len(x), rows, cols, cols)
	if isF32[T]() && colSumF32(acc, f32(x), rows, cols) {
		return
	}
	for r := range rows {
		for c, v := range x[r*cols:][:cols] {
			acc[c] += float64(v)
		}
	}
}

// ColMoments writes the mean of each column and m2 = Σ (x - mean)², both
// [cols]. The sums are taken in float64 about the first row, so a mean far
// larger than the spread costs no digits.
func ColMoments[T Float](mean, m2 []float64, x []T, rows, cols int) {
	mean, m2 = mean[:cols], m2[:cols]
	clear(mean)
	clear(m2)
	if rows <= 0 || cols <= 0 {
		return
	}
	checkRows(len(x), rows, cols, cols)
	// mean and m2 hold Σd and Σd² with d = x - x₀ until the end.
	if !(isF32[T]() && colMomentsF32(mean, m2, f32(x), rows, cols)) {
		first := x[:cols]
		for r := range rows {
			for c, v := range x[r*cols:][:cols] {
				d := float64(v) - float64(first[c])
				mean[c] += d
				m2[c] += d * d
			}
		}
	}
	n := float64(rows)
	for c, s := range mean {
		m2[c] = max(m2[c]-s*s/n, 0) // below 0 only by rounding; NaN stays NaN
		mean[c] = float64(x[c]) + s/n
	}
}

// MergeMoments joins (meanB, m2B) of rowsB rows into (mean, m2) of rows rows
// (Chan, Golub & LeVeque 1979, eq. 1.3). With rows = 0 it copies.
func MergeMoments(mean, m2 []float64, rows int, meanB, m2B []float64, rowsB int) {
	if rowsB == 0 {
		return
	}
	n, nb := float64(rows), float64(rowsB)
	for c := range mean {
		d := meanB[c] - mean[c]
		if rows == 0 {
			d, mean[c], m2[c] = 0, meanB[c], 0
		}
		mean[c] += d * nb / (n + nb)
		m2[c] += m2B[c] + d*d*n*nb/(n+nb)
	}
}

// NormCols is dst = (x - mean)·rstd·gamma + beta with one mean, rstd, gamma
// and beta per column; gamma and beta may be nil for 1 and 0. dst may be x.
func NormCols[T Float](dst, x, mean, rstd, gamma, beta []T, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	checkRows(len(dst), rows, cols, cols)
	checkRows(len(x), rows, cols, cols)
	checkCols(cols, gamma, beta)
	mean, rstd = mean[:cols], rstd[:cols]
	if isF32[T]() && normColsF32(f32(dst), f32(x), f32(mean), f32(rstd), f32(gamma), f32(beta), rows, cols) {
		return
	}
	for r := range rows {
		dst, x := dst[r*cols:][:cols], x[r*cols:][:cols]
		for c, v := range x {
			y := (v - mean[c]) * rstd[c]
			if gamma != nil {
				y *= gamma[c]
			}
			if beta != nil {
				y += beta[c]
			}
			dst[c] = y
		}
	}
}

// ColDot adds to sumDy [cols] each column's Σ dy and to sumDyX [cols] its
// Σ dy·x̂, x̂ = (x - mean)·rstd: the gradients of beta and gamma, and what
// NormGradCols needs.
func ColDot[T Float](sumDy, sumDyX []float64, dy, x, mean, rstd []T, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	sumDy, sumDyX, mean, rstd = sumDy[:cols], sumDyX[:cols], mean[:cols], rstd[:cols]
	checkRows(len(dy), rows, cols, cols)
	checkRows(len(x), rows, cols, cols)
	if isF32[T]() && colDotF32(sumDy, sumDyX, f32(dy), f32(x), f32(mean), f32(rstd), rows, cols) {
		return
	}
	for r := range rows {
		x := x[r*cols:][:cols]
		for c, d := range dy[r*cols:][:cols] {
			sumDy[c] += float64(d)
			sumDyX[c] += float64(d) * float64((x[c]-mean[c])*rstd[c])
		}
	}
}

// NormGradCols is the gradient of batch normalisation with statistics of the
// batch: dx = gamma·rstd·(dy - meanDy - x̂·meanDyX), where meanDy and meanDyX
// [cols] are ColDot's sums divided by the number of rows of the whole batch.
// For running statistics pass zeros. gamma may be nil for 1; dx may be dy or x.
func NormGradCols[T Float](dx, dy, x, mean, rstd, gamma, meanDy, meanDyX []T, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	checkRows(len(dx), rows, cols, cols)
	checkRows(len(dy), rows, cols, cols)
	checkRows(len(x), rows, cols, cols)
	checkCols(cols, gamma)
	mean, rstd, meanDy, meanDyX = mean[:cols], rstd[:cols], meanDy[:cols], meanDyX[:cols]
	if isF32[T]() && normGradColsF32(f32(dx), f32(dy), f32(x), f32(mean), f32(rstd), f32(gamma), f32(meanDy), f32(meanDyX), rows, cols) {
		return
	}
	for r := range rows {
		dx, dy, x := dx[r*cols:][:cols], dy[r*cols:][:cols], x[r*cols:][:cols]
		for c, d := range dy {
			xhat := (x[c] - mean[c]) * rstd[c]
			scale := rstd[c]
			if gamma != nil {
				scale *= gamma[c]
			}
			dx[c] = scale * (d - meanDy[c] - xhat*meanDyX[c])
		}
	}
}
