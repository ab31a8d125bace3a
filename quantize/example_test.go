package quantize_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/quantize"
)

func Example() {
	dir, err := os.MkdirTemp("", "quantize")
	check(err)
	defer os.RemoveAll(dir)
	in, out := filepath.Join(dir, "f16.gguf"), filepath.Join(dir, "q8_0.gguf")
	check(gguf.Write(in, []gguf.Tensor{{Name: "output.weight", Type: gguf.F16, Shape: []int{4, 64}, Data: make([]byte, 512)}},
		gguf.Metadata{{Key: "general.architecture", Value: "llama"}, {Key: "llama.block_count", Value: uint32(0)}}))

	m, err := quantize.Open(in)
	check(err)
	defer m.Close()
	t, err := quantize.ParseType("q8_0")
	check(err)
	r, err := quantize.Run(context.Background(), m, out, quantize.Options{Type: t})
	check(err)
	fmt.Printf("%s: %d → %d bytes, %.1f bits per weight\n", r.Tensors[0].Name, r.Before, r.After, r.Bits)
	// Output: output.weight: 512 → 272 bytes, 8.5 bits per weight
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
