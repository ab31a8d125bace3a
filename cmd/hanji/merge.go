package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/internal/progress"
	"github.com/hanji-ml/hanji/model/all"
)

func newMergeCmd(g *globals) *cobra.Command {
	var lora, out string
	var o all.MergeOptions
	cmd := &cobra.Command{
		Use:   "merge BASE --lora DIR --out OUT",
		Short: "Add a LoRA adapter to a model's weights for good",
		Long: `Writes BASE with each weight W of the adapter's layers as W + scale·B·A. BASE is the folder of a checkpoint (config.json,
safetensors of F32, F16 or BF16), and OUT becomes a folder with the same files and types; or a GGUF file of Llama, Mistral,
Qwen2 or Qwen3, and OUT becomes one. DIR has adapter_config.json and adapter_model.safetensors, as peft and hanji write them.

A quantised GGUF needs --requantize, as the sums are rounded to its types again: better merge first and quantise then. hanji
chat --lora runs an adapter over any of these without merging.`,
		Example: `  hanji merge Llama-3.2-1B --lora runs/adapter --out Llama-3.2-1B-mine
  hanji merge model-f16.gguf --lora runs/adapter --out mine-f16.gguf`,
		Args: takes(1, 1, "BASE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var bar *progress.Bar
			o.Progress = func(done, total int) {
				if bar == nil {
					bar = progress.New(cmd.ErrOrStderr(), progress.Auto(os.Stderr, progress.Options{Title: "merge", Unit: "weights", Total: total, Quiet: g.Quiet}))
				}
				bar.Set(done)
			}
			base, err := modelPath(args[0])
			if err != nil {
				return err
			}
			n, err := all.MergeLoRA(cmd.Context(), base, lora, out, o)
			if bar != nil {
				bar.Done()
			}
			if err != nil {
				return err
			}
			if !g.Quiet {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d weights merged into %s\n", n, out)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&lora, "lora", "", "adapter: a folder in peft's layout, or for a GGUF file also one (required)")
	f.StringVar(&out, "out", "", "folder or GGUF file to write, which must not be there (required)")
	f.BoolVar(&o.Requantize, "requantize", false, "allow BASE to be quantised; its error is added to again")
	for _, name := range []string{"lora", "out"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}
