// Command channel-mixing runs the experiment "does mixing channels help?": one small transformer, channel-independent
// and channel-mixing, on ETTh1 and exchange_rate, three seeds each. It prints a table and draws a picture. Every
// figure is the error on the test part of the model that was best on the validation part.
//
//	HANJI_SHARED=../shared go run ./experiments/channel-mixing -out runs/channel-mixing
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/plot"
	"github.com/hanji-ml/hanji/table"
)

var (
	variants = []struct {
		name   string
		mixing bool
	}{{"channel-independent", false}, {"channel-mixing", true}}
	data = []struct{ name, file, protocol string }{
		{"ETTh1", "$HANJI_SHARED/data/ett/ETTh1.csv", "ett-hour"}, {"exchange_rate", "$HANJI_SHARED/data/ltsf/exchange_rate.csv", "ltsf"}}
	seeds = []uint64{1, 2, 3}
)

func main() {
	out := flag.String("out", "runs/channel-mixing", "folder for checkpoints, table and picture; an interrupted experiment goes on")
	recipe := flag.String("recipe", "experiments/channel-mixing/recipe.yaml", "what both variants share")
	flag.Parse()
	if err := run(*recipe, *out); err != nil {
		log.Fatal(err)
	}
}

func run(path, out string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	picture := plot.Points{Title: "Does mixing channels help?", Subtitle: "mean and range of three seeds", Y: "test MSE, the channel-independent mean = 1"}
	for range variants {
		picture.Sets = append(picture.Sets, plot.Set{})
	}
	fmt.Println("| data | variant | parameters' seed | validation MSE | test MSE | test MAE |\n|---|---|---|---|---|---|")
	for _, d := range data {
		picture.Groups = append(picture.Groups, d.name)
		var unit float64
		for i, v := range variants {
			var errors []float64
			for _, seed := range seeds {
				res, err := one(b, d.file, d.protocol, v.mixing, seed, filepath.Join(out, d.name, v.name, fmt.Sprint(seed)))
				if err != nil {
					return err
				}
				fmt.Printf("| %s | %s | %d | %.4f | %.4f | %.4f |\n", d.name, v.name, seed, res.Stages[0].Best, res.Test.MSE, res.Test.MAE)
				errors = append(errors, res.Test.MSE)
			}
			mean, lo, hi := 0.0, math.Inf(1), math.Inf(-1)
			for _, e := range errors {
				mean, lo, hi = mean+e/float64(len(errors)), min(lo, e), max(hi, e)
			}
			if i == 0 {
				unit = mean
			}
			s := &picture.Sets[i]
			s.Name = v.name
			s.Value, s.Low, s.High = append(s.Value, mean/unit), append(s.Low, lo/unit), append(s.High, hi/unit)
		}
	}
	f, err := os.Create(filepath.Join(out, "channel-mixing.svg"))
	if err != nil {
		return err
	}
	defer f.Close()
	return picture.Draw(f, plot.SVG, plot.Options{})
}

// one trains one variant; a run that is finished is read from its checkpoint.
func one(recipe []byte, file, protocol string, mixing bool, seed uint64, out string) (forecast.RunResult, error) {
	var r forecast.Recipe
	if err := yaml.Load(recipe, &r, yaml.WithKnownFields()); err != nil {
		return forecast.RunResult{}, err
	}
	r.Data.File, r.Data.Protocol, r.Train.Seed = file, protocol, seed
	r.Model.Config["channel_attention"] = mixing
	load := func(path string) (*forecast.Matrix, error) {
		t, err := table.Open(path, table.Options{})
		if err != nil {
			return nil, err
		}
		return forecast.FromTable(t, path)
	}
	return r.Run(context.Background(), all.Families{}, forecast.RunOptions{Out: out, Resume: true, Load: load})
}
