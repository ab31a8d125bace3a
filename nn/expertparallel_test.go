package nn_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// passed is what one pass through a mixture gives.
type passed struct {
	y, dx, router []float64
	experts       [][]float64 // gradients
	traffic       tensor.Traffic
}

// pass runs rows lo … hi of x through m, forward and backward, each element of the output weighing differently.
func pass(ctx *tensor.Ctx, m *nn.MoE, x []float64, c, lo, hi int) (y, dx []float64) {
	in := ctx.F64s(x[lo*c:hi*c], hi-lo, c).Watch()
	out, _ := m.Forward(in)
	weights := make([]float64, out.Len())
	for i := range weights {
		weights[i] = 0.5 + math.Mod(float64(lo*c+i)*0.37, 1)
	}
	y = out.ReadF64()
	out.Mul(ctx.F64s(weights, out.Shape()...)).Sum().Backward()
	return y, in.Grad().ReadF64()
}

func gradients(params []nn.Param) (list [][]float64) {
	for _, p := range params {
		g := make([]float64, p.Tensor.Len())
		if t := p.Tensor.Grad(); t != nil {
			g = t.ReadF64()
		}
		p.Tensor.ZeroGrad()
		list = append(list, g)
	}
	return list
}

// whole runs groups of rows one after the other through the mixture, spread at once on as many workers.
func whole(m *nn.MoE, x []float64, c, groups int, o tensor.Options) (p passed) {
	rows := len(x) / c
	for i := range groups {
		ctx := tensor.New(o)
		y, dx := pass(ctx, m, x, c, rows*i/groups, rows*(i+1)/groups)
		ctx.Close()
		p.y, p.dx = append(p.y, y...), append(p.dx, dx...)
	}
	p.router = gradients(nn.Walk(m.Gate))[0]
	p.experts = gradients(nn.Walk(m.Experts))
	return p
}

func spread(t *testing.T, m *nn.MoE, x []float64, c, n int, o tensor.Options) (p passed) {
	t.Helper()
	copies, shared := make([]*nn.MoE, n), make([][]*tensor.Tensor, n)
	for w := range n {
		copies[w], _ = wide(nn.NewMoE(c, 5, len(m.Experts), m.TopK))
		copies[w].Capacity, copies[w].ByChance = m.Capacity, m.ByChance
		copies[w].Gate.Weight.Set(m.Gate.Weight)
		if err := nn.ShardExperts(copies[w], m, w, n); err != nil {
			t.Fatal(err)
		}
		shared[w] = nn.Shared(copies[w])
	}
	g, rows := tensor.NewGroup(n), len(x)/c
	ys, dxs := make([][]float64, n), make([][]float64, n)
	err := g.Run(func(w *tensor.Worker) error {
		o := o
		o.Worker = w
		ctx := tensor.New(o)
		defer ctx.Close()
		ys[w.Rank], dxs[w.Rank] = pass(ctx, copies[w.Rank], x, c, rows*w.Rank/n, rows*(w.Rank+1)/n)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	g.SumGrads(shared[0], shared[1:]...)
	p.y, p.dx, p.traffic = slices.Concat(ys...), slices.Concat(dxs...), g.Traffic()
	p.router, p.experts = shared[0][0].Grad().ReadF64(), gradients(nn.Walk(m.Experts))
	return p
}

func inputs(rows, c int) []float64 {
	return drawn("x", rows, c).ReadF64()
}

// close64 compares within what another order of a few dozen float64 additions changes.
func close64(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= 1e-12*math.Max(1, math.Abs(want[i]))) {
			t.Fatalf("%s[%d] is %.15g, want %.15g", what, i, got[i], want[i])
		}
	}
}

