package kernel

import (
	"math"
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
					testAddIntBins(t, r, bins, stride, n)
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

func testAddIntBins(t *testing.T, r *rand.Rand, bins []uint8, stride, n int) {
	t.Helper()
	var got, want [4][256]int64
	for k := range got {
		for b := range got[k] {
			got[k][b] = r.Int64() - r.Int64()
		}
	}
	want = got
	sums := make([]int64, n)
	for i := range sums {
		sums[i] = r.Int64() - r.Int64()
		for k := range want {
			want[k][bins[i*stride+k]] += sums[i]
		}
	}
	AddIntBins(&[4]*[256]int64{&got[0], &got[1], &got[2], &got[3]}, bins, stride, sums)
	if got != want {
		t.Fatalf("%d rows, %d apart: other sums of integers", n, stride)
	}
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
		"int bins too short": func() { AddIntBins(&[4]*[256]int64{}, make([]uint8, 7), 4, make([]int64, 2)) },
		"int rows overlap":   func() { AddIntBins(&[4]*[256]int64{}, make([]uint8, 70), 3, make([]int64, 2)) },
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

// randomSplits makes a tree of so many leaves over columns of ranks.
func randomSplits(r *rand.Rand, leaves, columns int) []TreeSplit {
	var splits []TreeSplit
	var grow func(from, n int)
	grow = func(from, n int) {
		if n == 1 {
			return
		}
		left := 1 + r.IntN(n-1)
		splits = append(splits, TreeSplit{Column: uint32(TreeRows * r.IntN(columns)), Right: uint8(1 + r.IntN(255)), From: uint8(from), To: uint8(from + left)})
		grow(from, left)
		grow(from+left, n-left)
	}
	grow(0, leaves)
	return splits
}

// Every path gives the leaves that walking down each row alone gives.
func TestTreeLeaves(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, leaves := range []int{1, 2, 3, 31, 255, 256} {
			const columns = 5
			ranks, splits := make([]uint8, columns*TreeRows), randomSplits(r, leaves, columns)
			var sets []ByteSet
			setOf := map[int]int{} // by split
			for i := range splits {
				if splits[i].BySet = leaves%2 == 1 && r.IntN(2) == 0; splits[i].BySet {
					setOf[i] = len(sets)
					sets = append(sets, ByteSet{})
					for range 128 {
						sets[len(sets)-1].Add(uint8(r.Uint32()))
					}
				}
			}
			for i := range ranks {
				ranks[i] = uint8(r.Uint32())
			}
			leaf := make([]uint8, TreeRows+1)
			for i := range leaf {
				leaf[i] = 77
			}
			TreeLeaves(leaf, ranks, splits, sets)
			for i, got := range leaf[:TreeRows] {
				lo, hi, next := 0, leaves, 0 // the row's subtree, and the place of its root
				for hi-lo > 1 {
					s := splits[next]
					rank := ranks[int(s.Column)+i]
					right := rank >= s.Right
					if s.BySet {
						right = sets[setOf[next]][rank/8]>>(rank%8)&1 == 0
					}
					if right {
						next += int(s.To) - lo // the left subtree has one split less than leaves
						lo = int(s.To)
					} else {
						next++
						hi = int(s.To)
					}
				}
				if int(got) != lo {
					t.Fatalf("%d leaves: row %d is at leaf %d, want %d", leaves, i, got, lo)
				}
			}
			if leaf[TreeRows] != 77 {
				t.Fatal("wrote beyond the rows")
			}
		}
	})
}

// One row through many trees, against the splits of TreeLeaves.
func TestTreeWalk(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 8))
		for _, trees := range []int{0, 1, 7, 8, 9, 40} {
			const columns = 5
			var nodes []TreeNode
			var roots []int32
			var all [][]TreeSplit
			for range trees {
				leaves := 1 + r.IntN(256)
				splits := randomSplits(r, leaves, columns)
				roots, all = append(roots, int32(len(nodes))), append(all, splits)
				var grow func(next, lo, hi int)
				grow = func(next, lo, hi int) { // the subtree of leaves lo…hi, whose root is split next
					if hi-lo == 1 {
						nodes = append(nodes, NewTreeNode(uint8(lo), 0, 0))
						return
					}
					s, at := splits[next], len(nodes)
					nodes = append(nodes, 0)
					grow(next+1, lo, int(s.To))
					nodes[at] = NewTreeNode(uint8(s.Column/TreeRows), s.Right, len(nodes)-at)
					grow(next+int(s.To)-lo, int(s.To), hi)
				}
				grow(0, 0, leaves)
			}
			for range 20 {
				var ranks [256]uint8
				block, leaf := make([]uint8, columns*TreeRows), make([]uint8, TreeRows)
				for c := range columns {
					ranks[c] = uint8(r.Uint32())
					block[c*TreeRows] = ranks[c]
				}
				at := slices.Clone(roots)
				TreeWalk(at, nodes, &ranks)
				for i, node := range at {
					TreeLeaves(leaf, block, all[i], nil)
					if n := nodes[node]; n.Column() != leaf[0] || n>>8 != 0 {
						t.Fatalf("tree %d of %d: leaf %d, want %d", i, trees, n.Column(), leaf[0])
					}
				}
			}
		}
	})
}

