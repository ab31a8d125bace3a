package all_test

import (
	"fmt"
	"os"

	"github.com/hanji-ml/hanji/model/all"
)

// A model is built from keys of its configuration; Open knows the family of what was saved.
func Example() {
	m, err := all.Families{}.New("patchtst", []byte(`{"context_length": 32, "prediction_length": 8, "patch_length": 8, "patch_stride": 8, "d_model": 16}`), 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "all")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := m.Save(dir); err != nil {
		fmt.Println(err)
		return
	}
	f, err := all.Open(dir, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%+v\n", f.Spec())
	// Output: {Family:patchtst Context:32 Horizon:8 Channels:0 Targets:[] Quantiles:[]}
}
