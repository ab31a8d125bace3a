package patchtst

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/weights"
)

// Load reads a checkpoint folder: config.json and model.safetensors. set overrides keys of the configuration.
func Load(dir string, set map[string]string) (*Model, error) {
	b, err := model.ReadConfig(dir, set)
	if err != nil {
		return nil, fmt.Errorf("patchtst: %w", err)
	}
	c, err := ParseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	file, err := safetensors.OpenModel(dir)
	if err != nil {
		return nil, fmt.Errorf("patchtst: %w", err)
	}
	defer file.Close()
	return bind(c, file, dir)
}

// paperNames turns the names of the paper's code into this package's. The supervised code keeps everything below
// "model." (with decomposition "model_res." and "model_trend."), the self-supervised code has no prefix.
var paperNames = []weights.Rule{
	{From: "model_trend.", To: "trend.model."}, {From: "model_res.", To: "model."},
	{From: "model.backbone.", To: "backbone."}, {From: "model.head.", To: "head."}, {From: "model.revin_layer.", To: "revin_layer."},
	{From: "trend.backbone.", To: "trend.model.encoder."}, {From: "backbone.encoder.", To: "model.encoder."}, {From: "backbone.", To: "model.encoder."},
	{From: "encoder.encoder.", To: "encoder."},
	{From: "W_pos", To: "positional_encoder.position_enc"}, {From: "encoder.W_P.", To: "encoder.embedder.input_embedding."},
	{From: "self_attn.W_Q.", To: "self_attn.q_proj."}, {From: "self_attn.W_K.", To: "self_attn.k_proj."}, {From: "self_attn.W_V.", To: "self_attn.v_proj."},
	{From: "self_attn.to_out.0.", To: "self_attn.out_proj."},
	{From: "norm_attn.1.", To: "norm_sublayer1.batchnorm."}, {From: "norm_ffn.1.", To: "norm_sublayer3.batchnorm."},
	{From: "norm_attn.", To: "norm_sublayer1."}, {From: "norm_ffn.", To: "norm_sublayer3."},
}

// IsPaper recognises the paper's code by the scale that only it stores.
func IsPaper(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "sdp_attn.scale") })
}

func bind(c Config, src weights.Source, where string) (*Model, error) {
	o := weights.Options{}
	if IsPaper(src.Names()) {
		c.NormType = "layernorm" // the tensors decide: the paper's Model does not pass its argument norm on
		if slices.ContainsFunc(src.Names(), func(n string) bool { return strings.HasSuffix(n, "norm_attn.1.running_mean") }) {
			c.NormType = "batchnorm"
		}
		o.Rename, o.Ignore = paperNames, []string{"*sdp_attn.scale"}
		if c.task() == Prediction && !c.Individual {
			o.Rename = append(slices.Clone(paperNames), weights.Rule{From: "head.linear.", To: "head.projection."})
		}
	}
	m := New(c)
	if err := weights.Bind(m, src, o); err != nil {
		return nil, fmt.Errorf("patchtst: %s: %w", where, err)
	}
	return m, nil
}

// LoadPaper reads tensors of the paper's code that come without a configuration (a .pth file). What they do not say
// is: stride = patch/2, GELU, RevIN on, post-norm, residual attention. set overrides config keys ("patch_stride": "4"); "stride" is
// patch_stride's name in the paper's code.
func LoadPaper(src weights.Source, set map[string]string, where string) (*Model, error) {
	c, err := inferConfig(src, set)
	if err != nil {
		return nil, fmt.Errorf("patchtst: %s: %w", where, err)
	}
	return bind(c, src, where)
}

// inferConfig: patch length and width from W_P, heads from the stored scale (D/heads)^−½, patches from W_pos, look-back from the
// patch count, horizon from the head.
func inferConfig(src weights.Source, set map[string]string) (Config, error) {
	c := PaperConfig()
	shape := map[string][]int{}
	scale := 0.0
	for _, n := range src.Names() {
		t, _ := src.Tensor(n)
		shape[Renamed(n)] = t.Shape
		if strings.HasSuffix(n, "sdp_attn.scale") && scale == 0 {
			if v, err := t.Float64s(); err == nil && len(v) == 1 {
				scale = v[0]
			}
		}
	}
	const enc = "model.encoder."
	wp, pos := shape[enc+"embedder.input_embedding.weight"], shape[enc+"positional_encoder.position_enc"]
	ff := shape[enc+"layers.0.ff.0.weight"]
	if len(wp) != 2 || len(pos) != 2 || len(ff) != 2 || !(scale > 0) {
		return c, fmt.Errorf("no PatchTST of the paper's code: W_P, W_pos, ff.0 or sdp_attn.scale is missing")
	}
	c.DModel, c.PatchLength, c.FFNDim = wp[0], wp[1], ff[0]
	c.PatchStride = max(1, c.PatchLength/2)
	c.NumAttentionHeads = int(math.Round(float64(c.DModel) * scale * scale))
	for c.NumHiddenLayers = 0; shape[enc+"layers."+strconv.Itoa(c.NumHiddenLayers)+".ff.0.weight"] != nil; c.NumHiddenLayers++ {
	}
	head := shape["head.linear.weight"]
	switch {
	case shape["head.linears.0.weight"] != nil:
		head, c.Individual = shape["head.linears.0.weight"], true
		for c.NumInputChannels = 0; shape["head.linears."+strconv.Itoa(c.NumInputChannels)+".weight"] != nil; c.NumInputChannels++ {
		}
	case len(head) == 2 && head[1] == c.DModel: // one linear layer a patch: masked pre-training
		c.Architectures = []string{Pretraining}
		c.PatchStride, c.EndPadding, c.DMajor, c.ResAttention = c.PatchLength, false, false, false
		c.Scaling = nil
	}
	if a := shape["revin_layer.affine_weight"]; len(a) == 1 {
		c.Affine, c.NumInputChannels = true, a[0]
	}
	if len(head) != 2 {
		return c, fmt.Errorf("the head's weights are missing")
	}
	if c.task() == Prediction {
		c.PredictionLength = head[0]
	}
	if err := override(&c, set); err != nil {
		return c, err
	}
	if _, given := set["context_length"]; !given {
		n := pos[0] - 1
		if c.EndPadding {
			n--
		}
		c.ContextLength = c.PatchLength + n*c.PatchStride
	}
	return c, c.Validate()
}

