package quantize

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model/gemma"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/model/mixtral"
	"github.com/hanji-ml/hanji/nn"
)

// addParameters adds the hyper-parameters.
func (m *Model) addParameters(d *folder, name string) error {
	c := d.config
	add := func(key string, v any) { m.Metadata = append(m.Metadata, gguf.KV{Key: key, Value: v}) }
	own := func(key string, v any) { add(d.arch+"."+key, v) }
	if c.PartialRotary > 0 && c.PartialRotary < 1 {
		return errors.New("a partial_rotary_factor is not supported: the rows of q and k would be ordered otherwise")
	}
	scaling, theta := ropeOf(c)
	add("general.architecture", d.arch)
	add("general.name", name)
	own("context_length", uint32(c.MaxPositions))
	own("embedding_length", uint32(c.HiddenSize))
	own("block_count", uint32(c.Layers))
	own("feed_forward_length", uint32(c.IntermediateSize))
	own("attention.head_count", uint32(c.Heads))
	own("attention.head_count_kv", uint32(c.KVHeads))
	own("rope.freq_base", float32(theta))
	own("attention.layer_norm_rms_epsilon", float32(c.NormEps))
	if c.HeadDim*c.Heads != c.HiddenSize || d.arch == "qwen3" || d.arch == "gemma3" {
		own("attention.key_length", uint32(c.HeadDim))
		own("attention.value_length", uint32(c.HeadDim))
	}
	own("vocab_size", uint32(c.VocabSize))
	if d.arch == "llama" {
		own("rope.dimension_count", uint32(c.HeadDim))
	}
	m.Metadata = append(m.Metadata, d.own...)
	if w := c.Windows(); d.arch != "gemma3" && windowed(w) { // ours: llama.cpp lets these see everything
		own("attention.sliding_window", uint32(slices.Max(w)))
		if slices.Min(w) == 0 {
			own("attention.sliding_window_pattern", near(w))
		}
	}
	switch scaling.Type {
	case "", "default":
	case "linear":
		own("rope.scaling.type", "linear")
		own("rope.scaling.factor", float32(scaling.Factor))
	case "llama3":
		if d.arch != "llama" {
			return fmt.Errorf("rope_type llama3 is not supported for architecture %s, linear is", d.arch)
		}
		t, err := llama3Factors(scaling, theta, c.HeadDim)
		if err != nil {
			return fmt.Errorf("factors of RoPE: %w", err)
		}
		m.Tensors = append(m.Tensors, t)
	default:
		return fmt.Errorf("rope_type %q is not supported, linear and llama3 are", scaling.Type)
	}
	return nil
}

func (d *folder) parseMixtral(b []byte) error {
	c, err := mixtral.ParseConfig(b)
	d.config, d.experts = &c.Config, c.Experts
	d.own = gguf.Metadata{{Key: "llama.expert_count", Value: uint32(c.Experts)}, {Key: "llama.expert_used_count", Value: uint32(c.ExpertsPerToken)}}
	return err
}

func (d *folder) parseGemma(b []byte) error {
	c, err := gemma.ParseConfig(b)
	if err != nil {
		return err
	}
	far, local := c.Positions("full_attention"), c.Positions("sliding_attention")
	d.config = &far
	scaling, theta := ropeOf(&local)
	if scaling.Type != "" && scaling.Type != "default" {
		return fmt.Errorf("rope_type %q of sliding_attention is not supported: GGUF stretches only layers that see everything", scaling.Type)
	}
	own := func(key string, v any) { d.own = append(d.own, gguf.KV{Key: "gemma3." + key, Value: v}) }
	if theta != 10000 {
		own("rope.freq_base_swa", float32(theta))
	}
	if c.SlidingWindow == nil {
		c.SlidingWindow = &c.MaxPositions
	}
	if w := c.Windows(); windowed(w) {
		own("attention.sliding_window", uint32(slices.Max(w)))
		if !slices.Equal(near(w), everySixth(len(w))) {
			own("attention.sliding_window_pattern", near(w))
		}
	}
	// What llama.cpp divides scores by is the head's size; of 62 layers, the 27B model, the width over the heads.
	scale := c.HeadDim
	if c.Layers == 62 {
		scale = c.HiddenSize / c.Heads
	}
	d.queries = math.Sqrt(float64(scale) / float64(c.QueryScalar))
	return nil
}

func windowed(windows []int) bool { return len(windows) > 0 && slices.Max(windows) > 0 }

// near tells which layers see a window only.
func near(windows []int) []bool {
	is := make([]bool, len(windows))
	for i, w := range windows {
		is[i] = w > 0
	}
	return is
}

// everySixth is near of all published Gemma 3: layers 5, 11 … see everything.
func everySixth(layers int) []bool {
	is := make([]bool, layers)
	for i := range is {
		is[i] = i%6 != 5
	}
	return is
}

// ropeOf is the scaling and the base, wherever the configuration has them.
func ropeOf(c *llama.Config) (s nn.RoPEScaling, theta float64) {
	theta = c.RopeTheta
	for _, r := range []*llama.RopeConfig{c.RopeScaling, c.RopeParameters} {
		if r == nil {
			continue
		}
		if s = r.RoPEScaling; s.Type == "" {
			s.Type = r.OldType
		}
		if r.Theta > 0 {
			theta = r.Theta
		}
	}
	return s, theta
}

// llama3Factors divide the frequencies as Llama 3.1 does: long waves by the factor, short ones by 1, those between by what lies between.
func llama3Factors(s nn.RoPEScaling, theta float64, dim int) (gguf.Tensor, error) {
	x := make([]float32, dim/2)
	original := float64(s.Original)
	for i := range x {
		wave := 2 * math.Pi * math.Pow(theta, float64(2*i)/float64(dim))
		switch {
		case wave < original/s.HighFreq:
			x[i] = 1
		case wave > original/s.LowFreq:
			x[i] = float32(s.Factor)
		default:
			smooth := (original/wave - s.LowFreq) / (s.HighFreq - s.LowFreq)
			x[i] = float32(1 / ((1-smooth)/s.Factor + smooth))
		}
	}
	return floats("rope_freqs.weight", x)
}
