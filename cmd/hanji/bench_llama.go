package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// benchLlama measures a language model as llama.cpp's bench does: a prompt of 512 tokens (pp512), then 64 tokens one by one
// (tg64), after depth others if asked.
func benchLlama(o benchOptions) error {
	if o.model == "" {
		return usagef("bench llama needs --model, a GGUF file or the folder of a checkpoint")
	}
	path, err := modelPath(o.model)
	if err != nil {
		return err
	}
	m, err := all.OpenDecoder(path, nil)
	if err != nil {
		return err
	}
	if c, ok := m.(io.Closer); ok {
		defer c.Close()
	}
	cache, err := m.NewCache(nn.CacheOptions{DType: tensor.F16, MaxTokens: max(1024, o.depth+128)})
	if err != nil {
		return err
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	var failed error
	feed := func(ids []int32) {
		for len(ids) > 0 && failed == nil {
			n := min(len(ids), 256) // as generate.Decoder takes a prompt
			want := make([]bool, n)
			want[n-1] = true
			ctx.Next(0)
			_, failed = m.Forward(ctx, model.Batch{Tokens: ids[:n], Want: want}, cache)
			ids = ids[n:]
		}
	}
	ids := make([]int32, 512)
	vocab := m.Spec().Vocab
	for i := range ids {
		ids[i] = int32(i * 7919 % vocab)
	}
	feed(ids[:min(16, len(ids))])
	cache.Free(0)
	start := time.Now()
	feed(ids)
	pp := float64(len(ids)) / time.Since(start).Seconds()
	cache.Free(0)
	for left := max(1, o.depth); left > 0; left -= len(ids) {
		feed(ids[:min(left, len(ids))])
	}
	start = time.Now()
	for i := range 64 {
		feed(ids[i : i+1])
	}
	tg := 64 / time.Since(start).Seconds()
	if failed != nil {
		return failed
	}
	name := o.name
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(o.model), filepath.Ext(o.model))
	}
	suffix := "tg64"
	if o.depth > 0 {
		suffix = fmt.Sprintf("tg64@%d", o.depth)
	}
	if err := o.report(name+"-pp512", math.Round(100*pp)/100, "tokens/s"); err != nil {
		return err
	}
	return o.report(name+"-"+suffix, math.Round(100*tg)/100, "tokens/s")
}
