package forecast

import (
	"fmt"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/tensor"
)

// checkStore refuses what save could not do, before the training and not after.
func (r Recipe) checkStore() error {
	switch r.Store {
	case "", "f32", "f16":
		return nil
	}
	return fmt.Errorf("forecast: recipe: store %q must be f32 or f16", r.Store)
}

// save writes the model as the recipe wants it stored.
func (r Recipe) save(m model.Trainable, dir string) error {
	if r.Store != "f16" {
		return m.Save(dir)
	}
	s, ok := m.(interface {
		SaveAs(dir string, dt tensor.DType) error
	})
	if !ok {
		return fmt.Errorf("forecast: recipe: store f16: the family %s is saved as f32 alone; the last checkpoint holds what was trained", m.Spec().Family)
	}
	return s.SaveAs(dir, tensor.F16)
}
