package gbdt

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// transform turns raw scores into what the objective predicts (ObjectiveFunction::ConvertOutput).
type transform struct {
	kind    transformKind
	sigmoid float64
	inexact bool // prediction may stop early: the objective cares about the sign or the order only
}

type transformKind uint8

const (
	transformNone transformKind = iota
	transformSqrt
	transformExp
	transformSigmoid
	transformSoftmax
	transformLog1pExp
)

// parseTransform reads a model's objective line, such as "multiclassova num_class:4 sigmoid:1.3".
func parseTransform(objective string, classes int) (transform, error) {
	words := strings.Fields(objective)
	if len(words) == 0 {
		return transform{}, nil
	}
	if objectiveAliases[words[0]] == "" {
		return transform{}, fmt.Errorf("objective %q is not known", clip(words[0]))
	}
	f := transform{sigmoid: 1}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, ":")
		switch key {
		case "sigmoid":
			v, err := strconv.ParseFloat(value, 64)
			if err != nil || !(v > 0) {
				return f, fmt.Errorf("objective %q: sigmoid must be positive", objective)
			}
			f.sigmoid = v
		case "sqrt":
			f.kind = transformSqrt
		case "num_class":
			if n, err := strconv.Atoi(value); err != nil || n != classes {
				return f, fmt.Errorf("objective %q does not fit num_class=%d", objective, classes)
			}
		}
	}
	switch name := objectiveName(words[0]); name {
	case "binary", "multiclassova":
		f.kind, f.inexact = transformSigmoid, true
	case "cross_entropy":
		f.kind, f.sigmoid = transformSigmoid, 1
	case "multiclass":
		f.kind, f.inexact = transformSoftmax, true
	case "cross_entropy_lambda":
		f.kind = transformLog1pExp
	case "poisson", "gamma", "tweedie":
		f.kind = transformExp
	case "lambdarank", "rank_xendcg":
		f.inexact = true
	case "regression": // sqrt is its only option
	default:
		f.kind = transformNone
	}
	return f, nil
}

// apply transforms the scores of one row in place.
func (f transform) apply(p []float64) {
	switch f.kind {
	case transformSqrt:
		for i, v := range p {
			p[i] = sign(v) * v * v
		}
	case transformExp:
		for i, v := range p {
			p[i] = math.Exp(v)
		}
	case transformSigmoid:
		for i, v := range p {
			p[i] = 1 / (1 + math.Exp(-f.sigmoid*v))
		}
	case transformSoftmax:
		softmax(p, p)
	case transformLog1pExp:
		for i, v := range p {
			p[i] = math.Log1p(math.Exp(v))
		}
	}
}

func sign(v float64) float64 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// softmax writes exp(x)/Σexp(x) to p, which may be x.
func softmax(p, x []float64) {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, v)
	}
	sum := 0.0
	for i, v := range x {
		p[i] = math.Exp(v - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
}
