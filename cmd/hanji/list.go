package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/hub"
)

func newListCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the models that have been pulled",
		Long: `What lies in the cache of the Hugging Face hub (HF_HUB_CACHE, or hub below HF_HOME): pulled by hanji or by Python. A model is
named as every command takes it. Unfinished pulls go on with the next 'hanji pull', or go with 'hanji rm'.`,
		Example: "  hanji list\n  hanji list --json",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := hub.New(hub.FromEnv())
			if err != nil {
				return err
			}
			found, err := h.List()
			if err != nil {
				return err
			}
			list := make([]cachedInfo, len(found))
			for i, c := range found {
				list[i] = cachedInfo{Name: c.Ref.String(), Commit: c.Commit, Revisions: c.Revisions, Bytes: c.Bytes, Used: c.Used, Path: c.Path, Files: c.Files, Unfinished: c.Unfinished}
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(list)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), cachedText(list, h.Cache()))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON array")
	return cmd
}

// cachedInfo is a line of `hanji list`.
type cachedInfo struct {
	Name       string    `json:"name"`
	Commit     string    `json:"commit,omitempty"`
	Revisions  []string  `json:"revisions,omitempty"`
	Bytes      int64     `json:"bytes"`
	Used       time.Time `json:"last_used"`
	Path       string    `json:"path"`
	Files      []string  `json:"files"`
	Unfinished bool      `json:"unfinished,omitempty"`
}

func cachedText(list []cachedInfo, cache string) string {
	if len(list) == 0 {
		return fmt.Sprintf("no models in %s; hanji models lists some to pull\n", cache)
	}
	rows := [][]string{{"model", "size", "revision", "last used"}}
	for _, c := range list {
		revision := fmt.Sprintf("%.10s", c.Commit)
		if len(c.Revisions) > 0 {
			revision = strings.Join(c.Revisions, ", ") + " (" + revision + ")"
		}
		if c.Unfinished {
			revision = "unfinished"
		}
		rows = append(rows, []string{clip(c.Name), size(c.Bytes), clip(revision), c.Used.Format("2006-01-02 15:04")})
	}
	var b strings.Builder
	aligned(&b, rows, "lrll")
	return b.String()
}
