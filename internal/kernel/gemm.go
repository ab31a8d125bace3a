package kernel

import "fmt"

// Mat is a matrix inside a slice: element (i, j) is Data[i*RS+j*CS]. Any strides ≥ 0 are legal; one
// of them being 1 is fast. The transpose has the strides swapped.
type Mat[T Float] struct {
	Data   []T
	RS, CS int
}

// RowMajor is the matrix whose rows lie one after another, stride elements apart.
func RowMajor[T Float](data []T, stride int) Mat[T] { return Mat[T]{data, stride, 1} }

// T is the transpose of m; it shares the data.
func (m Mat[T]) T() Mat[T] { return Mat[T]{m.Data, m.CS, m.RS} }

// last is one more than the index of element (rows-1, cols-1): how long Data must be.
func (m Mat[T]) last(rows, cols int) int { return (rows-1)*m.RS + (cols-1)*m.CS + 1 }

// Epilogue is what happens to a product A·B before it is stored: the zero value stores it.
// With everything set, C = Residual + Act(Alpha·A·B + C + Bias + RowBias).
type Epilogue[T Float] struct {
	Accumulate bool // add to what C holds; otherwise C is only written, and may hold NaN
	Alpha      T    // factor of the product; 0 means 1
	Bias       []T  // one per column, or nil
	RowBias    []T  // one per row, or nil
	Act        Act  // applied after the biases
	Residual   []T  // m rows of n, LDR apart, or nil; may be C itself only if it has C's stride
	LDR        int
}

func (e *Epilogue[T]) alpha() T {
	if e.Alpha == 0 {
		return 1
	}
	return e.Alpha
}

// rowwise reports whether anything is left to do once the product is in C.
func (e *Epilogue[T]) rowwise() bool {
	return e.Bias != nil || e.RowBias != nil || e.Act != None || e.Residual != nil
}

// Gemm computes C = A·B for A [m, k], B [k, n] and C [m, n] with rows ldc apart, followed by ep:
//
//	for i := range m {
//		for j := range n {
//			var s T
//			for p := range k {
//				s += a.Data[i*a.RS+p*a.CS] * b.Data[p*b.RS+j*b.CS]
//			}
//			c[i*ldc+j] = s
//		}
//	}
//
// m, n and k may be 0. C must not overlap A or B. The sums are taken in blocks of k that depend on
// the shapes alone: the same path gives the same bits for any number of threads. It panics where a
// slice is too short for its shape.
func Gemm[T Float](m, n, k int, a, b Mat[T], c []T, ldc int, ep Epilogue[T]) {
	if m == 0 || n == 0 {
		return
	}
	check(m, n, k, &a, &b, c, ldc, &ep)
	t := newTask[T]()
	t.m, t.n, t.k, t.a, t.b, t.c, t.ldc, t.ep = m, n, k, a, b, c, ldc, ep
	t.run()
	t.free()
}

// check panics where something does not fit: assembly trusts what comes behind it.
func check[T Float](m, n, k int, a, b *Mat[T], c []T, ldc int, ep *Epilogue[T]) {
	if m < 0 || n < 0 || k < 0 || a.RS < 0 || a.CS < 0 || b.RS < 0 || b.CS < 0 || ldc < 0 {
		panic(fmt.Sprintf("kernel: Gemm: negative size or stride: m %d, n %d, k %d, A %d,%d, B %d,%d, ldc %d",
			m, n, k, a.RS, a.CS, b.RS, b.CS, ldc))
	}
	if m > 1 && ldc < n {
		panic(fmt.Sprintf("kernel: Gemm: rows of C overlap: n %d, ldc %d", n, ldc))
	}
	if k > 0 {
		need(len(a.Data), a.last(m, k), "A")
		need(len(b.Data), b.last(k, n), "B")
	}
	need(len(c), (m-1)*ldc+n, "C")
	if ep.Bias != nil {
		need(len(ep.Bias), n, "Bias")
	}
	if ep.RowBias != nil {
		need(len(ep.RowBias), m, "RowBias")
	}
	if ep.Residual != nil {
		need(len(ep.Residual), (m-1)*ep.LDR+n, "Residual")
	}
}

func need(have, want int, what string) {
	if have < want {
		panic(fmt.Sprintf("kernel: Gemm: %s has %d elements, its shape needs %d", what, have, want))
	}
}

// gemmGeneric is Gemm as its comment has it: the specification that the tests compare with.
func gemmGeneric[T Float](m, n, k int, a, b Mat[T], c []T, ldc int, ep Epilogue[T]) {
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		for j := range row {
			var s T
			for p := range k {
				s += a.Data[i*a.RS+p*a.CS] * b.Data[p*b.RS+j*b.CS]
			}
			s *= ep.alpha()
			if ep.Accumulate {
				s += row[j]
			}
			row[j] = s
		}
		ep.finish(row, i, 0)
	}
}
