package gbdt

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hanji-ml/hanji/internal/par"
)

// higgsLike makes rows such as the peer's script draws: 28 normal features, a noisy binary label.
func higgsLike(rows int) Data {
	r := rand.New(rand.NewPCG(7, 7))
	d := Data{Label: make([]float64, rows), Columns: make([]Column, 28)}
	for j := range d.Columns {
		d.Columns[j].Float32 = make([]float32, rows)
	}
	for i := range rows {
		x := make([]float64, 28)
		for j := range x {
			x[j] = r.NormFloat64()
			d.Columns[j].Float32[i] = float32(x[j])
		}
		z := x[0]*x[1] + math.Sin(3*x[2]) + 0.3*x[5]*x[5] - 0.3
		if x[3] > 0.3 {
			z += 0.5 * x[4]
		}
		if z+r.NormFloat64() > 0 {
			d.Label[i] = 1
		}
	}
	return d
}

func BenchmarkTrain(b *testing.B) {
	for _, quantized := range []bool{false, true} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("200kx28/255leaves/10trees/quantized=%v/threads%d", quantized, threads), func(b *testing.B) {
				par.SetThreads(threads)
				defer par.SetThreads(0)
				o := Options{Objective: "binary", NumLeaves: 255, NumIterations: 10, UseQuantizedGrad: quantized}
				ds, err := NewDataset(higgsLike(200_000), o)
				must(b, err)
				for b.Loop() {
					_, err := Train(context.Background(), ds, o)
					must(b, err)
				}
			})
		}
	}
}

// BenchmarkTrainSparse trains on one-hot columns, which are bundled, and on as many that have values where they like, which are kept
// by row.
func BenchmarkTrainSparse(b *testing.B) {
	const rows, columns = 100_000, 500
	for _, kind := range []string{"onehot", "rows"} {
		b.Run(kind+"/100kx500/31leaves/10trees", func(b *testing.B) {
			r := rand.New(rand.NewPCG(3, 3))
			d := Data{Label: make([]float64, rows)}
			for range columns {
				d.Columns = append(d.Columns, Column{Float32: make([]float32, rows)})
			}
			for i := range rows {
				for k := range 10 {
					j := k*50 + r.IntN(50)
					if kind == "rows" {
						j = r.IntN(columns)
					}
					d.Columns[j].Float32[i] = 1
					d.Label[i] += float64(j % 7)
				}
			}
			ds, err := NewDataset(d, Options{})
			must(b, err)
			for b.Loop() {
				_, err := Train(context.Background(), ds, Options{NumIterations: 10})
				must(b, err)
			}
		})
	}
}

func BenchmarkBin(b *testing.B) {
	d := higgsLike(200_000)
	for b.Loop() {
		_, err := NewDataset(d, Options{})
		must(b, err)
	}
}

// BenchmarkPredict measures prediction by trees of 255 leaves. Single rows differ from call to call, so that no branch is
// learnt by heart.
func BenchmarkPredict(b *testing.B) {
	o := Options{Objective: "binary", NumLeaves: 255, NumIterations: 500}
	d := higgsLike(20_000)
	ds, err := NewDataset(d, o)
	must(b, err)
	m, err := Train(context.Background(), ds, o)
	must(b, err)
	x := make([]float64, 20_000*28)
	for i := range 20_000 {
		ds.row(x[i*28:(i+1)*28], i)
	}
	p := make([]float64, 20_000)
	b.Run("batch/20kx100trees", func(b *testing.B) {
		for b.Loop() {
			must(b, m.Predict(p, x, PredictOptions{NumIteration: 100}))
		}
	})
	b.Run("row/500trees", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			must(b, m.PredictRow(p[:1], x[i*28:(i+1)*28], PredictOptions{}))
			i = (i + 1) % 20_000
		}
	})
}
