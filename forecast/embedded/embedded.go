// Package embedded carries hanji's default forecaster in the binary: a small Tiny Time Mixer, trained by
// recipes/embedded-forecast.yaml on series that package synth makes up, on no real data. Only a program that imports this
// package links its weights (0.9 MB).
//
//	f, err := embedded.New()
//	next := f.WithSeason(12).Forecast(ctx, model.Window{Past: past}) // nine quantiles of the next 24 steps
//
// It reads up to 120 steps and wants at least 24 or so; what it is worth is measured in docs/embedded.md.
package embedded

import (
	_ "embed"
	"fmt"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/model/ttm"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/weights"
)

//go:embed config.json
var config []byte

//go:embed model.safetensors
var tensors []byte

// Least is the number of points from which on a forecast means something.
const Least = 24

// New loads the forecaster as it wants to be used: histories of any length, standardised and padded as in training. Each
// call loads it anew; loaded, it is safe for concurrent use.
func New() (forecast.Short, error) {
	m, err := Load()
	return forecast.Short{Model: m}, err
}

// Load gives the bare model. It expects histories of its full context less their last value and over their deviation,
// a mask, and a season token: forecast.Short, which New returns, does all that.
func Load() (*ttm.Model, error) {
	c, err := ttm.ParseConfig(config)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	file, err := safetensors.Parse(tensors)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	defer file.Close()
	m := ttm.New(c)
	if err := weights.Bind(m, file, weights.Options{}); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	return m, nil
}
