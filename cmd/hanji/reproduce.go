package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/eval"
	"github.com/hanji-ml/hanji/internal/progress"
	"github.com/hanji-ml/hanji/lm"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/tokenizer"
)

type reproduceFlags struct {
	only, data, work string
	asJSON           bool
}

// languageTable is what --only finds the table of quantised language models by.
const languageTable = "language/quantisation: perplexity and KL divergence of a Llama that hanji trains, in f32, f16, q8_0, q6_k, q4_k, q4_0, gptq, awq, int8, QAT"

func newReproduceCmd(g *globals) *cobra.Command {
	o := &reproduceFlags{}
	cmd := &cobra.Command{
		Use:   "reproduce",
		Short: "Measure published figures again",
		Long: `Measures every published figure that the files at hand allow, and shows it beside the paper's and the reference
implementation's. Checkpoints and data sets are looked for in --data, by default the folder data of $HANJI_SHARED (or of
../shared). What is missing is named. A figure that does not agree is shown as such, and the exit code is 1.

At the end a small Llama is trained on web pages, in about a minute, and measured on pages that it has not seen, as it is and in
fewer bits (--only language for that alone, --work DIR keeps the models).`,
		Example: "  hanji reproduce --data shared/data\n  hanji reproduce --only ttm --json\n  hanji reproduce --only language --work runs/language",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.data == "" {
				shared := os.Getenv("HANJI_SHARED")
				if shared == "" {
					return usagef("reproduce needs --data (or HANJI_SHARED), the folder with checkpoints and data sets")
				}
				o.data = filepath.Join(shared, "data")
			}
			claims := slices.ContainsFunc(eval.Claims, func(c eval.Claim) bool { return eval.Matches(o.only, c.ID, c.Paper, c.What) })
			language := eval.Matches(o.only, languageTable)
			if !claims && !language {
				return fmt.Errorf("no figure matches %q", o.only)
			}
			if claims {
				if err := o.claims(cmd); err != nil {
					return err
				}
			}
			if language {
				return o.language(cmd, g)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.only, "only", "", "measure only figures that contain this word")
	f.StringVar(&o.data, "data", "", "folder with checkpoints and data sets (default data in $HANJI_SHARED, else in ../shared)")
	f.StringVar(&o.work, "work", "", "folder for the models that are trained, which then stay (default a temporary one)")
	f.BoolVar(&o.asJSON, "json", false, "JSON lines")
	return cmd
}

func (o *reproduceFlags) claims(cmd *cobra.Command) error {
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
}

// language trains and prints the table of quantised models.
func (o *reproduceFlags) language(cmd *cobra.Command, g *globals) error {
	w := cmd.OutOrStdout()
	work := o.work
	if work == "" {
		dir, err := os.MkdirTemp("", "hanji-reproduce-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		work = dir
	} else if err := os.MkdirAll(work, 0o777); err != nil {
		return err
	}
	var bar *progress.Bar
	lo := eval.LanguageOptions{Work: work, Builder: all.Decoders{}, Open: openDecoder, Log: func(e lm.Event) {
		switch {
		case e.Kind == "step":
			if bar == nil {
				bar = progress.New(cmd.ErrOrStderr(), progress.Auto(os.Stderr, progress.Options{Title: "train", Unit: "steps", Total: e.Total, Quiet: g.Quiet}))
			}
			bar.Set(e.Step, progress.Field{Name: "loss", Value: fmt.Sprintf("%.3f", e.Loss)})
		case e.Kind == "done" && bar != nil:
			bar.Done()
			bar = nil
		}
	}}
	if !o.asJSON {
		fmt.Fprintf(w, "\na Llama trained here on web pages, measured on others  (bits a weight: all, in layers)\n%-20s %6s %7s %11s %10s %8s %6s\n", "weights", "bits", "layers", "perplexity", "KL, nats", "top-1", "s")
	}
	err := eval.Language(cmd.Context(), o.data, lo, func(q eval.Quantized) {
		if o.asJSON {
			json.NewEncoder(w).Encode(q)
			return
		}
		fmt.Fprintf(w, "%-20s %6.2f %7.2f %11.4f %10.6f %7.2f%% %6.1f\n", q.Name, q.Bits, q.LayerBits, q.Perplexity, q.KL, 100*q.Top1, q.Seconds)
	})
	if errors.Is(err, fs.ErrNotExist) && cmd.Context().Err() == nil {
		return said(w, o.asJSON, err)
	}
	return err
}

// said prints that the table was not measured, for want of a file.
func said(w io.Writer, asJSON bool, err error) error {
	if asJSON {
		return json.NewEncoder(w).Encode(eval.Measured{ID: "language/quantisation", Missing: err.Error()})
	}
	_, err = fmt.Fprintf(w, "%-28s not measured: %v\n", "language/quantisation", err)
	return err
}

func openDecoder(path string) (model.Decoder, *tokenizer.Tokenizer, error) {
	l, err := all.OpenLanguage(path)
	if err != nil {
		return nil, nil, err
	}
	return l.Decoder, l.Tokenizer, nil
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
