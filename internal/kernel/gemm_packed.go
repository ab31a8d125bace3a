package kernel

// PackedB is a right operand that was packed once, for weights that many products share.
type PackedB[T Float] struct {
	k, n int
	b    Mat[T]
}

// PackB packs b [k, n]. The result keeps no reference to b's data.
func PackB[T Float](k, n int, b Mat[T]) *PackedB[T] {
	p := &PackedB[T]{k: k, n: n}
	data := make([]T, k*n)
	for i := range k {
		for j := range n {
			data[i*n+j] = b.Data[i*b.RS+j*b.CS]
		}
	}
	p.b = RowMajor(data, n)
	return p
}

// Shape is the k and n that b was packed with.
func (p *PackedB[T]) Shape() (k, n int) { return p.k, p.n }

// GemmPacked is [Gemm] with a packed right operand, which gives n and k.
func GemmPacked[T Float](m int, a Mat[T], b *PackedB[T], c []T, ldc int, ep Epilogue[T]) {
	Gemm(m, b.n, b.k, a, b.b, c, ldc, ep)
}
