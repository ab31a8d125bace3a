package serve_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hanji-ml/hanji/serve"
)

func Example() {
	m, err := serve.NewModel("tiny", tiny(512), serve.ModelOptions{Aliases: []string{"gpt-4o"}})
	check(err)
	s, err := serve.New(serve.Options{Models: []*serve.Model{m}})
	check(err)
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()

	resp, err := http.Post(web.URL+"/tokenize", "application/json", strings.NewReader(`{"model": "gpt-4o", "content": "hi"}`))
	check(err)
	defer resp.Body.Close()
	fmt.Print(drain(resp.Body))
	// Output: {"count":2,"max_model_len":512,"tokens":[107,108]}
}
