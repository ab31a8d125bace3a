package tensor_test

import (
	"fmt"
	"testing"

	"github.com/hanji-ml/hanji/tensor"
)

// BenchmarkPagedAttention is a layer of TinyLlama (32 heads, 4 of keys, 64 wide) with an f16 cache: rows × positions seen by the last.
func BenchmarkPagedAttention(b *testing.B) {
	for _, k := range []struct{ rows, depth int }{{1, 128}, {1, 2000}, {512, 512}} {
		b.Run(fmt.Sprintf("%dx%d", k.rows, k.depth), func(b *testing.B) {
			const size = 32
			p := &tensor.Paged{}
			var table []int32
			for i := range (k.depth + size - 1) / size {
				page := tensor.NewBuffer("page", tensor.F32, 1, 2, 4, size, 64)
				page.FillUniform(uint64(i), -1, 1)
				page = page.Cast(tensor.F16)
				p.Pages, table = append(p.Pages, page), append(table, int32(i))
			}
			seen := 0
			for i := range k.rows {
				p.Rows = append(p.Rows, tensor.PagedRow{Table: table, Pos: k.depth - k.rows + i})
				seen += k.depth - k.rows + i + 1
			}
			q := tensor.NewBuffer("q", tensor.F32, k.rows, 32, 64)
			q.FillUniform(1, -1, 1)
			ctx := tensor.New(tensor.Options{})
			defer ctx.Close()
			for b.Loop() {
				ctx.Next(0)
				tensor.PagedAttention(ctx.Use(q), 0, 0, p)
			}
			b.ReportMetric(float64(4*32*64*seen)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOPS")
		})
	}
}
