package serve

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are a server's own: it touches no registry of the process. Names after the colon are vLLM's, so that a dashboard
// made for it needs another prefix only.
type metrics struct {
	registry *prometheus.Registry

	requests                   *prometheus.CounterVec // by route and status
	promptTokens, outputTokens *prometheus.CounterVec // by model
	finished                   *prometheus.CounterVec // by model and reason
	firstToken, latency        *prometheus.HistogramVec
	panics                     prometheus.Counter
}

func newMetrics(s *Server) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	seconds := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.005, 2, 16)}, []string{"model_name"})
	}
	m := &metrics{
		registry:     prometheus.NewRegistry(),
		requests:     counter("hanji:http_requests_total", "Requests by route and status.", "route", "status"),
		promptTokens: counter("hanji:prompt_tokens_total", "Tokens of prompts.", "model_name"),
		outputTokens: counter("hanji:generation_tokens_total", "Tokens generated.", "model_name"),
		finished:     counter("hanji:request_success_total", "Outputs that were finished, by reason.", "model_name", "finished_reason"),
		firstToken:   seconds("hanji:time_to_first_token_seconds", "From acceptance to the first token."),
		latency:      seconds("hanji:e2e_request_latency_seconds", "From acceptance to the last token."),
		panics:       prometheus.NewCounter(prometheus.CounterOpts{Name: "hanji:panics_total", Help: "Mistakes of the server that ended a request."}),
	}
	m.registry.MustRegister(m.requests, m.promptTokens, m.outputTokens, m.finished, m.firstToken, m.latency, m.panics, engines{s})
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// engines reads what the models' engines are doing at the moment of asking.
type engines struct{ s *Server }

var (
	descRunning = prometheus.NewDesc("hanji:num_requests_running", "Outputs with a slot.", []string{"model_name"}, nil)
	descWaiting = prometheus.NewDesc("hanji:num_requests_waiting", "Outputs that wait for a slot.", []string{"model_name"}, nil)
	descCache   = prometheus.NewDesc("hanji:kv_cache_usage_perc", "Share of the cache of keys and values in use, 0 to 1.", []string{"model_name"}, nil)
	descQueries = prometheus.NewDesc("hanji:prefix_cache_queries_total", "Tokens of prompts looked for in the cache.", []string{"model_name"}, nil)
	descHits    = prometheus.NewDesc("hanji:prefix_cache_hits_total", "Tokens of prompts found in the cache.", []string{"model_name"}, nil)
	descSteps   = prometheus.NewDesc("hanji:decode_steps_total", "Calls of the model.", []string{"model_name"}, nil)
	descRows    = prometheus.NewDesc("hanji:decode_rows_total", "Tokens that went through the model; over the steps, how full batches were.", []string{"model_name"}, nil)
)

// Describe implements prometheus.Collector.
func (e engines) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRunning, descWaiting, descCache, descQueries, descHits, descSteps, descRows} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (e engines) Collect(to chan<- prometheus.Metric) {
	set := e.s.models.Load()
	if set == nil {
		return
	}
	for _, m := range set.list {
		st := m.engine.Stats()
		gauge := func(d *prometheus.Desc, v float64) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, m.name)
		}
		count := func(d *prometheus.Desc, v uint64) {
			to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), m.name)
		}
		gauge(descRunning, float64(st.Running))
		gauge(descWaiting, float64(st.Waiting))
		gauge(descCache, 1-float64(st.CacheFree)/float64(max(st.CacheTokens, 1)))
		count(descQueries, st.PrefixQueries)
		count(descHits, st.PrefixHits)
		count(descSteps, st.Steps)
		count(descRows, st.Rows)
	}
}
