package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/hub"
)

func newRmCmd(g *globals) *cobra.Command {
	var revision string
	var yes bool
	cmd := &cobra.Command{
		Use:   "rm NAME|OWNER/NAME[:TAG]",
		Short: "Remove a model that was pulled",
		Long: `Removes from the cache all that there is of a repository; with :TAG the GGUF files of that type, with --revision one
commit. A name of the catalogue means its own file. Bytes that other revisions use stay. The cache is shared with Python.`,
		Example: "  hanji rm qwen3-0.6b\n  hanji rm Qwen/Qwen2.5-7B-Instruct-GGUF:Q4_K_M --yes",
		Args:    takes(1, 1, "NAME or OWNER/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := pullRef(args[0], revision)
			if err != nil {
				return usagef("%v", err)
			}
			h, err := hub.New(hub.FromEnv())
			if err != nil {
				return err
			}
			if !yes && !confirm(cmd, fmt.Sprintf("Remove %s from %s?", r, h.Cache())) {
				return usagef("nothing was removed: rm needs --yes where nobody can say so at a terminal")
			}
			freed, err := h.Remove(r)
			if err != nil {
				return err
			}
			if !g.Quiet {
				fmt.Fprintf(cmd.ErrOrStderr(), "removed %s, %s freed\n", r, size(freed))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&revision, "revision", "", "remove this branch, tag or commit alone")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
