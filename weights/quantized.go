package weights

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

// Methods of a Quantization, by transformers' names.
const (
	GPTQ = "gptq"               // quant.PackedGPTQ: qweight, qzeros, scales, g_idx
	AWQ  = "awq"                // quant.PackedAWQ: qweight, qzeros, scales
	Int8 = "compressed-tensors" // format int-quantized: weight I8 [out, in], weight_scale [out, 1] or [1]
)

// Quantization is how a folder of safetensors stores the weights of its linear layers: config.json's quantization_config.
type Quantization struct {
	Method    string
	Bits      int
	Group     int  // columns that share scale and zero, as the configuration has it; the tensors' shapes decide
	Symmetric bool // zeros are the middle of the integers
	V2        bool // GPTQ's zeros are stored as they are, not less one
}

// ParseQuantization reads config.json, and what lies beside it: quantize_config.json, where older GPTQ checkpoints have
// their quantisation (nil: not there). A model in plain floats gives nil. What hanji cannot run is an error.
func ParseQuantization(config, beside []byte) (*Quantization, error) {
	var whole struct {
		Quantization json.RawMessage `json:"quantization_config"`
	}
	if err := json.Unmarshal(config, &whole); err != nil {
		return nil, fmt.Errorf("weights: config.json: %w", err)
	}
	where, b := "config.json: quantization_config", []byte(whole.Quantization)
	if len(b) == 0 || string(b) == "null" {
		if where, b = "quantize_config.json", beside; b == nil {
			return nil, nil
		}
	}
	q, err := parseQuantization(b)
	if err != nil {
		return nil, fmt.Errorf("weights: %s: %w", where, err)
	}
	return q, nil
}

