package nn

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// RoPEScaling stretches rotary frequencies to contexts longer than those trained on. The keys are those of transformers'
// rope_scaling (rope_parameters from version 5 on); a zero field takes the default given.
type RoPEScaling struct {
	Type         string    `json:"rope_type,omitempty"`                        // default, linear, dynamic, yarn, llama3, longrope [default]
	Factor       float64   `json:"factor,omitempty"`                           // of the context; yarn, longrope: [MaxPositions over Original]
	Original     int       `json:"original_max_position_embeddings,omitempty"` // context trained on; yarn, longrope [MaxPositions]; llama3: must be given
	Attention    float64   `json:"attention_factor,omitempty"`                 // yarn, longrope: of cos and sin [worked out from Factor]
	BetaFast     float64   `json:"beta_fast,omitempty"`                        // yarn: turns over the context from which on nothing changes [32]
	BetaSlow     float64   `json:"beta_slow,omitempty"`                        // yarn: turns up to which all is divided by Factor [1]
	MScale       float64   `json:"mscale,omitempty"`                           // yarn: DeepSeek's attention factor, with MScaleAllDim
	MScaleAllDim float64   `json:"mscale_all_dim,omitempty"`                   //
	Truncate     *bool     `json:"truncate,omitempty"`                         // yarn: round the bounds of the ramp outwards [true]
	LowFreq      float64   `json:"low_freq_factor,omitempty"`                  // llama3
	HighFreq     float64   `json:"high_freq_factor,omitempty"`                 // llama3
	Short        []float64 `json:"short_factor,omitempty"`                     // longrope: divisor of each frequency up to Original
	Long         []float64 `json:"long_factor,omitempty"`                      // longrope: and beyond
}

// RoPEOptions of NewRoPE.
type RoPEOptions struct {
	Dim          int     // R: elements of a head that turn, even
	Theta        float64 // base of the frequencies; 0: 10,000
	MaxPositions int     // the model's context, for the scalings that need it
	Adjacent     bool    // pairs are (2i, 2i+1), as in GGUF files of Llama; else (i, i + R/2)
	Scaling      RoPEScaling
}

// RoPE gives the angles of rotary position embedding (arXiv 2104.09864) under the scalings of transformers
// (modeling_rope_utils.py). Frequencies and angles are float32 products as there, so that far positions agree too.
type RoPE struct {
	o    RoPEOptions
	freq []float32 // of sequences within the context
	attn float32   // of cos and sin
}

// NewRoPE checks the options and works the frequencies out.
func NewRoPE(o RoPEOptions) (*RoPE, error) {
	s := &o.Scaling
	if o.Theta == 0 {
		o.Theta = 10000
	}
	if s.Type == "" {
		s.Type = "default"
	}
	if o.Dim < 2 || o.Dim%2 != 0 || o.Theta <= 0 || math.IsInf(o.Theta, 0) || o.MaxPositions < 0 {
		return nil, fmt.Errorf("nn: rope of %d dimensions (even, at least 2), theta %v, %d positions", o.Dim, o.Theta, o.MaxPositions)
	}
	if (s.Type == "yarn" || s.Type == "longrope") && s.Original == 0 {
		s.Original = o.MaxPositions
	}
	if (s.Type == "yarn" || s.Type == "longrope") && s.Factor == 0 && s.Original > 0 {
		s.Factor = float64(o.MaxPositions) / float64(s.Original)
	}
	if s.BetaFast == 0 {
		s.BetaFast = 32
	}
	if s.BetaSlow == 0 {
		s.BetaSlow = 1
	}
	if err := s.check(o); err != nil {
		return nil, err
	}
	r := &RoPE{o: o, attn: float32(s.attention())}
	r.freq = r.frequencies(make([]float32, o.Dim/2), 0)
	return r, nil
}

func (s *RoPEScaling) check(o RoPEOptions) error {
	switch s.Type {
	case "default":
		return nil
	case "linear", "dynamic", "yarn", "llama3", "longrope":
		if !(s.Factor > 0) || math.IsInf(s.Factor, 0) {
			return fmt.Errorf("nn: rope scaling %q needs a positive factor, not %v", s.Type, s.Factor)
		}
	default:
		return fmt.Errorf("nn: no rope scaling %q; there are default, linear, dynamic, yarn, llama3, longrope", s.Type)
	}
	switch {
	case s.Type == "dynamic" && (o.MaxPositions < 1 || o.Dim < 4):
		return fmt.Errorf("nn: rope scaling dynamic needs the context's length and at least 4 dimensions")
	case (s.Type == "yarn" || s.Type == "llama3" || s.Type == "longrope") && s.Original < 1:
		return fmt.Errorf("nn: rope scaling %s needs original_max_position_embeddings", s.Type)
	case s.Type == "llama3" && !(s.HighFreq > s.LowFreq && s.LowFreq > 0):
		return fmt.Errorf("nn: rope scaling llama3 needs 0 < low_freq_factor < high_freq_factor, not %v and %v", s.LowFreq, s.HighFreq)
	case s.Type == "yarn" && !(s.BetaFast > 0 && s.BetaSlow > 0):
		return fmt.Errorf("nn: rope scaling yarn needs positive beta_fast and beta_slow, not %v and %v", s.BetaFast, s.BetaSlow)
	case s.Type == "longrope" && (len(s.Short) != o.Dim/2 || len(s.Long) != o.Dim/2):
		return fmt.Errorf("nn: rope scaling longrope needs %d short and long factors, not %d and %d", o.Dim/2, len(s.Short), len(s.Long))
	case s.Type == "longrope" && !(slices.Min(s.Short) > 0 && slices.Min(s.Long) > 0):
		return errors.New("nn: rope scaling longrope needs positive factors")
	}
	return nil
}

