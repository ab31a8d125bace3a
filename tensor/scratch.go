package tensor

import (
	"math/bits"
	"sync"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// buffers lends working memory to primitives. Unlike a sync.Pool it is not emptied by the garbage collector and gives a
// buffer of the size asked for, so that a training step that has run once allocates nothing here.
type buffers[T kernel.Float] struct {
	mu   sync.Mutex
	free [bits.UintSize + 1][]*[]T // by the bits of their capacity, a power of two
}

// keepBytes is the largest buffer that is kept; what takes more is rare enough to be allocated anew.
const keepBytes = 256 << 20

var buffers32, buffers64 = &buffers[float32]{}, &buffers[float64]{}

// get lends n elements of any content; put gives them back.
func (b *buffers[T]) get(n int) *[]T {
	class := bits.Len(uint(max(n, 64) - 1))
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.free[class]
	if len(l) == 0 {
		s := make([]T, 1<<class)[:n]
		return &s
	}
	s := l[len(l)-1]
	b.free[class] = l[:len(l)-1]
	*s = (*s)[:n]
	return s
}

func (b *buffers[T]) put(s *[]T) {
	if 8*cap(*s) > keepBytes {
		return
	}
	class := bits.Len(uint(cap(*s) - 1))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free[class] = append(b.free[class], s)
}

// zeroed is get with all elements 0.
func (b *buffers[T]) zeroed(n int) *[]T {
	s := b.get(n)
	clear(*s)
	return s
}

// buffersOf gives the lender of an element type.
func buffersOf[T kernel.Float]() *buffers[T] {
	if b, ok := any(buffers32).(*buffers[T]); ok {
		return b
	}
	return any(buffers64).(*buffers[T])
}
