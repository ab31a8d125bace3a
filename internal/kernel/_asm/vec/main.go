// Command vec writes the assembly of the vector kernels. Regenerate with
//
//	cd internal/kernel/_asm && go generate ./vec
package main

import (
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
)

//go:generate go run . -group vec -out ../../vec_amd64.s -stubs ../../vec_stub_amd64.go -pkg kernel
//go:generate go run . -dispatch amd64
//go:generate go run . -dispatch noasm
//go:generate go run . -group rows -out ../../rows_amd64.s -stubs ../../rows_stub_amd64.go -pkg kernel
//go:generate go run . -group norm -out ../../norm_amd64.s -stubs ../../norm_stub_amd64.go -pkg kernel
//go:generate go run . -group half -out ../../half_amd64.s -stubs ../../half_stub_amd64.go -pkg kernel
//go:generate go run . -group philox -out ../../philox_amd64.s -stubs ../../philox_stub_amd64.go -pkg kernel
//go:generate go run . -group optim -out ../../optim_amd64.s -stubs ../../optim_stub_amd64.go -pkg kernel
//go:generate go run . -group transpose -out ../../transpose_amd64.s -stubs ../../transpose_stub_amd64.go -pkg kernel

var (
	group    = flag.String("group", "", "kernels whose assembly to write")
	dispatch = flag.String("dispatch", "", "amd64 or noasm: write the Go side of the map kernels")
)

// groups lists the generators; each is run once per instruction set.
var groups = map[string]func(v vec){
	"vec":       emitMaps,
	"rows":      emitRows,
	"norm":      emitNorms,
	"half":      emitHalf,
	"philox":    emitPhilox,
	"optim":     emitAdam,
	"transpose": emitTranspose,
}

func main() {
	flag.Parse()
	if *dispatch != "" {
		if err := writeDispatch(*dispatch); err != nil {
			fmt.Fprintln(os.Stderr, "vec:", err)
			os.Exit(1)
		}
		return
	}
	emit, ok := groups[*group]
	if !ok {
		fmt.Fprintf(os.Stderr, "vec: unknown group %q\n", *group)
		os.Exit(2)
	}
	ConstraintExpr("!purego")
	emit(vec{zmm: true})
	emit(vec{})
	Generate()
}
