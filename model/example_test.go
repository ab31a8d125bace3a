package model_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/model"
)

// What the command line's --set does to config.json.
func ExampleOverrideJSON() {
	config := []byte(`{"dropout": 0.2, "loss": "mse", "d_model": 64}`)
	b, err := model.OverrideJSON(config, map[string]string{"dropout": "0", "loss": "huber"})
	fmt.Println(string(b), err)
	_, err = model.OverrideJSON(config, map[string]string{"droput": "0"})
	fmt.Println(err)
	// Output:
	// {"d_model":64,"dropout":0,"loss":"huber"} <nil>
	// --set droput=0: the configuration has no key "droput"
}
