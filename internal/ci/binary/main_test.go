package main

import (
	"debug/elf"
	"os"
	"strings"
	"testing"
)

const ours = "github.com/hanji-ml/hanji"

func TestOwner(t *testing.T) {
	modules := []string{ours, "github.com/spf13/cobra", "charm.land/lipgloss/v2", "go.yaml.in/yaml/v4", "gopkg.in/yaml.v3"}
	for symbol, want := range map[string]string{
		"main.main":                    ours + " (main)",
		ours + "/tensor.(*Tensor).Add": ours + "/tensor",
		ours + "/internal/kernel.Axpy[go.shape.float32]":     ours + "/internal/kernel",
		"github.com/spf13/cobra.(*Command).Execute":          "github.com/spf13/cobra",
		"charm.land/lipgloss/v2/table.New":                   "charm.land/lipgloss/v2",
		"type:*github.com/spf13/cobra.Command":               "github.com/spf13/cobra",
		"type:.gcmask.compress/flate.Writer":                 "(standard library)",
		"type:.eq.github.com/spf13/cobra.Command":            "github.com/spf13/cobra",
		"go:itab.*github.com/spf13/cobra.Command,fmt.String": "github.com/spf13/cobra",
		"gopkg.in/yaml%2ev3.Unmarshal":                       "gopkg.in/yaml.v3",
		"encoding/json.Marshal":                              "(standard library)",
		"slices.SortFunc[[]" + ours + "/tensor.T,int]":       "(standard library)",
		"runtime.pclntab":                                    "(tables: functions and lines)",
		"go:string.*":                                        "(tables: strings, types)",
		"_rt0_amd64_linux":                                   "(other)",
		"golang.org/x/sys/unix.Open":                         "golang.org/x/sys/unix", // not in the list: shown by its own name
	} {
		if got := owner(symbol, ours, modules); got != want {
			t.Errorf("%s belongs to %s, want %s", symbol, got, want)
		}
	}
}

func TestSum(t *testing.T) {
	const nm = `  401000        100 T main.main
  402000         20 R runtime.x
  403000         30 R runtime.y
  500000       4096 D runtime.zeroed
                  0 U extern
`
	got, err := sum(strings.NewReader(nm), []*elf.Section{
		{SectionHeader: elf.SectionHeader{Type: elf.SHT_PROGBITS, Addr: 0x400000, Size: 0x10000}},
		{SectionHeader: elf.SectionHeader{Type: elf.SHT_NOBITS, Addr: 0x500000, Size: 0x1000}},
	}, ours, []string{ours})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[ours+" (main)"] != 100 || got["(standard library)"] != 50 {
		t.Errorf("got %v", got)
	}
}

func TestStaticRejects(t *testing.T) {
	if err := static(os.DevNull); err == nil {
		t.Error("the null device passes for a static program")
	}
	if err := run(new(strings.Builder), "main.go", "", 0); err == nil {
		t.Error("a source file passes for a static program")
	}
}
