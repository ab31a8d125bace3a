package gbdt

import (
	"encoding/json"
	"fmt"
	"strings"
)

// parseInteractions reads interaction_constraints, such as "[0,1,2],[2,3]", with or without brackets around the whole.
func parseInteractions(text string, features int) ([]map[int32]bool, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	if !strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(text, "[")), "[") {
		text = "[" + text + "]"
	}
	var lists [][]int
	if err := json.Unmarshal([]byte(text), &lists); err != nil {
		return nil, fmt.Errorf("gbdt: interaction_constraints=%s: want lists of features such as [0,1],[2,3]", clip(text))
	}
	groups := make([]map[int32]bool, len(lists))
	for i, list := range lists {
		groups[i] = map[int32]bool{}
		for _, f := range list {
			if f < 0 || f >= features {
				return nil, fmt.Errorf("gbdt: interaction_constraints: feature %d is not in 0..%d", f, features-1)
			}
			groups[i][int32(f)] = true
		}
	}
	return groups, nil
}

// allowed gives the features that may be split on below a path: those on it, and the groups that hold all of it. nil
// means all.
func (c *colSampler) allowed(branch []int32) map[int32]bool {
	if c.groups == nil {
		return nil
	}
	allowed := map[int32]bool{}
	for _, f := range branch {
		allowed[f] = true
	}
	for _, g := range c.groups {
		whole := true
		for _, f := range branch {
			whole = whole && g[f]
		}
		if whole {
			for f := range g {
				allowed[f] = true
			}
		}
	}
	return allowed
}
