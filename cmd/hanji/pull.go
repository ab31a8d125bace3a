package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/hub"
)

type pullFlags struct {
	Revision string
	Files    []string
	JSON     bool
}

func newPullCmd(g *globals) *cobra.Command {
	o := &pullFlags{}
	cmd := &cobra.Command{
		Use:   "pull NAME|OWNER/NAME[:TAG]",
		Short: "Download a published model",
		Long: `Brings a model from the Hugging Face hub into its cache, which Python's huggingface_hub shares, and prints where it lies.
NAME is one that 'hanji models' lists. Of a repository with safetensors that is the weights, configuration, tokenizer and
chat template; of one with GGUF files the one of type TAG (default Q4_K_M, else Q8_0 …), with all its parts; --file
chooses otherwise.

An interrupted pull goes on where it stopped. Every file's checksum is compared with the hub's. HF_TOKEN (or the file
that 'hf auth login' writes) opens gated and private models; HF_ENDPOINT, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE are
understood.`,
		Example: `  hanji pull smollm2-135m-instruct
  hanji pull HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF:Q4_K_M
  hanji pull Qwen/Qwen3-0.6B --revision main --file '*.json'`,
		Args: takes(1, 1, "NAME or OWNER/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := pullRef(args[0], o.Revision)
			if err != nil {
				return usagef("%v", err)
			}
			h, err := hub.New(hub.FromEnv())
			if err != nil {
				return err
			}
			m, err := pullModel(cmd.Context(), cmd, g, h, r, o.Files)
			if err != nil {
				return err
			}
			if o.JSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"repository": r.Repo, "revision": m.Commit, "path": m.Path, "files": m.Files, "bytes": m.Bytes})
			}
			if !g.Quiet {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s at %.10s: %d files, %s\n", r, m.Commit, len(m.Files), size(m.Bytes))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), m.Path)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Revision, "revision", "", "branch, tag or commit (default main)")
	f.StringArrayVar(&o.Files, "file", nil, "pull the files whose name matches this pattern instead (repeatable)")
	f.BoolVar(&o.JSON, "json", false, "one JSON object")
	return cmd
}

// pullRef is what to ask the hub for.
func pullRef(arg, revision string) (hub.Ref, error) {
	if e, tag, ok := hub.Lookup(arg); ok {
		r := e.Ref(tag)
		r.Revision = revision
		return r, r.Check()
	}
	if err := unknownModel(arg); err != nil {
		return hub.Ref{}, err
	}
	r, err := hub.ParseRef(arg)
	if err != nil {
		return r, err
	}
	r.Revision = revision
	return r, r.Check()
}