// Renamed is a name of the paper's code in this package's terms, the head's still undecided.
func Renamed(name string) string { return weights.Renamed(name, paperNames) }

// override decodes key=value pairs over the configuration; the paper's own argument names are understood.
func override(c *Config, set map[string]string) error {
	alias := map[string]string{"stride": "patch_stride", "seq_len": "context_length", "pred_len": "prediction_length", "patch_len": "patch_length"}
	named := map[string]string{}
	for k, v := range set {
		if a, ok := alias[k]; ok {
			k = a
		}
		named[k] = v
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if b, err = model.OverrideJSON(b, named); err != nil {
		return err
	}
	return json.Unmarshal(b, c)
}

// Save writes config.json and model.safetensors. A model of transformers' layout is read by transformers as it is.
func (m *Model) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("patchtst: %w", err)
	}
	b, err := json.MarshalIndent(m.Config, "", "  ")
	if err != nil {
		return fmt.Errorf("patchtst: %w", err)
	}
	err = atomicfile.Write(filepath.Join(dir, "config.json"), func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("patchtst: %w", err)
	}
	return weights.Save(filepath.Join(dir, "model.safetensors"), m, tensor.F32, nil)
}

// ParsePaperConfig reads the arguments of the paper's code (run_longExp.py, patchtst_pretrain.py) as JSON.
func ParsePaperConfig(b []byte) (Config, error) {
	var p struct {
		EncIn         int     `json:"enc_in"`
		CIn           int     `json:"c_in"`
		SeqLen        int     `json:"seq_len"`
		PredLen       int     `json:"pred_len"`
		ELayers       int     `json:"e_layers"`
		NLayers       int     `json:"n_layers"`
		NHeads        int     `json:"n_heads"`
		DModel        int     `json:"d_model"`
		DFF           int     `json:"d_ff"`
		Dropout       float64 `json:"dropout"`
		HeadDropout   float64 `json:"head_dropout"`
		Individual    int     `json:"individual"`
		PatchLen      int     `json:"patch_len"`
		Stride        int     `json:"stride"`
		NumPatch      int     `json:"num_patch"`
		PaddingPatch  *string `json:"padding_patch"`
		RevIN         int     `json:"revin"`
		Affine        int     `json:"affine"`
		SubtractLast  int     `json:"subtract_last"`
		Decomposition int     `json:"decomposition"`
		KernelSize    int     `json:"kernel_size"`
		PreNorm       bool    `json:"pre_norm"`
		ResAttention  *bool   `json:"res_attention"`
		Act           string  `json:"act"`
		HeadType      string  `json:"head_type"`
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return Config{}, fmt.Errorf("patchtst: arguments: %w", err)
	}
	c := PaperConfig()
	c.NumInputChannels, c.ContextLength, c.PredictionLength = max(p.EncIn, p.CIn), p.SeqLen, max(p.PredLen, 1)
	c.NumHiddenLayers, c.NumAttentionHeads, c.DModel, c.FFNDim = max(p.ELayers, p.NLayers), p.NHeads, p.DModel, p.DFF
	c.PatchLength, c.PatchStride = p.PatchLen, p.Stride
	c.PositionalDropout, c.PathDropout, c.FFDropout, c.ProjDropout, c.HeadDropout = p.Dropout, p.Dropout, p.Dropout, p.Dropout, p.HeadDropout
	c.Individual, c.Affine, c.SubtractLast = p.Individual != 0, p.Affine != 0 && p.RevIN != 0, p.SubtractLast != 0
	c.EndPadding = p.PaddingPatch != nil && *p.PaddingPatch == "end"
	if p.RevIN == 0 {
		c.Scaling = nil
	}
	if p.Decomposition != 0 {
		c.Decompose = p.KernelSize
	}
	if p.ResAttention != nil {
		c.ResAttention = *p.ResAttention
	}
	c.PreNorm = p.PreNorm
	if p.Act != "" {
		c.Activation = p.Act
	}
	if p.HeadType == "pretrain" {
		c.Architectures, c.DMajor, c.Scaling = []string{Pretraining}, false, nil
		c.ContextLength = p.PatchLen + (p.NumPatch-1)*p.Stride
	}
	return c, c.Validate()
}
