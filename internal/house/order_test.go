package house

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// order is the house of ARCHITECTURE.md in reading order: a package imports only what stands
// before it, on an earlier line or further left. A pattern such as model/* is one place whose
// members may use each other (llava is clip and llama; Go itself forbids a circle).
//
// A new package gets its place here, and the place is the design decision.
const order = `
internal/cpu
internal/par
internal/atomicfile  internal/mmap
internal/kernel  internal/kernel/*
metric
table
safetensors  gguf  npy  torchpt
internal/tfevent
internal/golden
quant
gbdt  bm25  fasttext  minhash
warc  extract
tensor
grad
nn
optim
weights
tokenizer  chat
audio  img
series  synth
model
model/*
model/all
generate
hub  internal/hubtest
train
forecast  forecast/*  lm  transcribe  quantize  curate  search  eval  moa
serve  web
recipes
plot
internal/progress
bench  bench/*
cmd/*
examples/*
experiments/*
internal/house
internal/ci  internal/ci/*
`

// place gives the index of a package in order, and whether it is there. An exact entry
// wins over a pattern: model/all stands below model/*.
func place(short string) (int, bool) {
	words := strings.Fields(order)
	if i := slices.Index(words, short); i >= 0 {
		return i, true
	}
	i := slices.IndexFunc(words, func(w string) bool {
		ok, err := path.Match(w, short)
		return err == nil && ok
	})
	return i, i >= 0
}

func TestPlace(t *testing.T) {
	all, _ := place("model/all")
	llama, _ := place("model/llama")
	clip, _ := place("model/clip")
	if llama != clip || llama >= all {
		t.Errorf("families at %d and %d, model/all at %d: families share one place, above all", llama, clip, all)
	}
	if _, ok := place("util"); ok {
		t.Error("util has a place")
	}
}

// misplaced names every import of ours that does not stand above its importer.
func misplaced(importer string, imports []string) (bad []string) {
	at, ok := place(importer)
	if !ok {
		return []string{fmt.Sprintf("package %s has no place: add it to order in internal/house/order_test.go (and to ARCHITECTURE.md)", importer)}
	}
	for _, im := range imports {
		short := inside(im)
		if short == "" {
			continue
		}
		where, ok := place(short)
		shared := where == at && strings.Contains(strings.Fields(order)[at], "*")
		if ok && where >= at && !shared {
			bad = append(bad, fmt.Sprintf("%s imports %s, which stands below it", importer, short))
		}
	}
	return bad
}

func TestMisplaced(t *testing.T) {
	for _, c := range []struct {
		importer, imported string
		bad                int
	}{
		{"nn", "tensor", 0},
		{"tensor", "nn", 1},
		{"model/llava", "model/clip", 0},
		{"model/llava", "model/all", 1},
		{"gguf", "safetensors", 0},
		{"safetensors", "gguf", 1},
		{"util", "tensor", 1},
	} {
		if got := misplaced(c.importer, []string{"fmt", module + "/" + c.imported}); len(got) != c.bad {
			t.Errorf("%s → %s: %v, want %d complaints", c.importer, c.imported, got, c.bad)
		}
	}
}

// TestImportOrder looks at what is linked, not at tests: a test may use whatever helps it.
func TestImportOrder(t *testing.T) {
	for _, p := range goList(t, "./...") {
		if p.short() == "" {
			continue
		}
		for _, bad := range misplaced(p.short(), p.Imports) {
			t.Error(bad)
		}
	}
}

// testOnly are the packages that no program links.
var testOnly = []string{
	module + "/internal/golden",
	module + "/internal/hubtest",
	"github.com/google/go-cmp/cmp",
	"pgregory.net/rapid",
	"go.uber.org/goleak",
	"github.com/rogpeppe/go-internal/testscript",
	"testing",
}

// banned says what no package imports, and why.
var banned = map[string]string{
	"C":                            "cgo makes the binary depend on the machine",
	"math/rand":                    "use math/rand/v2, or the counter-based streams of tensor.Ctx",
	"github.com/rivo/uniseg":       "use clipperhouse/uax29",
	"github.com/ebitengine/purego": "makes the binary dynamic",
}

func TestImports(t *testing.T) {
	for _, p := range goList(t, "./...") {
		for _, im := range p.Imports {
			if why, ok := banned[im]; ok {
				t.Errorf("%s imports %s: %s", p.short(), im, why)
			}
			if slices.Contains(testOnly, im) && p.short() != "internal/golden" && p.short() != "internal/hubtest" {
				t.Errorf("%s imports %s outside its tests", p.short(), im)
			}
		}
	}
}

// TestNoFamilyNamed: a command, the server and the evaluation reach a family through model/all
// only, so that a new one needs no line there.
func TestNoFamilyNamed(t *testing.T) {
	for _, p := range goList(t, "./...") {
		top, _, _ := strings.Cut(p.short(), "/")
		if top != "cmd" && top != "serve" && top != "eval" {
			continue
		}
		for _, im := range p.Imports {
			if family, ok := strings.CutPrefix(inside(im), "model/"); ok && family != "all" {
				t.Errorf("%s names the family %s: go through model/all", p.short(), family)
			}
		}
	}
}

// shell is what belongs to the binary and never to the library.
var shell = []string{
	"github.com/spf13/", "charm.land/", "github.com/charmbracelet/", "github.com/go-analyze/charts",
	"github.com/guptarohit/asciigraph", "github.com/prometheus/", module + "/plot", module + "/internal/progress", module + "/cmd",
}

// TestLeaves: who imports a job or the boosted trees gets no command line, metrics or pictures with it.
func TestLeaves(t *testing.T) {
	have := map[string]bool{}
	for _, p := range goList(t, "./...") {
		have[p.short()] = true
	}
	for _, leaf := range []string{"forecast", "gbdt"} {
		if !have[leaf] {
			t.Logf("%s is not here yet", leaf)
			continue
		}
		for _, p := range goList(t, "-deps", "./"+leaf) {
			if slices.ContainsFunc(shell, func(s string) bool { return strings.HasPrefix(p.ImportPath, s) }) {
				t.Errorf("%s pulls in %s", leaf, p.ImportPath)
			}
		}
	}
}
