package mixtral

import (
	"encoding/json"
	"fmt"

	"github.com/hanji-ml/hanji/model/llama"
)

// Config has config.json's own keys (transformers' MixtralConfig): Llama's, and those of the experts.
type Config struct {
	llama.Config
	Experts         int     `json:"num_local_experts"`    // E
	ExpertsPerToken int     `json:"num_experts_per_tok"`  // K
	AuxCoef         float64 `json:"router_aux_loss_coef"` // of the load-balancing loss, in training
	Jitter          float64 `json:"router_jitter_noise,omitempty"`

	// hanji's own, for training: see nn.MoE, nn.LoadBalance, nn.ZLoss, nn.CV2.
	Balance    float64 `json:"router_balance_loss_coef,omitempty"` // of each layer's load-balancing loss; AuxCoef's takes the layers together
	Capacity   float64 `json:"expert_capacity_factor,omitempty"`
	ByChance   bool    `json:"second_expert_by_chance,omitempty"`
	ZCoef      float64 `json:"router_z_loss_coef,omitempty"`
	Noisy      bool    `json:"noisy_top_k,omitempty"` // the router has weights for noise
	Importance float64 `json:"importance_loss_coef,omitempty"`
	Load       float64 `json:"load_loss_coef,omitempty"`
}

// DefaultConfig is what transformers takes for keys that a file leaves out: Mixtral 8x7B.
func DefaultConfig() Config {
	c := Config{Config: llama.DefaultConfig("mistral"), Experts: 8, ExpertsPerToken: 2, AuxCoef: 0.001}
	c.ModelType, c.NormEps, c.RopeTheta, c.SlidingWindow = "mixtral", 1e-5, 1e6, nil
	c.Architectures = []string{"MixtralForCausalLM"}
	return c
}

// ParseConfig reads config.json over DefaultConfig.
func ParseConfig(b []byte) (Config, error) {
	c := DefaultConfig()
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("mixtral: config.json: %w", err)
	}
	if c.ModelType != "mixtral" {
		return c, fmt.Errorf("mixtral: config.json: model_type is %q", c.ModelType)
	}
	return c, c.Validate()
}

// Validate fills in what follows from other keys and reports what cannot be built.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return fmt.Errorf("mixtral: %w", err)
	}
	switch {
	case c.Experts < 1 || c.Experts > 1<<12:
		return fmt.Errorf("mixtral: config.json: num_local_experts is %d", c.Experts)
	case c.ExpertsPerToken < 1 || c.ExpertsPerToken > c.Experts:
		return fmt.Errorf("mixtral: config.json: num_experts_per_tok is %d of %d", c.ExpertsPerToken, c.Experts)
	case !(c.AuxCoef >= 0 && c.Balance >= 0 && c.ZCoef >= 0 && c.Importance >= 0 && c.Load >= 0):
		return fmt.Errorf("mixtral: config.json: router_aux_loss_coef is %v, router_balance_loss_coef %v, router_z_loss_coef %v, importance_loss_coef %v, load_loss_coef %v",
			c.AuxCoef, c.Balance, c.ZCoef, c.Importance, c.Load)
	case c.Noisy && c.ExpertsPerToken >= c.Experts:
		return fmt.Errorf("mixtral: config.json: noisy_top_k needs num_experts_per_tok below num_local_experts, not %d of %d", c.ExpertsPerToken, c.Experts)
	case !c.Noisy && c.Importance+c.Load > 0:
		return fmt.Errorf("mixtral: config.json: importance_loss_coef and load_loss_coef need noisy_top_k")
	case c.Capacity < 0:
		return fmt.Errorf("mixtral: config.json: expert_capacity_factor is %v", c.Capacity)
	case c.ByChance && c.ExpertsPerToken != 2:
		return fmt.Errorf("mixtral: config.json: second_expert_by_chance needs num_experts_per_tok 2, not %d", c.ExpertsPerToken)
	case c.Jitter != 0:
		return fmt.Errorf("mixtral: config.json: router_jitter_noise is not supported")
	case c.MLPBias:
		return fmt.Errorf("mixtral: config.json: experts have no biases; mlp_bias?")
	}
	return nil
}

// Parameters is how many numbers the model has: Llama's with E feed-forward layers in place of one, and the routers.
func (c *Config) Parameters() int64 {
	C, F, E := int64(c.HiddenSize), int64(c.IntermediateSize), int64(c.Experts)
	routers := C * E
	if c.Noisy {
		routers *= 2
	}
	return c.Config.Parameters() + int64(c.Layers)*(3*C*F*(E-1)+routers)
}
