package main

import (
	"io"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
)

// writelora MODEL DIR writes an adapter of the model, of drawn numbers: a script holds no binary.
func writeLoRA(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: writelora MODEL DIR")
	}
	m, err := all.OpenDecoder(ts.MkAbs(args[0]), nil)
	ts.Check(err)
	if c, ok := m.(io.Closer); ok {
		defer c.Close()
	}
	_, err = nn.AddLoRA(m, nn.LoRAOptions{})
	ts.Check(err)
	for _, p := range nn.Adapters(m) {
		p.Tensor.FillUniform(nn.Hash(p.Name), -0.5, 0.5)
	}
	ts.Check(model.SaveLoRA(m, ts.MkAbs(args[1]), model.LoRAConfig{}))
}
