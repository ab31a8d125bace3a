package chat

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

func intFilter(_ *machine, v any, p params) (any, error) {
	absent, err := p.integer(0, "default", 0)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case string:
		s := strings.TrimFunc(v, unicode.IsSpace)
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1<<62 {
			return int64(f), nil
		}
	case float64:
		if math.Abs(v) < 1<<62 {
			return int64(v), nil
		}
	default:
		if n, ok := integer(v); ok {
			return n, nil
		}
	}
	return absent, nil
}

func floatFilter(_ *machine, v any, p params) (any, error) {
	if f, ok := number(v); ok {
		return f, nil
	}
	if s, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimFunc(s, unicode.IsSpace), 64); err == nil {
			return f, nil
		}
	}
	if absent, ok := p.get(0, "default"); ok {
		return absent, nil
	}
	return 0.0, nil
}

func absFilter(_ *machine, v any, _ params) (any, error) {
	if n, ok := integer(v); ok {
		return max(n, -n), nil
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fmt.Errorf("abs: %s is no number", typeName(v))
}

func roundFilter(_ *machine, v any, p params) (any, error) {
	f, ok := number(v)
	if !ok {
		return nil, fmt.Errorf("round: %s is no number", typeName(v))
	}
	digits, err := p.integer(0, "precision", 0)
	if err != nil || digits < -300 || digits > 300 {
		return nil, errors.New("round: precision is -300 to 300")
	}
	how, err := p.text(1, "method", "common")
	if err != nil {
		return nil, err
	}
	scale := math.Pow(10, float64(digits))
	switch how {
	case "common":
		return math.RoundToEven(f*scale) / scale, nil
	case "ceil":
		return math.Ceil(f*scale) / scale, nil
	case "floor":
		return math.Floor(f*scale) / scale, nil
	}
	return nil, errors.New("round: method is common, ceil or floor")
}
