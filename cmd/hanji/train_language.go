package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/internal/progress"
	"github.com/hanji-ml/hanji/lm"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/train"
)

// trainLanguage trains a language model.
func trainLanguage(cmd *cobra.Command, path string, recipe []byte, o trainFlags, log *trainLog) error {
	var r lm.Recipe
	if err := decodeRecipe(path, recipe, &r); err != nil {
		return err
	}
	ro := lm.RunOptions{Out: o.out, Resume: o.resume, Log: log.language}
	if o.dryRun {
		ro.DryRun = func(e train.Estimate) { printEstimate(cmd.OutOrStdout(), "train", e) }
	}
	res, err := r.Run(cmd.Context(), all.Decoders{}, ro)
	if err != nil || o.dryRun {
		return err
	}
	if o.asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(res)
	}
	return printLanguage(cmd.OutOrStdout(), &res)
}

func printLanguage(w io.Writer, res *lm.Result) error {
	fmt.Fprintf(w, "%d steps", res.Train.Steps)
	if res.Speed > 0 {
		fmt.Fprintf(w, " at %.0f tokens/s", res.Speed)
	}
	if t := res.Traffic; t != nil {
		fmt.Fprintf(w, "; %d workers send %s of rows and %s of their gradients a batch, and %s of parameters' gradients", t.Workers, size(t.Forward), size(t.Backward), size(t.Reduce))
	}
	if res.HeldOut == nil {
		_, err := fmt.Fprintf(w, "; loss %.4f\n", res.Train.Loss)
		return err
	}
	fmt.Fprintf(w, "\nheld out: %s; before training %s\n", heldOut(res.HeldOut), heldOut(res.Before))
	for i, shares := range res.HeldOut.Experts {
		fmt.Fprintf(w, "tokens per expert, layer %d: %s\n", i, percents(shares))
	}
	return nil
}

func heldOut(h *lm.HeldOut) string {
	return fmt.Sprintf("%.4f nats/token, perplexity %.2f, %.4f bits/byte", h.Nats, h.Perplexity, h.BitsPerByte)
}

// percents writes shares, and how the smallest compares with a fair one.
func percents(shares []float64) string {
	var list []string
	for _, s := range shares {
		list = append(list, fmt.Sprintf("%.1f", 100*s))
	}
	return fmt.Sprintf("%s %% (fair %.1f; the idlest has %.2f of that)", strings.Join(list, " "), 100/float64(len(shares)), slices.Min(shares)*float64(len(shares)))
}

// language shows what happens in the training of a language model.
func (l *trainLog) language(e lm.Event) {
	const stage = "train"
	switch e.Kind {
	case "data":
		if !l.quiet {
			fmt.Fprintf(l.w, "%s: %d %s: %d tokens in %d rows of up to %d, %d rows held out; vocabulary of %d\n", stage, e.Data.Samples, e.Data.Unit, e.Data.Tokens,
				e.Data.Rows, e.Data.Context, e.Data.ValRows, e.Data.Vocab)
			for why, n := range e.Data.Skipped {
				fmt.Fprintf(l.w, "%s: %d left out: %s\n", stage, n, why)
			}
		}
		return
	case "before":
		if !l.quiet {
			fmt.Fprintf(l.w, "%s: before training: held out %s\n", stage, heldOut(e.HeldOut))
		}
		return
	}
	if e.Kind == "validation" {
		l.measured = "held out " + heldOut(e.HeldOut)
	}
	if e.Kind == "step" {
		l.more = []progress.Field{{Name: "tokens/s", Value: fmt.Sprintf("%.0f", e.Speed)}}
	}
	l.event(stage, e.Event)
	switch e.Kind {
	case "step":
		l.scalar(e.Step, "train/tokens_per_second", e.Speed)
	case "validation":
		l.scalar(e.Step, "validation/perplexity", e.HeldOut.Perplexity)
		l.scalar(e.Step, "validation/bits_per_byte", e.HeldOut.BitsPerByte)
		for i, shares := range e.HeldOut.Experts {
			l.scalar(e.Step, fmt.Sprintf("validation/idlest_expert/%d", i), slices.Min(shares)*float64(len(shares)))
		}
	}
}