// A mixture spread over workers computes what it computes in one place, where rows come in the same groups: outputs, and the gradients of
// rows, router and experts.
func TestExpertParallel(t *testing.T) {
	const c, rows = 4, 24
	x := inputs(rows, c)
	for name, test := range map[string]struct {
		n      int
		change func(m *nn.MoE)
		o      tensor.Options
	}{
		"two workers":             {2, func(*nn.MoE) {}, tensor.Options{Grad: true}},
		"four workers":            {4, func(*nn.MoE) {}, tensor.Options{Grad: true}},
		"capacity":                {2, func(m *nn.MoE) { m.Capacity = 0.5 }, tensor.Options{Grad: true, Train: true}},
		"one choice, little room": {4, func(m *nn.MoE) { m.TopK, m.Capacity = 1, 0.7 }, tensor.Options{Grad: true, Train: true}},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := wide(nn.NewMoE(c, 5, 4, 2))
			test.change(m)
			want := whole(m, x, c, test.n, test.o)
			got := spread(t, m, x, c, test.n, test.o)
			close64(t, "y", got.y, want.y)
			close64(t, "dx", got.dx, want.dx)
			close64(t, "router", got.router, want.router)
			for i := range want.experts {
				close64(t, "expert", got.experts[i], want.experts[i])
			}
			again := spread(t, m, x, c, test.n, test.o)
			if !slices.Equal(again.y, got.y) || !slices.Equal(again.dx, got.dx) || again.traffic != got.traffic {
				t.Error("a second run gives other bits")
			}
		})
	}
}

// Two experts on two workers and one choice a row: each row whose expert is elsewhere crosses four times, there and back, forward and
// backward. The counts of rows are two numbers of eight bytes; the router's gradient makes 2·(2−1) trips.
func TestExpertParallelTraffic(t *testing.T) {
	const c, rows = 4, 10
	x := inputs(rows, c)
	m, _ := wide(nn.NewMoE(c, 5, 2, 1))
	got := spread(t, m, x, c, 2, tensor.Options{Grad: true}).traffic
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	logits := m.Gate.Forward(ctx.F64s(x, rows, c))
	away := 0
	for i, e := range nn.TopExperts(nil, logits.ReadF64(), 2, 1) {
		if e != i/(rows/2) {
			away++
		}
	}
	if away == 0 || away == rows {
		t.Fatalf("%d of %d rows go elsewhere: the test shows nothing", away, rows)
	}
	want := tensor.Traffic{Forward: int64(2*away*c*8 + 2*8), Backward: int64(2 * away * c * 8), Reduce: 2 * 2 * c * 8}
	if got != want {
		t.Errorf("traffic %+v, want %+v", got, want)
	}
}

func TestShardExpertsRefuses(t *testing.T) {
	m := nn.NewMoE(4, 5, 3, 2)
	if err := nn.ShardExperts(nn.NewMoE(4, 5, 3, 2), m, 0, 2); err == nil || !strings.Contains(err.Error(), "3 experts do not go evenly to 2 workers") {
		t.Errorf("three experts on two workers: %v", err)
	}
	if err := nn.ShardExperts(nn.NewLinear(2, 2, false), nn.NewLinear(2, 2, false), 0, 2); err == nil {
		t.Error("a model without experts is spread")
	}
}

// A worker that fails ends the others, which wait for it.
func TestGroupError(t *testing.T) {
	g := tensor.NewGroup(3)
	lost := errors.New("lost")
	for range 2 { // the group can be used again
		err := g.Run(func(w *tensor.Worker) error {
			ctx := tensor.New(tensor.Options{Worker: w})
			defer ctx.Close()
			if w.Rank == 1 {
				return lost
			}
			ctx.Zeros(tensor.F32, 3, 2).AllToAll([]int{1, 1, 1})
			return nil
		})
		if !errors.Is(err, lost) {
			t.Fatalf("error %v, want the worker's", err)
		}
	}
	err := g.Run(func(w *tensor.Worker) error {
		ctx := tensor.New(tensor.Options{Worker: w})
		defer ctx.Close()
		ctx.Zeros(tensor.F32, 3, 2).AllToAll([]int{1, 1, w.Rank})
		return nil
	})
	var e *tensor.Error
	if !errors.As(err, &e) {
		t.Errorf("counts that do not add up: %v", err)
	}
}
