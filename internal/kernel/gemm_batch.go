package kernel

// GemmBatch computes batch equal products: product i reads A at i·aStride and B at i·bStride
// elements into their data and writes C at i·cStride. Stride 0 shares one A or B among all; C may not
// be shared. The epilogue is the same for all, but for Residual, which advances as C does:
// product i takes it at i·m·LDR. See [Gemm].
func GemmBatch[T Float](batch, m, n, k int, a Mat[T], aStride int, b Mat[T], bStride int, c []T, ldc, cStride int, ep Epilogue[T]) {
	for i := range batch {
		ai, bi := a, b
		if k > 0 {
			ai.Data, bi.Data = a.Data[i*aStride:], b.Data[i*bStride:]
		}
		e := ep
		if e.Residual != nil {
			e.Residual = ep.Residual[i*m*ep.LDR:]
		}
		Gemm(m, n, k, ai, bi, c[i*cStride:], ldc, e)
	}
}
