package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/hub"
	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// usualRoom is the context for which memory is told: what chat takes by default.
const usualRoom = 8192

func newModelsCmd() *cobra.Command {
	var asJSON, noSpeed bool
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List the models that can be pulled by name",
		Long: `A catalogue of published language models of the families that hanji runs: the name that every command takes as MODEL, the
repository and the type of its file on the Hugging Face hub, the bytes to pull, the licence, the memory it takes with a
context of 8192 tokens or its own, and about how many tokens a second it decodes here: the memory's bandwidth, measured
now (less when the machine is busy), over the bytes of weights that a token reads. What lies in the cache is marked. A
size after ~ is reckoned.

Any other repository of the hub is named OWNER/NAME, or OWNER/NAME:Q8_0 for the GGUF file of a type.`,
		Example: "  hanji models\n  hanji models --json --no-speed\n  hanji pull qwen3-0.6b",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := hub.New(hub.FromEnv())
			if err != nil {
				return err
			}
			bandwidth := 0.0
			if !noSpeed {
				bandwidth = kernel.PeakRead(par.Threads()) * 1e9
			}
			list := listModels(h, bandwidth)
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(list)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), modelsText(list))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON array")
	cmd.Flags().BoolVar(&noSpeed, "no-speed", false, "do not measure the memory's bandwidth, which takes some seconds and 512 MB a thread")
	return cmd
}

// modelInfo is a line of `hanji models`.
type modelInfo struct {
	Name       string   `json:"name"`
	Repository string   `json:"repository"`
	Type       string   `json:"type"` // of the GGUF file, or safetensors
	SHA256     []string `json:"sha256,omitempty"`
	Bytes      int64    `json:"bytes"`
	About      bool     `json:"bytes_reckoned,omitempty"`
	Parameters int64    `json:"parameters"`
	Licence    string   `json:"licence"`
	Context    int      `json:"context"`
	Memory     int64    `json:"memory"`                      // bytes, with usualRoom
	Rate       float64  `json:"tokens_per_second,omitempty"` // of decoding
	Path       string   `json:"path,omitempty"`              // in the cache
}

func listModels(h *hub.Hub, bandwidth float64) []modelInfo {
	list := []modelInfo{}
	for _, e := range hub.Catalogue() {
		m := modelInfo{Name: e.Name, Repository: e.Repo, Type: e.Tag, SHA256: e.SHA256, Bytes: e.Bytes, About: e.About, Parameters: e.Params, Licence: e.Licence,
			Context: e.Context, Memory: e.Resident(usualRoom), Rate: bandwidth / float64(e.Read())}
		if m.Type == "" {
			m.Type = "safetensors"
		}
		if found, err := h.Find(e.Ref("")); err == nil {
			m.Path = found.Path
		}
		list = append(list, m)
	}
	return list
}

func modelsText(list []modelInfo) string {
	rows := [][]string{{"name", "type", "pull", "memory", "tokens/s", "licence", "", "repository"}}
	for _, m := range list {
		about, here, rate := "", "", "-"
		if m.About {
			about = "~"
		}
		if m.Path != "" {
			here = "pulled"
		}
		if m.Rate > 0 {
			rate = fmt.Sprintf("~%.2g", m.Rate)
		}
		rows = append(rows, []string{m.Name, m.Type, about + size(m.Bytes), size(m.Memory), rate, m.Licence, here, m.Repository})
	}
	var b strings.Builder
	aligned(&b, rows, "llrrrlll")
	b.WriteString("hanji pull NAME brings one here, hanji chat NAME talks to it.\n")
	return b.String()
}
