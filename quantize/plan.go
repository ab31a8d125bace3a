package quantize

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/quant"
)

// Override gives the weights whose names match a type of their own.
type Override struct {
	Pattern *regexp.Regexp // anywhere in a tensor's name, such as blk.3.ffn_down.weight
	Type    quant.Type
}

// ParseOverride reads PATTERN=TYPE, such as "ffn_down=q6_k": a regular expression (RE2) and the name of a type.
func ParseOverride(s string) (Override, error) {
	at := strings.LastIndexByte(s, '=')
	if at < 1 {
		return Override{}, fmt.Errorf("quantize: %q: want PATTERN=TYPE, such as ffn_down=q6_k", s)
	}
	pattern, err := regexp.Compile(s[:at])
	if err != nil {
		return Override{}, fmt.Errorf("quantize: %q: %w", s, err)
	}
	t, err := gguf.ParseType(s[at+1:])
	if err != nil {
		return Override{}, fmt.Errorf("quantize: %q: %w", s, err)
	}
	return Override{pattern, t}, nil
}

// ParseType finds a file type by its name; Q3_K, Q4_K and Q5_K are their M mixes, as in llama.cpp.
func ParseType(name string) (quant.FileType, error) {
	switch strings.ToUpper(name) {
	case "Q3_K", "Q4_K", "Q5_K":
		name += "_M"
	}
	return quant.ParseFileType(name)
}

// TensorReport is what becomes of one tensor.
type TensorReport struct {
	Name   string `json:"name"`
	Shape  []int  `json:"shape"` // rows before columns
	From   string `json:"from"`  // types
	To     string `json:"to"`
	Before int    `json:"bytes_before"`
	After  int    `json:"bytes_after"`
	// Error is the root mean square of the difference over that of the weights; 0 where nothing changes, and nil where nothing was
	// written.
	Error *float64 `json:"relative_error,omitempty"`
	// OutputError is the same of what the weight gives for the inputs of the calibration text; nil: not known.
	OutputError *float64 `json:"output_error,omitempty"`

	to   quant.Type
	norm float64 // sum of squares, where Error is known
}

// Report is what becomes of a model.
type Report struct {
	Type    string         `json:"type"`
	Weights int            `json:"weights"` // numbers in all tensors
	Before  int            `json:"bytes_before"`
	After   int            `json:"bytes_after"`
	BitsWas float64        `json:"bits_per_weight_before"`
	Bits    float64        `json:"bits_per_weight"`
	Error   *float64       `json:"relative_error,omitempty"` // of all tensors together
	Tensors []TensorReport `json:"tensors"`
}

// Plan says what Run would write, and refuses what it would refuse but for numbers that do not fit.
func Plan(m *Model, o Options) (*Report, error) {
	r, err := plan(m, o)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	return r, nil
}

func plan(m *Model, o Options) (*Report, error) {
	mix, err := mixOf(m, o)
	if err != nil {
		return nil, err
	}
	r := &Report{Type: o.Type.String()}
	used, known := make([]bool, len(o.Overrides)), len(o.Importance) == 0
	for _, t := range m.Tensors {
		to, err := typeOf(mix, t, o, used)
		if err != nil {
			return nil, err
		}
		importance, ok := o.Importance[t.Name]
		if err := checkImportance(t, importance); err != nil {
			return nil, err
		}
		known = known || ok
		before, err := t.Type.Size(t.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		after, err := to.Size(t.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		r.Tensors = append(r.Tensors, TensorReport{Name: t.Name, Shape: t.Shape, From: t.Type.String(), To: to.String(), Before: before, After: after, to: to})
		r.Weights += t.Len()
		r.Before += before
		r.After += after
	}
	if !known {
		return nil, errors.New("no tensor has an importance under its name; is it of another model?")
	}
	for i, v := range o.Overrides {
		if !used[i] {
			return nil, fmt.Errorf("no weight that is quantised matches %q (or an earlier pattern takes them all)", v.Pattern)
		}
	}
	if r.Weights > 0 {
		r.BitsWas = 8 * float64(r.Before) / float64(r.Weights)
		r.Bits = 8 * float64(r.After) / float64(r.Weights)
	}
	return r, nil
}

// checkImportance holds an importance against a weight's columns and matrices.
func checkImportance(t gguf.Tensor, importance []float32) error {
	if len(importance) == 0 || len(t.Shape) == 0 {
		return nil
	}
	cols := t.Shape[len(t.Shape)-1]
	if len(importance) != cols && len(importance)*matrix(t, cols) != t.Len()*cols {
		return fmt.Errorf("tensor %q: an importance of %d columns does not fit %v; is it of another model?", t.Name, len(importance), t.Shape)
	}
	return nil
}

// mixOf reads what the choice of types depends on.
func mixOf(m *Model, o Options) (mix quant.Mix, err error) {
	mix = quant.Mix{FileType: o.Type, GQA: 1, Tied: !m.has("output.weight"), Importance: len(o.Importance) > 0}
	if mix.Layers, err = m.integer("block_count"); err != nil {
		return mix, err
	}
	if mix.Experts, err = m.integer("expert_count"); err != nil {
		return mix, err
	}
	heads, err := m.integer("attention.head_count")
	if err != nil {
		return mix, err
	}
	kv, err := m.integer("attention.head_count_kv")
	if heads > 0 && kv > 0 {
		mix.GQA = heads / kv
	}
	return mix, err
}

const f16 quant.FileType = 1

// typeOf is the type that a tensor gets; used marks the override that decided.
func typeOf(mix quant.Mix, t gguf.Tensor, o Options, used []bool) (quant.Type, error) {
	switch t.Type {
	case quant.I8, quant.I16, quant.I32, quant.I64, quant.F64:
		return t.Type, nil // tables, not weights
	}
	to, err := mix.TypeOf(t.Name, t.Shape)
	if err != nil {
		return 0, err
	}
	// What the recipe leaves in F32 is what F16 leaves there too.
	whole := mix
	whole.FileType = f16
	if half, err := whole.TypeOf(t.Name, t.Shape); err == nil && half != quant.F32 {
		for i, v := range o.Overrides {
			if v.Pattern.MatchString(t.Name) {
				to, used[i] = v.Type, true
				break
			}
		}
	}
	switch {
	case to == t.Type:
		return to, nil
	case t.Type.Block() > 1 && !o.Requantize:
		return 0, fmt.Errorf("tensor %q is %s already; quantising it again adds its error to the new one: take the F32, F16 or BF16 file, or ask for it (requantize)", t.Name, t.Type)
	case !quant.CanQuantize(to):
		return 0, fmt.Errorf("tensor %q: %s can only be read; choose a type of Q2_K to Q6_K, Q4_0 to Q8_0, IQ4_NL or IQ4_XS", t.Name, to)
	}
	return to, nil
}
