package hub_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/hanji-ml/hanji/hub"
	"github.com/hanji-ml/hanji/internal/hubtest"
)

func Example() {
	server, stop := hubtest.Start(map[string]map[string][]byte{"acme/tiny-GGUF": {
		"README.md": []byte("# tiny"), "tiny-F16.gguf": make([]byte, 2000), "tiny-Q8_0.gguf": make([]byte, 1000),
	}})
	defer stop()
	cache, err := os.MkdirTemp("", "hub")
	check(err)
	defer os.RemoveAll(cache)

	h, err := hub.New(hub.Options{Endpoint: server.URL, Cache: cache}) // hub.FromEnv() for the public hub and the user's cache
	check(err)
	r, err := hub.ParseRef("acme/tiny-GGUF")
	check(err)
	m, err := h.Pull(context.Background(), r, hub.PullOptions{})
	check(err)
	fmt.Println(filepath.Base(m.Path), m.Bytes)

	freed, err := h.Remove(r)
	check(err)
	fmt.Println(freed > 1000)
	// Output:
	// tiny-Q8_0.gguf 1000
	// true
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
