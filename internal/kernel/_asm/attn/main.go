// Command attn writes the assembly of the attention tiles. Regenerate with
//
//	cd internal/kernel/_asm && go generate ./attn
package main

import (
	. "github.com/mmcloughlin/avo/build"
)

//go:generate go run . -out ../../attn_amd64.s -stubs ../../attn_stub_amd64.go -pkg kernel

func main() {
	ConstraintExpr("!purego")
	constants()
	for _, w := range []width{16, 8} {
		w.pack(false)
		w.pack(true)
		w.unpack()
		w.scores()
		w.softmax()
		w.finish()
		w.mix()
		w.delta()
		w.gradTile()
		w.outer()
	}
	Generate()
}
