// Command qat runs the experiment "is training at low bits better than quantising afterwards, and than low bits from the start?": one small
// Llama on web pages, three seeds. It prints a table and draws a picture. Every figure is of pages that no model has seen.
//
//	HANJI_SHARED=../shared go run ./experiments/qat -out runs/qat
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hanji-ml/hanji/eval"
	"github.com/hanji-ml/hanji/lm"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/plot"
	"github.com/hanji-ml/hanji/tokenizer"
)

// tiers are the two sizes that are compared: what weights are rounded to, each group by itself, in training and after it; and what of
// as many bits or a few more looks at a calibration text.
var tiers = []struct {
	name     string
	rounding nn.FakeQuantOptions
	kquant   string
	bits     int
}{{"4 bits", nn.FakeQuantOptions{Type: "int4", Group: 32, Targets: layers}, "q4_k_s", 4}, {"2 bits", nn.FakeQuantOptions{Type: "int2", Group: 32, Targets: layers}, "q2_k", 2}}

// layers are the matrices that are rounded; embedding and output stay as they are, as in GPTQ's and AWQ's checkpoints.
var layers = []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}

var seeds = []uint64{1, 2, 3}

// methods are the columns of the picture.
var methods = []string{"rounding", "k-quant, importance", "GPTQ", "AWQ", "QAT", "low bits from scratch"}

func main() {
	out := flag.String("out", "runs/qat", "folder for models, table and picture; an interrupted experiment goes on")
	recipe := flag.String("recipe", "experiments/qat/recipe.yaml", "what all trainings share")
	flag.Parse()
	if err := run(*recipe, *out); err != nil {
		log.Fatal(err)
	}
}

func run(path, out string) error {
	recipe, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	seen, unseen, err := eval.SplitPages(filepath.Join(os.Getenv("HANJI_SHARED"), "data", "dclm", "majority_data.jsonl"), out)
	if err != nil {
		return err
	}
	e := experiment{recipe: recipe, seen: seen, unseen: unseen, excess: map[string][]float64{}}
	fmt.Println("| seed | weights | how | bits a weight of the layers | nats a token | above f32 | KL from f32 | top-1 |\n|---|---|---|---|---|---|---|---|")
	for _, seed := range seeds {
		if err := e.one(seed, filepath.Join(out, fmt.Sprint(seed))); err != nil {
			return err
		}
	}
	return e.draw(filepath.Join(out, "qat.svg"))
}

type experiment struct {
	recipe       []byte
	seen, unseen eval.Pages
	excess       map[string][]float64 // nats above f32, of each seed, by tier and method
}

// one trains and measures all variants of a seed.
func (e *experiment) one(seed uint64, out string) error {
	base, err := e.train(seed, "", nil, filepath.Join(out, "base"))
	if err != nil {
		return err
	}
	f32, err := e.train(seed, base, nil, filepath.Join(out, "f32"))
	if err != nil {
		return err
	}
	ways := []eval.Way{{Name: "f32"}}
	for _, t := range tiers {
		name := t.rounding.Type
		qat, err := e.train(seed, base, &t.rounding, filepath.Join(out, "qat-"+name))
		if err != nil {
			return err
		}
		low, err := e.train(seed, "", &t.rounding, filepath.Join(out, "low-"+name))
		if err != nil {
			return err
		}
		scratch, err := e.train(seed, low, &t.rounding, filepath.Join(out, "scratch-"+name))
		if err != nil {
			return err
		}
		ways = append(ways, eval.Way{Name: t.name + "/" + methods[0], Rounding: &t.rounding, Bits: t.bits}, eval.Way{Name: t.name + "/" + methods[1], Type: t.kquant, Importance: true},
			eval.Way{Name: t.name + "/" + methods[2], Type: "gptq", Bits: t.bits, Group: 32})
		if t.bits == 4 { // AWQ has 4 bits only
			ways = append(ways, eval.Way{Name: t.name + "/" + methods[3], Type: "awq", Group: 32})
		}
		ways = append(ways, eval.Way{Name: t.name + "/" + methods[4], Rounding: &t.rounding, Bits: t.bits, Dir: qat}, eval.Way{Name: t.name + "/" + methods[5], Rounding: &t.rounding, Bits: t.bits, Dir: scratch})
	}
	files := filepath.Join(out, "files")
	if err := os.RemoveAll(files); err != nil {
		return err
	}
	if err := os.MkdirAll(files, 0o777); err != nil {
		return err
	}
	var whole float64
	return eval.Quantizations(context.Background(), f32, ways, eval.QuantizationsOptions{Text: e.unseen.Text, Calibration: e.seen.Text, Work: files, Open: open}, func(q eval.Quantized) {
		if q.Name == "f32" {
			whole = q.Nats
		}
		tier, method, _ := strings.Cut(q.Name, "/")
		fmt.Printf("| %d | %s | %s | %.2f | %.4f | %+.4f | %.4f | %.1f %% |\n", seed, tier, method, q.LayerBits, q.Nats, q.Nats-whole, q.KL, 100*q.Top1)
		e.excess[q.Name] = append(e.excess[q.Name], q.Nats-whole)
	})
}

// train trains by the recipe: a new model, or from a base on at the recipe's tail; weights rounded, nil for not. A run that is
// finished is not done again.
func (e *experiment) train(seed uint64, base string, rounding *nn.FakeQuantOptions, out string) (string, error) {
	var both struct{ Base, Tail lm.Recipe }
	if err := yaml.Load(e.recipe, &both, yaml.WithKnownFields()); err != nil {
		return "", err
	}
	r := both.Base
	if base != "" {
		r = both.Tail
		r.Model.From = base
	}
	r.Data.Text, r.Data.Val, r.Train.Seed = []string{e.seen.Path}, []string{e.unseen.Path}, seed
	r.QAT = rounding
	_, err := r.Run(context.Background(), all.Decoders{}, lm.RunOptions{Out: out, Resume: true, Log: func(ev lm.Event) {
		if ev.Kind == "step" && ev.Step%50 == 0 {
			fmt.Fprintf(os.Stderr, "%s: step %d of %d, loss %.3f\n", out, ev.Step, ev.Total, ev.Loss)
		}
	}})
	return filepath.Join(out, "model"), err
}

func open(path string) (model.Decoder, *tokenizer.Tokenizer, error) {
	l, err := all.OpenLanguage(path)
	if err != nil {
		return nil, nil, err
	}
	return l.Decoder, l.Tokenizer, nil
}

func (e *experiment) draw(path string) error {
	picture := plot.Points{Title: "Low bits: after training, at its end, or from the start?", Subtitle: "mean and range of three seeds", Y: "nats a token above f32"}
	picture.Groups = methods
	for _, t := range tiers {
		s := plot.Set{Name: t.name}
		for _, m := range methods {
			mean, lo, hi := 0.0, math.Inf(1), math.Inf(-1)
			list := e.excess[t.name+"/"+m]
			for _, v := range list {
				mean, lo, hi = mean+v/float64(len(list)), min(lo, v), max(hi, v)
			}
			if len(list) == 0 {
				mean, lo, hi = math.NaN(), math.NaN(), math.NaN()
			}
			s.Value, s.Low, s.High = append(s.Value, mean), append(s.Low, lo), append(s.High, hi)
		}
		picture.Sets = append(picture.Sets, s)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return picture.Draw(f, plot.SVG, plot.Options{})
}
