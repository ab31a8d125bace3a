package tensor_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/hanji-ml/hanji/tensor"
)

// Conv1d and Conv2d against the sum in their comment, for any geometry.
func TestConvNaive(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		draw := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(r, name) }
		groups := draw("groups", 1, 2)
		n, ch, out := draw("n", 1, 2), groups*draw("in", 1, 2), groups*draw("out", 1, 2)
		k, s, p, d := [2]int{draw("kh", 1, 3), draw("kw", 1, 3)}, [2]int{draw("sh", 1, 3), draw("sw", 1, 4)}, [2]int{draw("ph", 0, 3), draw("pw", 0, 3)}, [2]int{draw("dh", 1, 3), draw("dw", 1, 3)}
		var size, places [2]int
		for i := range 2 {
			size[i] = draw("size", max(1, d[i]*(k[i]-1)+1-2*p[i]), 9)
			places[i] = (size[i]+2*p[i]-d[i]*(k[i]-1)-1)/s[i] + 1
		}
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		x := ctx.Normal(1, tensor.F64, n, ch, size[0], size[1])
		w := ctx.Normal(2, tensor.F64, out, ch/groups, k[0], k[1])
		y := x.Conv2d(w, nil, tensor.Conv2dOptions{Stride: s, Padding: p, Dilation: d, Groups: groups})
		if got, want := fmt.Sprint(y.Shape()), fmt.Sprint([]int{n, out, places[0], places[1]}); got != want {
			r.Fatalf("shape %s, want %s", got, want)
		}
		xs, ws, ys := x.ReadF64(), w.ReadF64(), y.ReadF64()
		for at, got := range ys {
			j, i, o, b := at%places[1], at/places[1]%places[0], at/(places[1]*places[0])%out, at/(places[1]*places[0]*out)
			want := 0.0
			for c := range ch / groups {
				for u := range k[0] {
					for v := range k[1] {
						h, l := i*s[0]+u*d[0]-p[0], j*s[1]+v*d[1]-p[1]
						if h < 0 || h >= size[0] || l < 0 || l >= size[1] {
							continue
						}
						from := o/(out/groups)*(ch/groups) + c
						want += ws[((o*(ch/groups)+c)*k[0]+u)*k[1]+v] * xs[((b*ch+from)*size[0]+h)*size[1]+l]
					}
				}
			}
			if e := got - want; e > 1e-12 || e < -1e-12 { // some 40 products of size 1 in another order
				r.Fatalf("place %d: %v, want %v", at, got, want)
			}
		}
	})
}

// Geometry that makes no sense is a *tensor.Error, whatever it is.
func TestConvMistakes(t *testing.T) {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x, x4, w := ctx.Zeros(tensor.F32, 2, 4, 5), ctx.Zeros(tensor.F32, 2, 4, 5, 5), ctx.Zeros(tensor.F32, 4, 4, 3)
	for name, f := range map[string]func(){
		"rank":            func() { x4.Conv1d(w, nil, tensor.ConvOptions{}) },
		"channels":        func() { x.Conv1d(ctx.Zeros(tensor.F32, 4, 3, 3), nil, tensor.ConvOptions{}) },
		"groups":          func() { x.Conv1d(w, nil, tensor.ConvOptions{Groups: 3}) },
		"negative groups": func() { x.Conv1d(w, nil, tensor.ConvOptions{Groups: -1}) },
		"bias":            func() { x.Conv1d(w, ctx.Zeros(tensor.F32, 3), tensor.ConvOptions{}) },
		"stride":          func() { x.Conv1d(w, nil, tensor.ConvOptions{Stride: -1}) },
		"padding":         func() { x.Conv1d(w, nil, tensor.ConvOptions{Padding: -1}) },
		"kernel":          func() { x.Conv1d(w, nil, tensor.ConvOptions{Dilation: 3}) },
		"empty kernel":    func() { x.Conv1d(ctx.Zeros(tensor.F32, 4, 4, 0), nil, tensor.ConvOptions{}) },
		"type":            func() { x.Conv1d(ctx.Zeros(tensor.F64, 4, 4, 3), nil, tensor.ConvOptions{}) },
		"2d rank":         func() { x.Conv2d(w, nil, tensor.Conv2dOptions{}) },
		"2d stride":       func() { x4.Conv2d(ctx.Zeros(tensor.F32, 1, 4, 1, 1), nil, tensor.Conv2dOptions{Stride: [2]int{0, -2}}) },
		"transposed groups": func() {
			x.ConvTranspose1d(w, nil, tensor.ConvTransposeOptions{ConvOptions: tensor.ConvOptions{Groups: -4}})
		},
		"transposed weight": func() { x.ConvTranspose1d(ctx.Zeros(tensor.F32, 3, 4, 3), nil, tensor.ConvTransposeOptions{}) },
		"output padding":    func() { x.ConvTranspose1d(w, nil, tensor.ConvTransposeOptions{OutputPadding: 1}) },
		"transposed size": func() {
			x.ConvTranspose1d(w, nil, tensor.ConvTransposeOptions{ConvOptions: tensor.ConvOptions{Padding: 9}})
		},
		"pool padding":     func() { x.MaxPool1d(3, 1, 2) },
		"pool size":        func() { x.MaxPool1d(6, 1, 0) },
		"pool stride":      func() { x.AvgPool1d(2, -1, 0) },
		"even average":     func() { x.MovingAverage(4) },
		"group norm":       func() { x.GroupNorm(3, nil, nil, 1e-5) },
		"group norm scale": func() { x.GroupNorm(2, ctx.Zeros(tensor.F32, 5), nil, 1e-5) },
		"norm order":       func() { x.AbsPowers(0) },
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			func() {
				defer tensor.Recover(&err)
				f()
			}()
			if err == nil {
				t.Error("no error")
			}
		})
	}
}

// Whisper-tiny's second convolution and CLIP's patches, forward and back.
func BenchmarkConv(b *testing.B) {
	for _, k := range []struct {
		name string
		x, w []int
		f    func(x, w T) T
	}{
		{"conv1d/384x384x3", []int{1, 384, 3000}, []int{384, 384, 3}, func(x, w T) T { return x.Conv1d(w, nil, tensor.ConvOptions{Stride: 2, Padding: 1}) }},
		{"conv2d/patch14", []int{4, 3, 224, 224}, []int{256, 3, 14, 14}, func(x, w T) T { return x.Conv2d(w, nil, tensor.Conv2dOptions{Stride: [2]int{14, 14}}) }},
	} {
		w := tensor.NewParam("w", tensor.F32, k.w...)
		w.FillNormal(1, 0, 0.1)
		for _, back := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/back=%v", k.name, back), func(b *testing.B) {
				ctx := tensor.New(tensor.Options{Grad: back})
				defer ctx.Close()
				x := ctx.Normal(1, tensor.F32, k.x...).Keep()
				flops := 0
				for b.Loop() {
					ctx.Next(0)
					in := ctx.Use(x)
					if back {
						in.Watch()
					}
					y := k.f(in, w)
					flops = 2 * y.Len() * w.Len() / w.Dim(0)
					if back {
						y.Sum().Backward()
						flops *= 3
					}
				}
				b.ReportMetric(float64(flops)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
