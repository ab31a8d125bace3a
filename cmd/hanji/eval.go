package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/eval"
	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/table"
)

func newEvalCmd(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval",
		Short: "Measure a model by a published protocol",
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEvalForecastCmd(), newEvalPerplexityCmd(g))
	return cmd
}

func newEvalForecastCmd() *cobra.Command {
	var o struct {
		model, data, protocol string
		horizon               int
		dropLast, asJSON      bool
		set                   []string
	}
	cmd := &cobra.Command{
		Use:   "forecast --model DIR|FILE --data FILE --protocol ett-hour|ett-minute|ltsf",
		Short: "Error of a forecasting model on the test part of a benchmark series",
		Long: `Standardises every column on the training rows, forecasts every window of the test part, and averages squared and
absolute errors over windows, steps and columns: the protocol of the long-term forecasting papers.

With --drop-last the last windows that do not fill a batch of 128 are left out, as many papers do unsaid; figures are
lower for it. Quote which one you mean.`,
		Example: `  hanji eval forecast --model ttm/r2-512-96 --data ETTh1.csv --protocol ett-hour --horizon 96
  hanji eval forecast --model etth1_336_96.pth --data ETTh1.csv --protocol ett-hour --drop-last --json`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := parseSet(o.set)
			if err != nil {
				return err
			}
			m, err := all.Open(o.model, set)
			if err != nil {
				return err
			}
			t, err := table.Open(o.data, table.Options{})
			if err != nil {
				return err
			}
			data, err := forecast.FromTable(t, o.data)
			if err != nil {
				return err
			}
			eo := eval.ForecastOptions{Protocol: o.protocol, Horizon: o.horizon}
			if o.dropLast {
				eo.DropLast = 128
			}
			r, err := eval.Forecast(cmd.Context(), m, data, eo)
			if err != nil {
				return err
			}
			if o.asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			}
			return printForecastResult(cmd.OutOrStdout(), r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.model, "model", "", "checkpoint folder or file (required)")
	f.StringVar(&o.data, "data", "", "table with a column for each channel, all numbers and no gaps (required)")
	f.StringVar(&o.protocol, "protocol", "ltsf", "how rows are split: ett-hour, ett-minute or ltsf (70/10/20 %)")
	f.IntVar(&o.horizon, "horizon", 0, "steps ahead (default the model's)")
	f.BoolVar(&o.dropLast, "drop-last", false, "leave out the last windows that do not fill a batch of 128")
	f.StringArrayVar(&o.set, "set", nil, "override a key of the model's configuration, as stride=4 (repeatable)")
	f.BoolVar(&o.asJSON, "json", false, "one JSON object")
	for _, name := range []string{"model", "data"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}

func printForecastResult(w io.Writer, r eval.ForecastResult) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, look-back %d, horizon %d, protocol %s, %d windows", r.Family, r.Context, r.Horizon, r.Protocol, r.Windows)
	if r.DropLast > 0 {
		fmt.Fprintf(&b, " (drop-last %d)", r.DropLast)
	}
	fmt.Fprintf(&b, "\n%-24s %10s %10s\n%-24s %10.6f %10.6f\n", "", "mse", "mae", "all", r.MSE, r.MAE)
	for i, name := range r.Channels {
		fmt.Fprintf(&b, "%-24s %10.6f %10.6f\n", name, r.ChannelSE[i], r.ChannelAE[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// parseSet reads key=value pairs.
func parseSet(pairs []string) (map[string]string, error) {
	set := map[string]string{}
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return nil, usagef("--set %s: want key=value", p)
		}
		set[k] = v
	}
	return set, nil
}