func TestRank(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 5))
		for _, used := range []int{0, 1, 2, 100, 254, 255} {
			var bounds [255]float64
			for i := range bounds {
				bounds[i] = math.Inf(1)
				if i < used {
					bounds[i] = math.Round(100*r.NormFloat64()) / 10
				}
			}
			slices.Sort(bounds[:])
			for _, n := range []int{0, 1, 31, 32, 33, 200} {
				x := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1)}[:min(n, 5)]
				for len(x) < n {
					x = append(x, math.Round(100*r.NormFloat64())/10)
				}
				dst := make([]uint8, n+1)
				dst[n] = 77
				Rank(dst, x, &bounds)
				for i, v := range x {
					want := 0
					for _, b := range bounds {
						if b < v {
							want++
						}
					}
					if int(dst[i]) != want {
						t.Fatalf("%d bounds: rank of %v is %d, want %d", used, v, dst[i], want)
					}
				}
				if dst[n] != 77 {
					t.Fatal("wrote beyond the numbers")
				}
			}
		}
	})
}

func BenchmarkTreeLeaves(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 6))
	splits, ranks, leaf := randomSplits(r, 255, 28), make([]uint8, 28*TreeRows), make([]uint8, TreeRows)
	eachPathBench(b, "255leaves", TreeRows, func() { TreeLeaves(leaf, ranks, splits, nil) })
	for i := range splits {
		splits[i].BySet = true
	}
	sets := make([]ByteSet, len(splits))
	eachPathBench(b, "255leaves/sets", TreeRows, func() { TreeLeaves(leaf, ranks, splits, sets) })
}

func BenchmarkRank(b *testing.B) {
	var bounds [255]float64
	x, dst := make([]float64, TreeRows), make([]uint8, TreeRows)
	for i := range bounds {
		bounds[i] = float64(i)
	}
	r := rand.New(rand.NewPCG(3, 7))
	for i := range x {
		x[i] = 255 * r.Float64()
	}
	eachPathBench(b, "255bounds", TreeRows, func() { Rank(dst, x, &bounds) })
}

// Every path finds the same split, with the same bits.
func TestScanSplits(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	type scan struct {
		bins [][2]float64
		in   SplitScan
	}
	var scans []scan
	for range 300 {
		s := scan{bins: make([][2]float64, 1+r.IntN(256))}
		s.in = SplitScan{L2: float64(r.IntN(2)), MinHess: float64(r.IntN(3)), MinData: r.IntN(25), Moved: [2]float64{0, 1e-15}}
		rows := 0
		for i := range s.bins {
			n := r.IntN(10)
			rows += n
			s.bins[i] = [2]float64{math.Round(4*r.NormFloat64()) * float64(n), float64(n) / 4} // round numbers: gains are equal at times
			s.in.Grad += s.bins[i][0]
			s.in.Hess += s.bins[i][1]
		}
		s.in.Count, s.in.Factor = rows, float64(rows)/s.in.Hess
		s.in.Gain = s.in.Grad * s.in.Grad / (s.in.Hess + s.in.L2)
		scans = append(scans, s)
	}
	scans[7].bins[0][1], scans[8].bins[len(scans[8].bins)-1][0] = math.NaN(), math.NaN()
	var want []SplitScan
	found := 0
	eachPath(t, func(t *testing.T) {
		for i, s := range scans {
			got := s.in
			ScanSplits(s.bins, i%2 == 0, &got)
			if len(want) == i { // the first path; the last one is the loop
				want = append(want, got)
				found += min(got.At, 1)
			}
			if w := want[i]; got.At != w.At || got.At > 0 && got != w {
				t.Errorf("scan %d of %d bins: %+v, want %+v", i, len(s.bins), got, w)
			}
		}
	})
	if found < 100 {
		t.Errorf("%d of %d scans found a split", found, len(scans))
	}
}

func BenchmarkScanSplits(b *testing.B) {
	bins := make([][2]float64, 255)
	r := rand.New(rand.NewPCG(3, 10))
	s := SplitScan{Moved: [2]float64{0, 1e-15}, MinData: 20, MinHess: 1e-3}
	for i := range bins {
		bins[i] = [2]float64{r.NormFloat64(), 10 * r.Float64()}
		s.Grad += bins[i][0]
		s.Hess += bins[i][1]
	}
	s.Count, s.Factor = int(4*s.Hess), 4
	eachPathBench(b, "255bins", len(bins), func() { k := s; ScanSplits(bins, true, &k) })
}
