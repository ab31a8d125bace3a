package optim

import "math"

// Plateau lowers the learning rate when a metric has stopped getting better: torch's ReduceLROnPlateau. The zero value has
// torch's defaults; the fields below the options are its state and belong in a checkpoint.
type Plateau struct {
	Factor    float64 `yaml:"factor" json:"factor,omitempty"`       // the rate is multiplied by it [0.1]
	Patience  int     `yaml:"patience" json:"patience,omitempty"`   // metrics without a gain that are borne [0: none; torch's default is 10]
	Threshold float64 `yaml:"threshold" json:"threshold,omitempty"` // a gain must be larger than this part of the best [1e-4]
	Absolute  bool    `yaml:"absolute" json:"absolute,omitempty"`   // the threshold is a difference, not a part
	Higher    bool    `yaml:"higher" json:"higher,omitempty"`       // a higher metric is better
	Cooldown  int     `yaml:"cooldown" json:"cooldown,omitempty"`   // metrics after a cut that do not count
	MinLR     float64 `yaml:"min_lr" json:"min_lr,omitempty"`       // the rate does not fall below

	Seen    bool    `yaml:"-" json:"seen,omitempty"`    // a metric has been given
	Best    float64 `yaml:"-" json:"best,omitempty"`    // the best one so far
	Bad     int     `yaml:"-" json:"bad,omitempty"`     // metrics since without a gain
	Resting int     `yaml:"-" json:"resting,omitempty"` // what is left of the cooldown
}

// Step takes the next metric and the present rate and gives the rate from here on. A NaN is never a gain.
func (p *Plateau) Step(metric, lr float64) float64 {
	if p.better(metric) {
		p.Best, p.Bad, p.Seen = metric, 0, true
	} else {
		p.Bad++
	}
	if p.Resting > 0 {
		p.Resting--
		p.Bad = 0
	}
	if p.Bad <= p.Patience {
		return lr
	}
	p.Resting, p.Bad = p.Cooldown, 0
	next := math.Max(lr*or(p.Factor, 0.1), p.MinLR)
	if lr-next <= 1e-8 { // torch's eps: no cut worth the name
		return lr
	}
	return next
}

func (p *Plateau) better(metric float64) bool {
	if !p.Seen {
		return !math.IsNaN(metric)
	}
	limit, sign := or(p.Threshold, 1e-4), -1.0
	if p.Higher {
		sign = 1
	}
	bar := p.Best * (1 + sign*limit)
	if p.Absolute {
		bar = p.Best + sign*limit
	}
	return sign*metric > sign*bar
}
