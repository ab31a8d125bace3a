// Package model says what a model family offers to the rest of hanji: small interfaces for forecasters and for decoders of
// text, implemented by the packages model/<family> and listed in model/all.
package model

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hanji-ml/hanji/tensor"
)

// Spec is the frame of a forecaster.
type Spec struct {
	Family    string
	Context   int       // T: steps of history that the model reads
	Horizon   int       // H: steps that one call forecasts
	Channels  int       // C that the model was built for; 0: any number, each by itself
	Targets   []int     // channels that are forecast; nil: all
	Quantiles []float64 // levels of Forecast.Quantiles; nil: the model gives none
}

// Window is a batch of histories. Past is required; the others may be nil where the model does not ask for them.
type Window struct {
	Past     *tensor.Tensor // [B, T, C], the end being now; shorter or longer histories are padded or cut in front
	Observed *tensor.Tensor // [B, T, C], 1 where Past was observed, 0 where it is a filler
	Future   *tensor.Tensor // [B, H, C]: what is known ahead (exogenous channels); the others are ignored
	Freq     *tensor.Tensor // i64 [B]: frequency token
	Static   *tensor.Tensor // i64 [B, S]: static categories
}

// Forecast is what a forecaster returns, in the units of Window.Past.
type Forecast struct {
	Mean      *tensor.Tensor // [B, H, targets]: the mean, or the median of a quantile model
	Quantiles *tensor.Tensor // [B, H, targets, Q], rising along Q; nil where Spec.Quantiles is
}

// Forecaster maps histories to forecasts. It is immutable once loaded and safe for concurrent use, one Ctx per call;
// wrong shapes panic with *tensor.Error.
type Forecaster interface {
	Spec() Spec
	Forecast(ctx *tensor.Ctx, w Window) Forecast
}

// Trainable is a Forecaster that can be trained: nn.Walk finds its parameters.
type Trainable interface {
	Forecaster
	// Loss is the training objective for targets [B, H, C]; observed (nil or [B, H, C]) leaves out what is 0.
	Loss(ctx *tensor.Ctx, w Window, target, observed *tensor.Tensor) *tensor.Tensor
	// Save writes config.json and model.safetensors into dir, in the layout that Load and the reference read.
	Save(dir string) error
}

// Family is one architecture: how to know its checkpoints and how to load them.
type Family struct {
	Name string
	// Match reports whether the file or folder holds a checkpoint of the family, by its content.
	Match func(c Checkpoint) bool
	Load  func(c Checkpoint, set map[string]string) (Forecaster, error)
}

// Checkpoint is a checkpoint as found on disk: a folder with config.json, or a bare file of tensors.
type Checkpoint struct {
	Path   string
	FS     fs.FS          // the folder; nil for a bare file
	Config map[string]any // config.json; nil where there is none
	Names  []string       // of the tensors
}

// ModelType is config.json's model_type.
func (c Checkpoint) ModelType() string {
	s, _ := c.Config["model_type"].(string)
	return s
}

// ReadConfig reads config.json of a checkpoint's folder, with keys set over it (OverrideJSON).
func ReadConfig(dir string, set map[string]string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	if b, err = OverrideJSON(b, set); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return b, nil
}

// OverrideJSON sets keys of a JSON object: values are JSON, or else text. A key that the object does not have yet is
// refused, so that a misspelt one is noticed.
func OverrideJSON(object []byte, set map[string]string) ([]byte, error) {
	if len(set) == 0 {
		return object, nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(object, &m); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	for k, v := range set {
		if _, ok := m[k]; !ok {
			return nil, fmt.Errorf("--set %s=%s: the configuration has no key %q", k, v, k)
		}
		m[k] = json.RawMessage(v)
		if !json.Valid(m[k]) {
			m[k], _ = json.Marshal(v)
		}
	}
	return json.Marshal(m)
}
