package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/internal/cpu"
	"github.com/hanji-ml/hanji/internal/par"
)

// version is what `hanji version --json` prints. Later fields are added at the end.
type version struct {
	Version string `json:"version"`          // module version, or "(devel)" for a build from a working tree without tags
	Commit  string `json:"commit,omitempty"` // Git commit, with "+dirty" when the tree had changes
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	CPU     string `json:"cpu"`     // the path that kernels take: avx512, avx2, neon or portable
	Threads int    `json:"threads"` // worker threads
}

func newVersionCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which hanji this is and what it was built with",
		Example: `  hanji version
  hanji version --json`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := readVersion()
			w := cmd.OutOrStdout()
			if asJSON {
				return json.NewEncoder(w).Encode(v)
			}
			_, err := fmt.Fprintf(w, "hanji %s\n%s %s/%s, %s, %d threads\n", v.Version, v.Go, v.OS, v.Arch, v.CPU, v.Threads)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func readVersion() version {
	v := version{Version: buildVersion(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpu.Path(), Threads: par.Threads()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v.Commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if v.Commit != "" {
		v.Commit += dirty
	}
	return v
}

// buildVersion is what the go command recorded about this module.
func buildVersion() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return "(unknown)"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}
