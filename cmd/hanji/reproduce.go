package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/eval"
	"github.com/hanji-ml/hanji/model/all"
)

func newReproduceCmd() *cobra.Command {
	var o struct {
		only, data string
		asJSON     bool
	}
	cmd := &cobra.Command{
		Use:   "reproduce",
		Short: "Measure published figures again",
		Long: `Measures every published figure that the files at hand allow, and shows it beside the paper's and the reference
implementation's. Checkpoints and data sets are looked for in --data, by default the folder data of $HANJI_SHARED (or of
../shared). What is missing is named. A figure that does not agree is shown as such, and the exit code is 1.`,
		Example: "  hanji reproduce --data shared/data\n  hanji reproduce --only ttm --json",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.data == "" {
				shared := os.Getenv("HANJI_SHARED")
				if shared == "" {
					return usagef("reproduce needs --data (or HANJI_SHARED), the folder with checkpoints and data sets")
				}
				o.data = filepath.Join(shared, "data")
			}
			w := cmd.OutOrStdout()
			if !o.asJSON {
				fmt.Fprintf(w, "%-28s %10s %12s %12s %10s %6s\n", "figure", "published", "reference", "hanji", "Δ", "s")
			}
			wrong := 0
			err := eval.Reproduce(cmd.Context(), eval.Env{Data: o.data, Open: all.Open}, o.only, func(m eval.Measured) {
				if m.Hanji != nil && !m.Agrees {
					wrong++
				}
				if o.asJSON {
					json.NewEncoder(w).Encode(m)
					return
				}
				if m.Missing != "" {
					fmt.Fprintf(w, "%-28s not measured: %s\n", m.ID, m.Missing)
					return
				}
				note := ""
				if !m.Agrees {
					note = "  does not agree"
				}
				fmt.Fprintf(w, "%-28s %10s %12s %12s %10s %6.1f%s\n", m.ID, digits(m.Published, 5), digits(m.Reference, 8), digits(m.Hanji, 8), exponent(m.Delta), m.Seconds, note)
			})
			if err == nil && wrong > 0 {
				err = fmt.Errorf("%d figures do not agree with the reference", wrong)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.only, "only", "", "measure only figures that contain this word")
	f.StringVar(&o.data, "data", "", "folder with checkpoints and data sets (default data in $HANJI_SHARED, else in ../shared)")
	f.BoolVar(&o.asJSON, "json", false, "JSON lines")
	return cmd
}

func digits(v *float64, n int) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.*f", n, *v)
}

func exponent(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%+.1e", *v)
}
