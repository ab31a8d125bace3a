package tensor_test

import (
	"fmt"
	"testing"

	"github.com/hanji-ml/hanji/tensor"
)

// BenchmarkPagedAttention is a layer of TinyLlama (32 heads, 4 of keys, 64 wide) with a cache of f16 or q8_0: rows × positions seen
// by the last.
func BenchmarkPagedAttention(b *testing.B) {
	for _, stored := range []tensor.DType{tensor.F16, tensor.U8} {
		for _, k := range []struct{ rows, depth int }{{1, 128}, {1, 2000}, {512, 512}} {
			b.Run(fmt.Sprintf("%v/%dx%d", stored, k.rows, k.depth), func(b *testing.B) {
				const size = 32
				p := &tensor.Paged{}
				var table []int32
				for i := range (k.depth + size - 1) / size {
					p.Pages = append(p.Pages, tensor.NewBuffer("page", stored, 1, 2, 4, size, tensor.PagedWidth(stored, 64)))
					table = append(table, int32(i))
				}
				for i := range k.depth {
					p.Rows = append(p.Rows, tensor.PagedRow{Table: table, Pos: i})
				}
				ctx := tensor.New(tensor.Options{})
				defer ctx.Close()
				kv := ctx.Normal(1, tensor.F32, k.depth, 4, 64)
				tensor.StoreKV(kv, kv, 0, p)
				p.Rows = p.Rows[k.depth-k.rows:]
				seen := 0
				for _, r := range p.Rows {
					seen += r.Pos + 1
				}
				q := tensor.NewBuffer("q", tensor.F32, k.rows, 32, 64)
				q.FillUniform(1, -1, 1)
				for b.Loop() {
					ctx.Next(0)
					tensor.PagedAttention(ctx.Use(q), 0, 0, p)
				}
				b.ReportMetric(float64(4*32*64*seen)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOPS")
			})
		}
	}
}
