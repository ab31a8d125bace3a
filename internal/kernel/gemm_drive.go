package kernel

type gemmTask[T Float] struct {
	m, n, k int
	a, b    Mat[T]
	c       []T
	ldc     int
	ep      Epilogue[T]
}

func newTask[T Float]() *gemmTask[T] { return new(gemmTask[T]) }
func (t *gemmTask[T]) free()         {}
func (t *gemmTask[T]) run()          { gemmGeneric(t.m, t.n, t.k, t.a, t.b, t.c, t.ldc, t.ep) }
