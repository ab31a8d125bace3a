package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestTranspose(t *testing.T) {
	sizes := []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 48, 49, 300}
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for _, rows := range sizes {
			for _, cols := range sizes {
				off := (rows + cols) % 4
				src, dst := newMatrix(r, rows, cols, cols+off, off), newMatrix(r, cols, rows, rows+3-off, 3-off)
				Transpose(dst.x, src.x, rows, cols, dst.ld, src.ld)
				for i := range rows {
					for j := range cols {
						if dst.row(j)[i] != src.row(i)[j] {
							t.Fatalf("%d×%d at %d, %d: %v, want %v", rows, cols, i, j, dst.row(j)[i], src.row(i)[j])
						}
					}
				}
				dst.checkGaps(t, "transpose")
				src.checkGaps(t, "transpose")
			}
		}
		a, b := []int64{1, 2, 3, 4, 5, 6}, make([]int64, 6)
		Transpose(b, a, 2, 3, 2, 3)
		if fmt.Sprint(b) != "[1 4 2 5 3 6]" {
			t.Errorf("of int64: %v", b)
		}
	})
}

func BenchmarkTranspose(b *testing.B) {
	for _, n := range []int{16, 64, 512, 1024} {
		src, dst := make([]float32, n*n), make([]float32, n*n)
		eachPathBench(b, fmt.Sprintf("%dx%d", n, n), n*n, func() { Transpose(dst, src, n, n, n, n) })
	}
}
