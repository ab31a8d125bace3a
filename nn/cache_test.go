package nn_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// mirror is a cache with what it should hold: of each sequence the value that each token was stored with.
type mirror struct {
	t       *testing.T
	o       nn.CacheOptions
	cache   *nn.Cache
	seqs    map[int][]float64
	windows []int
}

// append puts n tokens into some sequences. With keys of 0 attention is the mean of the values that a row sees, which tells
// whether they are the right ones.
func (m *mirror) append(r *rand.Rand, n int) error {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = r.IntN(5)
	}
	rows, err := m.cache.Append(n, ids, nil)
	if err != nil {
		return err
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	v := make([]float64, n*2)
	for i, id := range ids {
		v[2*i] = r.Float64()
		v[2*i+1] = -v[2*i] // the second head
		m.seqs[id] = append(m.seqs[id], v[2*i])
	}
	at := map[int]int{} // rows of each sequence so far
	for _, id := range ids {
		at[id]--
	}
	for layer, window := range m.windows {
		zero := ctx.Zeros(tensor.F64, n, 2, 1)
		y := rows.Attend(layer, zero, zero, ctx.F64s(v, n, 2, 1), nn.AttendOptions{Window: window}).ReadF64()
		seen := map[int]int{}
		for i, id := range ids {
			seen[id]++
			has := m.seqs[id][:len(m.seqs[id])+at[id]+seen[id]]
			if window > 0 {
				has = has[max(0, len(has)-window):]
			}
			mean := 0.0
			for _, x := range has {
				mean += x / float64(len(has))
			}
			if math.Abs(y[2*i]-mean) > 1e-12 || math.Abs(y[2*i+1]+mean) > 1e-12 {
				m.t.Fatalf("layer %d, row %d: sees a mean of %v and %v, want ±%v", layer, i, y[2*i], y[2*i+1], mean)
			}
		}
	}
	rows.Done()
	return nil
}

// Any run of calls leaves what it should, and every page comes back.
func TestCacheCalls(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 5))
		windows := [][]int{{0, 0}, {3, 3}, {4, 0}, {0, 9}}[seed%4]
		o := nn.CacheOptions{Layers: 2, Heads: 2, HeadDim: 1, DType: tensor.F64, MaxTokens: 40 + r.IntN(60), PageTokens: 1 + r.IntN(6), Rewind: r.IntN(9), Windows: windows}
		cache, err := nn.NewCache(o)
		if err != nil {
			t.Fatal(err)
		}
		room := cache.Room()
		m := &mirror{t, o, cache, map[int][]float64{}, windows}
		full := 0
		for range 150 {
			from, to := r.IntN(5), r.IntN(5)
			switch r.IntN(9) {
			case 4: // a model that fails half way
				if _, err := cache.Append(1+r.IntN(9), nil, nil); err != nil && !errors.Is(err, nn.ErrCacheFull) {
					t.Fatalf("seed %d: %v", seed, err)
				}
			case 0:
				cache.Free(from)
				delete(m.seqs, from)
			case 1:
				n := r.IntN(len(m.seqs[from]) + 1)
				if cache.Truncate(from, n) == nil {
					m.seqs[from] = m.seqs[from][:n:n]
				} else if windows[0]+windows[1] == 0 && m.seqs[from] != nil && n > 0 {
					t.Fatalf("seed %d: not truncated to %d of %d", seed, n, len(m.seqs[from]))
				}
			case 2:
				n := r.IntN(len(m.seqs[from]) + 1)
				if cache.Share(from, to, n) == nil && n > 0 {
					m.seqs[to] = m.seqs[from][:n:n]
				}
			case 3:
				if cache.Fork(from, to) == nil {
					m.seqs[to] = m.seqs[from][:len(m.seqs[from]):len(m.seqs[from])]
				}
			default:
				if err := m.append(r, 1+r.IntN(12)); errors.Is(err, nn.ErrCacheFull) {
					full++
				} else if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			for id := range 5 {
				if cache.Len(id) != len(m.seqs[id]) {
					t.Fatalf("seed %d: sequence %d has %d tokens, want %d", seed, id, cache.Len(id), len(m.seqs[id]))
				}
			}
			if cache.Bytes() > cache.MaxBytes() {
				t.Fatalf("seed %d: %d bytes, %d at most", seed, cache.Bytes(), cache.MaxBytes())
			}
		}
		for id := range 5 {
			cache.Free(id)
		}
		if cache.Room() != room {
			t.Errorf("seed %d: room for %d tokens at the end, %d at the start", seed, cache.Room(), room)
		}
		if full == 0 && seed%4 == 0 {
			t.Logf("seed %d: never full", seed)
		}
	}
}

func TestCacheOptions(t *testing.T) {
	good := nn.CacheOptions{Layers: 2, Heads: 2, HeadDim: 4, MaxTokens: 100}
	for name, change := range map[string]func(o *nn.CacheOptions){
		"no layers":   func(o *nn.CacheOptions) { o.Layers = 0 },
		"no room":     func(o *nn.CacheOptions) { o.MaxTokens = 0 },
		"integers":    func(o *nn.CacheOptions) { o.DType = tensor.I64 },
		"one window":  func(o *nn.CacheOptions) { o.Windows = []int{3} },
		"endless":     func(o *nn.CacheOptions) { o.MaxTokens = math.MaxInt },
		"huge":        func(o *nn.CacheOptions) { o.MaxTokens, o.HeadDim = 1<<40, 1<<20 },
		"no blocks":   func(o *nn.CacheOptions) { o.DType = tensor.U8 },
		"small pages": func(o *nn.CacheOptions) { o.PageTokens = -1 },
	} {
		o := good
		change(&o)
		if _, err := nn.NewCache(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	c, err := nn.NewCache(good)
	q8, err8 := nn.NewCache(nn.CacheOptions{Layers: 2, Heads: 2, HeadDim: 64, MaxTokens: 100, DType: tensor.U8})
	if err8 != nil || q8.MaxBytes() != 2*2*2*68*128 {
		t.Errorf("q8_0: %v: %d bytes at most", err8, q8.MaxBytes())
	}
	if err != nil || c.MaxBytes() != 2*2*2*4*4*128 || c.Bytes() != 0 || c.Room() != 128 { // 100 tokens in pages of 32
		t.Errorf("%v: %d bytes at most, %d now, room for %d", err, c.MaxBytes(), c.Bytes(), c.Room())
	}
}
