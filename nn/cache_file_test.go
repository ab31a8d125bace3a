package nn_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// storedCache is a cache in which sequence 0 has n tokens, and its mirror.
func storedCache(t *testing.T, dt tensor.DType, windows []int, n int) *mirror {
	o := nn.CacheOptions{Layers: len(windows), Heads: 2, HeadDim: 1, DType: dt, MaxTokens: 400, PageTokens: 4, Rewind: 2, Windows: windows}
	cache, err := nn.NewCache(o)
	if err != nil {
		t.Fatal(err)
	}
	m := &mirror{t, o, cache, map[int][]float64{}, windows}
	r := rand.New(rand.NewPCG(3, 4))
	for len(m.seqs[0]) < n {
		if err := m.append(r, 1+r.IntN(3)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// A sequence that was stored goes on in another cache as if it had been read there, and is stored as the same bytes.
func TestSequenceStored(t *testing.T) {
	for _, windows := range [][]int{{0, 0}, {3, 3}, {5, 0}, {0, 7, 0}} {
		for n := 1; n < 14; n++ {
			m := storedCache(t, tensor.F64, windows, n)
			var b bytes.Buffer
			if err := m.cache.WriteSequence(&b, 0); err != nil {
				t.Fatal(err)
			}
			bytesOf := b.Bytes()
			to := storedCache(t, tensor.F64, windows, 0)
			if err := to.cache.ReadSequence(io.MultiReader(&b, bytes.NewReader([]byte("more"))), 2); err != nil {
				t.Fatalf("%v, %d tokens: %v", windows, n, err)
			}
			if to.cache.Len(2) != m.cache.Len(0) {
				t.Errorf("%d tokens of %d", to.cache.Len(2), m.cache.Len(0))
			}
			to.seqs[2] = m.seqs[0]
			var again bytes.Buffer
			if err := to.cache.WriteSequence(&again, 2); err != nil || !bytes.Equal(again.Bytes(), bytesOf) {
				t.Errorf("%v, %d tokens: stored again as other bytes, %v", windows, n, err)
			}
			r := rand.New(rand.NewPCG(uint64(n), 1))
			for range 4 { // compares what each row sees
				if err := to.append(r, 5); err != nil {
					t.Fatal(err)
				}
			}
			for id := range 5 {
				to.cache.Free(id)
			}
			if room := to.cache.Room(); room != 400 {
				t.Errorf("room for %d tokens at the end", room)
			}
		}
	}
}

// What is damaged, cut or of another cache is refused and leaves the cache as it was.
func TestSequenceRefused(t *testing.T) {
	m := storedCache(t, tensor.F16, []int{0, 5}, 0)
	if err := m.cache.WriteSequence(io.Discard, 0); err == nil {
		t.Error("a sequence that is not there was written")
	}
	m = storedCache(t, tensor.F64, []int{0, 5}, 11)
	var b bytes.Buffer
	if err := m.cache.WriteSequence(&b, 0); err != nil {
		t.Fatal(err)
	}
	good := b.Bytes()
	check := func(what string, c *nn.Cache, b []byte, want ...error) {
		t.Helper()
		room := c.Room()
		err := c.ReadSequence(bytes.NewReader(b), 0)
		if !slices.ContainsFunc(want, func(e error) bool { return errors.Is(err, e) }) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if c.Len(0) != 0 || c.Room() != room {
			t.Errorf("%s: %d tokens stay, room %d of %d", what, c.Len(0), c.Room(), room)
		}
	}
	fresh := func() *nn.Cache { return storedCache(t, tensor.F64, []int{0, 5}, 0).cache }
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x41
		check("damaged", fresh(), bad, nn.ErrSequence, nn.ErrCacheFull) // a length too large
		check("cut", fresh(), good[:i], nn.ErrSequence)
	}
	check("other windows", storedCache(t, tensor.F64, []int{0, 6}, 0).cache, good, nn.ErrSequence)
	check("other layers", storedCache(t, tensor.F64, []int{0, 5, 5}, 0).cache, good, nn.ErrSequence)
	o := m.o
	o.DType = tensor.F16
	f16, err := nn.NewCache(o)
	if err != nil {
		t.Fatal(err)
	}
	check("other type", f16, good, nn.ErrSequence)
	o = m.o
	o.MaxTokens = 8
	small, err := nn.NewCache(o)
	if err != nil {
		t.Fatal(err)
	}
	check("no room", small, good, nn.ErrCacheFull)
	if err := m.cache.ReadSequence(bytes.NewReader(good), 0); err == nil {
		t.Error("read over a sequence that is there")
	}
	if err := m.cache.WriteSequence(failing{}, 0); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a full disk: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzReadSequence(f *testing.F) {
	o := nn.CacheOptions{Layers: 2, Heads: 1, HeadDim: 2, DType: tensor.F16, MaxTokens: 12, PageTokens: 4, Windows: []int{0, 5}}
	for _, n := range []int{1, 4, 11} {
		c, err := nn.NewCache(o)
		if err != nil {
			f.Fatal(err)
		}
		rows, err := c.Append(n, nil, nil)
		if err != nil {
			f.Fatal(err)
		}
		rows.Done()
		var b bytes.Buffer
		if err := c.WriteSequence(&b, 0); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := nn.NewCache(o)
		if err != nil {
			t.Fatal(err)
		}
		r := bytes.NewReader(b)
		if err := c.ReadSequence(r, 7); err != nil {
			if c.Len(7) != 0 || c.Room() != 12 {
				t.Fatalf("%v, and %d tokens stay", err, c.Len(7))
			}
			return
		}
		var again bytes.Buffer
		if err := c.WriteSequence(&again, 7); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), b[:len(b)-r.Len()]) {
			t.Fatal("stored again as other bytes")
		}
		if rows, err := c.Append(1, []int{7}, nil); err == nil {
			rows.Done()
		}
		c.Free(7)
		if c.Room() != 12 {
			t.Fatalf("room for %d tokens", c.Room())
		}
	})
}

// Every type of cache is stored as the bytes that it holds.
func TestSequenceTypes(t *testing.T) {
	for _, dt := range []tensor.DType{tensor.F32, tensor.F16, tensor.U8} {
		o := nn.CacheOptions{Layers: 2, Heads: 2, HeadDim: 32, DType: dt, MaxTokens: 32, PageTokens: 8}
		var caches [2]*nn.Cache
		for i := range caches {
			var err error
			if caches[i], err = nn.NewCache(o); err != nil {
				t.Fatal(err)
			}
		}
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		see := func(c *nn.Cache, seed uint64, n int) []float32 {
			rows, err := c.Append(n, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Done()
			r := rand.New(rand.NewPCG(seed, 1))
			draw := func() *tensor.Tensor {
				v := make([]float32, n*2*32)
				for i := range v {
					v[i] = float32(r.NormFloat64())
				}
				return ctx.F32s(v, n, 2, 32)
			}
			var y *tensor.Tensor
			for layer := range o.Layers {
				y = rows.Attend(layer, draw(), draw(), draw(), nn.AttendOptions{})
			}
			return y.Read()
		}
		see(caches[0], 1, 13)
		var b bytes.Buffer
		if err := caches[0].WriteSequence(&b, 0); err != nil {
			t.Fatal(err)
		}
		if err := caches[1].ReadSequence(&b, 0); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(see(caches[0], 9, 3), see(caches[1], 9, 3)) {
			t.Errorf("%v: what was stored is not seen alike", dt)
		}
	}
}