// attention is what cos and sin are multiplied by.
func (s *RoPEScaling) attention() float64 {
	mscale := func(m float64) float64 { // YaRN, arXiv 2309.00071, eq. 22
		if s.Factor <= 1 {
			return 1
		}
		return 0.1*m*math.Log(s.Factor) + 1
	}
	switch {
	case s.Type != "yarn" && s.Type != "longrope":
		return 1
	case s.Attention != 0:
		return s.Attention
	case s.Type == "longrope" && s.Factor <= 1:
		return 1
	case s.Type == "longrope": // arXiv 2402.13753, as Phi-3 has it
		return math.Sqrt(1 + math.Log(s.Factor)/math.Log(float64(s.Original)))
	case s.MScale != 0 && s.MScaleAllDim != 0:
		return mscale(s.MScale) / mscale(s.MScaleAllDim)
	}
	return mscale(1)
}

// Attention is the factor that Angles multiplies cos and sin by: 1 but for yarn and longrope.
func (r *RoPE) Attention() float64 { return float64(r.attn) }

// Dim is R, the number of elements of a head that turn.
func (r *RoPE) Dim() int { return r.o.Dim }

// Frequencies are the R/2 angles by which one position turns each pair, in radians, for a sequence of the given number of
// tokens; only dynamic and longrope depend on it. The caller must not change them.
func (r *RoPE) Frequencies(tokens int) []float32 {
	if !r.changed(tokens) {
		return r.freq
	}
	return r.frequencies(make([]float32, r.o.Dim/2), tokens)
}

// changed tells whether a sequence of so many tokens has other frequencies than a short one.
func (r *RoPE) changed(tokens int) bool {
	switch r.o.Scaling.Type {
	case "dynamic":
		return tokens > r.o.MaxPositions
	case "longrope":
		return tokens > r.o.Scaling.Original
	}
	return false
}

func (r *RoPE) frequencies(dst []float32, tokens int) []float32 {
	s, theta := &r.o.Scaling, r.o.Theta
	if s.Type == "dynamic" && tokens > r.o.MaxPositions { // "NTK-aware": a larger base, so that the slowest pair is stretched most
		grown := float32(s.Factor)*float32(tokens)/float32(r.o.MaxPositions) - float32(s.Factor-1)
		theta = float64(float32(theta) * float32(math.Pow(float64(grown), float64(r.o.Dim)/float64(r.o.Dim-2))))
	}
	for i := range dst {
		wave := float32(math.Pow(theta, float64(float32(2*i)/float32(r.o.Dim)))) // rounded as torch's pow of a float32
		f := 1 / wave
		switch s.Type {
		case "linear":
			f /= float32(s.Factor)
		case "yarn":
			f = s.yarn(i, r.o.Dim, theta, wave)
		case "llama3":
			f = s.llama3(f)
		case "longrope":
			by := s.Short
			if tokens > s.Original {
				by = s.Long
			}
			f = 1 / (float32(by[i]) * wave)
		}
		dst[i] = f
	}
	return dst
}

// yarn interpolates slow pairs, keeps fast ones, and goes over from one to the other on a ramp (arXiv 2309.00071, §3.2).
func (s *RoPEScaling) yarn(i, dim int, theta float64, wave float32) float32 {
	at := func(turns float64) float64 { // the pair that turns so often over the original context
		return float64(dim) * math.Log(float64(s.Original)/(turns*2*math.Pi)) / (2 * math.Log(theta))
	}
	low, high := at(s.BetaFast), at(s.BetaSlow)
	if s.Truncate == nil || *s.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(dim-1))
	if low == high {
		high += 0.001 // as transformers
	}
	ramp := min(max((float32(i)-float32(low))/float32(high-low), 0), 1)
	keep := 1 - ramp
	return 1/(float32(s.Factor)*wave)*(1-keep) + 1/wave*keep
}

// llama3 divides slow frequencies by the factor and goes over smoothly to the fast ones, which stay (transformers,
// _compute_llama3_parameters).
func (s *RoPEScaling) llama3(f float32) float32 {
	length := 2 * math.Pi / float64(f) // positions a turn
	turns := float64(s.Original) / length
	switch {
	case turns < s.LowFreq:
		return f / float32(s.Factor)
	case turns > s.HighFreq:
		return f
	}
	smooth := float32((turns - s.LowFreq) / (s.HighFreq - s.LowFreq))
	return (1-smooth)*f/float32(s.Factor) + smooth*f
}

// Angles fills cos and sin [R/2] for one position of a sequence of so many tokens.
func (r *RoPE) Angles(cos, sin []float32, pos, tokens int) {
	freq := r.freq
	if r.changed(tokens) {
		freq = r.frequencies(cos[:len(r.freq)], tokens) // in place: each is read before it is written over
	}
	for i, f := range freq {
		s, c := math.Sincos(float64(float32(pos) * f))
		cos[i], sin[i] = float32(c)*r.attn, float32(s)*r.attn
	}
}
