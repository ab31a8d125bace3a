package serve_test

import (
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/serve"
)

// heap is what is in use after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Many clients, a third of which hang up midway and some of which have wrong keys: no answer is wrong, no slot and no
// goroutine is left behind, and a second round needs no more memory than the first. HANJI_LOAD=20 sends 20 requests a client.
func TestLoad(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("github.com/hanji-ml/hanji/internal/par.(*worker).live"))
	clients, requests := 32, 3
	if n, err := strconv.Atoi(os.Getenv("HANJI_LOAD")); err == nil {
		requests = n
	}
	m, err := serve.NewModel("tiny", tiny(512), serve.ModelOptions{EngineOptions: generate.EngineOptions{Slots: 8, Queue: clients}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(serve.Options{Models: []*serve.Model{m}, Keys: []string{"a-key-for-tests"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: s}
	go web.Serve(l)
	defer s.Close()
	defer web.Close()
	load := serve.Load{URL: "http://" + l.Addr().String(), Key: "a-key-for-tests", Clients: clients, Requests: requests, Leave: 3, WrongKey: 7}
	var used []uint64
	for range 3 {
		r := load.Run(t.Context())
		for _, w := range r.Wrong {
			t.Error(w)
		}
		if n := r.Done + r.Left + r.Refused + len(r.Wrong); n != clients*requests || r.Busy > 0 || r.Left < clients*requests/5 || r.Refused == 0 {
			t.Errorf("of %d: %d done, %d left, %d refused, %d busy", clients*requests, r.Done, r.Left, r.Refused, r.Busy)
		}
		eventually(t, "every slot is free", func() bool {
			w := send(s, "GET", "/metrics", "", "Authorization", "Bearer a-key-for-tests")
			return strings.Contains(w.Body.String(), "\nhanji:num_requests_running{model_name=\"tiny\"} 0\n")
		})
		used = append(used, heap())
		t.Logf("%d done, %d left, %d refused; first piece p50 %.1f ms, p99 %.1f ms; whole p50 %.1f ms, p99 %.1f ms; %.0f tokens/s; heap %d kB", r.Done, r.Left, r.Refused,
			1e3*serve.Percentile(r.First, 50), 1e3*serve.Percentile(r.First, 99), 1e3*serve.Percentile(r.Whole, 50), 1e3*serve.Percentile(r.Whole, 99), float64(r.Tokens)/r.Seconds, used[len(used)-1]>>10)
	}
	if last, before := used[2], used[1]; last > before+before/4+1<<20 {
		t.Errorf("the heap grows: %v bytes", used)
	}
}

func TestPercentile(t *testing.T) {
	x := []float64{1, 2, 3, 4}
	for p, want := range map[float64]float64{0: 1, 25: 1, 50: 2, 51: 3, 75: 3, 99: 4, 100: 4} {
		if got := serve.Percentile(x, p); got != want {
			t.Errorf("percentile %v is %v, want %v", p, got, want)
		}
	}
}
