package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Every path gives the bits of the loop, also where rows of one bin follow each other.
func TestAddBins(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 1))
		for _, n := range []int{0, 1, 2, 3, 7, 64, 300} {
			for _, stride := range []int{4, 8, 32, 37} {
				for _, of := range []int{1, 2, 256} { // so many bins
					bins, pairs := make([]uint8, n*stride+4), make([][2]float32, n)
					for i := range bins {
						bins[i] = uint8(255 - r.IntN(of))
					}
					for i := range pairs {
						pairs[i] = [2]float32{float32(r.NormFloat64()), r.Float32()}
					}
					var got, want [4][256][2]float64
					for k := range got {
						for b := range got[k] {
							got[k][b] = [2]float64{r.NormFloat64(), r.Float64()}
						}
					}
					want = got
					AddBins(&[4]*[256][2]float64{&got[0], &got[1], &got[2], &got[3]}, bins, stride, pairs)
					for i, p := range pairs {
						for k := range want {
							e := &want[k][bins[i*stride+k]]
							e[0] += float64(p[0])
							e[1] += float64(p[1])
						}
					}
					if got != want {
						t.Fatalf("%d rows, %d apart, %d bins: other sums", n, stride, of)
					}
				}
			}
		}
	})
}

func TestGather(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 2))
		for _, of := range []int{1, 5, 1000} {
			for _, n := range []int{0, 1, 2, 95, 96, 97, 192, 500} {
				for _, stride := range []int{1, 8, 32, 40} {
					rows := make([]int32, n)
					for i := range rows {
						rows[i] = int32(r.IntN(of))
					}
					src, pairs := make([]uint8, (of-1)*stride+GatherWidth), make([][2]float32, of)
					for i := range src {
						src[i] = uint8(r.Uint32())
					}
					for i := range pairs {
						pairs[i] = [2]float32{r.Float32(), r.Float32()}
					}
					dst, to := make([]uint8, n*GatherWidth+1), make([][2]float32, n+1)
					GatherBins(dst, src, stride, rows)
					GatherPairs(to, pairs, rows)
					for i, row := range rows {
						if !slices.Equal(dst[i*GatherWidth:][:GatherWidth], src[int(row)*stride:][:GatherWidth]) || to[i] != pairs[row] {
							t.Fatalf("row %d of %d, %d apart", i, n, stride)
						}
					}
					if dst[n*GatherWidth] != 0 || to[n] != [2]float32{} {
						t.Fatalf("%d rows, %d apart: wrote beyond them", n, stride)
					}
				}
			}
		}
	})
}

func TestBoostChecks(t *testing.T) {
	var h [256][2]float64
	four := &[4]*[256][2]float64{&h, &h, &h, &h}
	for name, f := range map[string]func(){
		"bins too short":     func() { AddBins(four, make([]uint8, 7), 4, make([][2]float32, 2)) },
		"rows overlap":       func() { AddBins(four, make([]uint8, 70), 3, make([][2]float32, 2)) },
		"no room":            func() { GatherBins(make([]uint8, 31), make([]uint8, 99), 32, []int32{0}) },
		"row beyond the end": func() { GatherBins(make([]uint8, 32), make([]uint8, 95), 32, []int32{2}) },
		"negative row":       func() { GatherBins(make([]uint8, 32), make([]uint8, 95), 32, []int32{-1}) },
		"no rows":            func() { GatherBins(make([]uint8, 32), nil, 32, []int32{0}) },
		"pair beyond":        func() { GatherPairs(make([][2]float32, 1), make([][2]float32, 1), []int32{1}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