func parseQuantization(b []byte) (*Quantization, error) {
	var c struct {
		Method    string `json:"quant_method"`
		Bits      int    `json:"bits"`
		OldBits   int    `json:"w_bit"`
		Group     int    `json:"group_size"`
		OldGroup  int    `json:"q_group_size"`
		Symmetric bool   `json:"sym"`
		Format    string `json:"checkpoint_format"`
		NewFormat string `json:"format"`
		Version   string `json:"version"`
		ZeroPoint *bool  `json:"zero_point"`
		Cache     any    `json:"kv_cache_scheme"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, err
	}
	q := &Quantization{Method: c.Method, Bits: cmp.Or(c.Bits, c.OldBits), Group: cmp.Or(c.Group, c.OldGroup), Symmetric: c.Symmetric}
	format := strings.ToLower(cmp.Or(c.Format, c.NewFormat))
	if q.Method == "" && c.OldBits > 0 {
		q.Method = AWQ
	}
	switch q.Method {
	case "", GPTQ:
		q.Method, q.V2 = GPTQ, format == "gptq_v2"
		if format != "" && format != "gptq" && format != "gptq_v2" {
			return nil, fmt.Errorf("checkpoint_format %q is not supported; gptq and gptq_v2 are", format)
		}
		if q.Bits != 2 && q.Bits != 3 && q.Bits != 4 && q.Bits != 8 {
			return nil, fmt.Errorf("bits is %d, want 2, 3, 4 or 8", q.Bits)
		}
	case AWQ:
		if v := strings.ToLower(cmp.Or(c.Version, "gemm")); v != "gemm" {
			return nil, fmt.Errorf("AWQ's version %q is not supported; gemm is", v)
		}
		if q.Bits != 4 {
			return nil, fmt.Errorf("AWQ has bits %d, want 4", q.Bits)
		}
		if c.ZeroPoint != nil && !*c.ZeroPoint {
			return nil, errors.New("AWQ without zero_point is not supported")
		}
	case Int8:
		if q.Bits = 8; format != "int-quantized" {
			return nil, fmt.Errorf("compressed-tensors' format %q is not supported; int-quantized with 8 bits is", format)
		}
		if c.Cache != nil {
			return nil, errors.New("a kv_cache_scheme is not supported")
		}
	default:
		return nil, fmt.Errorf("quant_method %q is not supported; gptq, awq and compressed-tensors (int-quantized) are", q.Method)
	}
	return q, nil
}

// packed is one linear layer's tensors in a checkpoint.
type packed struct {
	q                       *Quantization
	in, out, groups         int
	qweight, qzeros, scales []byte
	order                   []int32
	v2                      bool
}

// matrix makes a layer [out, in] of the tensors base+".qweight" and so on, which part gives (and takes from what is to be used).
// ok is false where the layer is not packed.
func (q *Quantization) matrix(out, in int, part func(suffix string) (safetensors.Tensor, bool)) (m tensor.Matrix, ok bool, err error) {
	if q.Method == Int8 {
		scale, ok := part(".weight_scale")
		if !ok {
			return nil, false, nil
		}
		w, _ := part(".weight")
		m, err := int8Matrix(out, in, w, scale)
		return m, true, err
	}
	weight, ok := part(".qweight")
	if !ok {
		return nil, false, nil
	}
	p := &packed{q: q, in: in, out: out, v2: q.V2}
	if err := p.take(weight, part); err != nil {
		return nil, true, err
	}
	grouped, err := quant.NewGroupedMatrix(out, in, p.rows)
	if err != nil {
		return nil, true, err // a nil matrix in an interface would not be nil
	}
	return grouped, true, nil
}

func int8Matrix(out, in int, w, scale safetensors.Tensor) (tensor.Matrix, error) {
	if err := want(w, safetensors.I8, out, in); err != nil {
		return nil, err
	}
	s, err := scale.Float32s()
	if err != nil {
		return nil, err
	}
	if len(s) == 1 {
		one := s[0]
		s = make([]float32, out)
		for i := range s {
			s[i] = one
		}
	}
	if len(s) != out {
		return nil, fmt.Errorf("tensor %q is %v, want [%d 1] or [1]", scale.Name, scale.Shape, out)
	}
	m, err := quant.NewInt8Matrix(out, in, w.Data, s)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// take holds the tensors against the layer's shape.
func (p *packed) take(weight safetensors.Tensor, part func(string) (safetensors.Tensor, bool)) error {
	zeros, okZeros := part(".qzeros")
	scales, okScales := part(".scales")
	if !okZeros || !okScales || len(scales.Shape) != 2 || scales.Shape[0] < 1 {
		return fmt.Errorf("tensor %q has no qzeros and scales [groups, %d] beside it", weight.Name, p.out)
	}
	if p.groups = scales.Shape[0]; p.groups > p.in {
		return fmt.Errorf("tensor %q has %d groups of %d columns", scales.Name, p.groups, p.in)
	}
	if p.in%32 != 0 || p.out%32 != 0 {
		return fmt.Errorf("tensor %q is of a layer with %d inputs and %d outputs; the layout wants multiples of 32", weight.Name, p.in, p.out)
	}
	bits := p.q.Bits
	shape := []int{p.in * bits / 32, p.out}
	if p.q.Method == AWQ {
		shape = []int{p.in, p.out / 8}
	}
	half, err := asHalf(scales)
	if err == nil {
		err = errors.Join(want(weight, safetensors.I32, shape...), want(zeros, safetensors.I32, p.groups, p.out*bits/32), want(scales, scales.DType, p.groups, p.out))
	}
	if err != nil {
		return err
	}
	p.qweight, p.qzeros, p.scales = weight.Data, zeros.Data, half
	if order, ok := part(".g_idx"); ok && p.q.Method == GPTQ {
		if err := want(order, safetensors.I32, p.in); err != nil {
			return err
		}
		p.order = words(order.Data)
	}
	if p.q.Method == GPTQ && p.q.Symmetric {
		p.believeZeros()
	}
	return nil
}

// believeZeros decides between the two layouts by the zeros themselves, which symmetric quantisation has in the middle: some files
// say the wrong one.
func (p *packed) believeZeros() {
	var pattern [2]uint64 // of a stream in which all are the middle, less one and as it is
	bits, middle := p.q.Bits, uint64(1)<<(p.q.Bits-1)
	for i := range 64 / bits {
		pattern[0] |= (middle - 1) << (i * bits)
		pattern[1] |= middle << (i * bits)
	}
	if bits == 3 || len(p.qzeros) < 4 { // fields cross words
		return
	}
	first := binary.LittleEndian.Uint32(p.qzeros)
	for i := 0; i < len(p.qzeros); i += 4 {
		if binary.LittleEndian.Uint32(p.qzeros[i:]) != first {
			return
		}
	}
	switch first {
	case uint32(pattern[0]):
		p.v2 = false
	case uint32(pattern[1]):
		p.v2 = true
	}
}

// asHalf is scales in float16, which the layouts have; other types are taken where nothing is lost.
func asHalf(t safetensors.Tensor) ([]byte, error) {
	if t.DType == safetensors.F16 {
		return t.Data, nil
	}
	v, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	b, back := make([]byte, 2*len(v)), make([]float32, len(v))
	for _, x := range v {
		if x-x != 0 || math.Abs(float64(x)) > 65504 {
			return nil, fmt.Errorf("tensor %q has a scale of %v", t.Name, x)
		}
	}
	if err := quant.Quantize(b, v, quant.F16, quant.Options{}); err != nil {
		return nil, err
	}
	if err := quant.Dequantize(back, b, quant.F16); err != nil {
		return nil, err
	}
	for i, x := range v {
		if back[i] != x {
			return nil, fmt.Errorf("tensor %q is %s and has %v, which is no float16", t.Name, t.DType, x)
		}
	}
	return b, nil
}

// want holds a tensor against a type and a shape, and its bytes against them.
func want(t safetensors.Tensor, d safetensors.DType, shape ...int) error {
	if err := t.Check(); err != nil {
		return err
	}
	same := t.DType == d && len(t.Shape) == len(shape)
	for i := range shape {
		same = same && t.Shape[i] == shape[i]
	}
	if !same {
		return fmt.Errorf("tensor %q is %s %v, want %s %v", t.Name, t.DType, t.Shape, d, shape)
	}
	return nil
}

func words(b []byte) []int32 {
	w := make([]int32, len(b)/4)
	for i := range w {
		w[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return w
}

// rows unpacks rows lo to hi, multiples of 32: a column of words belongs to one row of a GPTQ weight, and to eight of an AWQ weight.
func (p *packed) rows(lo, hi int) (*quant.Grouped, error) {
	each := 1 // rows to a column of words
	if p.q.Method == AWQ {
		each = 8
	}
	weight := columns(p.qweight, 4*p.out/each, 4*lo/each, 4*hi/each)
	perRow := p.out * p.q.Bits / 8 // bytes of zeros in a row
	zeros := columns(p.qzeros, perRow, lo*p.q.Bits/8, hi*p.q.Bits/8)
	scales := columns(p.scales, 2*p.out, 2*lo, 2*hi)
	half := make([]uint16, len(scales)/2)
	for i := range half {
		half[i] = binary.LittleEndian.Uint16(scales[2*i:])
	}
	if p.q.Method == AWQ {
		return (&quant.PackedAWQ{In: p.in, Out: hi - lo, QWeight: words(weight), QZeros: words(zeros), Scales: half}).Unpack()
	}
	return (&quant.PackedGPTQ{Bits: p.q.Bits, In: p.in, Out: hi - lo, QWeight: words(weight), QZeros: words(zeros), Scales: half, GroupOf: p.order, V2: p.v2}).Unpack()
}

// columns copies bytes lo to hi of each row of width bytes.
func columns(b []byte, width, lo, hi int) []byte {
	out := make([]byte, 0, len(b)/width*(hi-lo))
	for ; len(b) >= width; b = b[width:] {
		out = append(out, b[lo:hi]...)
	}
	return out
}
