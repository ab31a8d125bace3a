package main

import (
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/lm"
)

// Every recipe of recipes/ is one that its task knows.
func TestRecipes(t *testing.T) {
	names, err := filepath.Glob("../../recipes/*.yaml")
	if err != nil || len(names) < 7 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		b, err := readRecipe(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		var head struct{ Task string }
		if err := yaml.Load(b, &head); err != nil {
			t.Fatal(err)
		}
		if head.Task == "language" {
			var r lm.Recipe
			if err = decodeRecipe(name, b, &r); err == nil {
				err = r.Validate()
			}
		} else {
			err = decodeRecipe(name, b, new(forecast.Recipe))
		}
		if err != nil {
			t.Error(err)
		}
	}
}
