package main

import (
	"io"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/internal/atomicfile"
)

const (
	cppSource = "gbdt_prediction.cpp" // where LightGBM writes C++
	goSource  = "gbdt_prediction.go"
)

// boostConvert is task=convert_model (Application::ConvertModel), to Go instead of C++.
func boostConvert(o gbdt.Options, log *boostLog) error {
	m, err := gbdt.OpenText(o.InputModel)
	if err != nil {
		return err
	}
	if err := writeGo(m, o.ConvertModel); err != nil {
		return err
	}
	log.info("Finished converting model to Go source, saved to %s", o.ConvertModel)
	return nil
}

func writeGo(m *gbdt.Model, file string) error {
	return atomicfile.Write(file, func(w io.Writer) error { return m.WriteGo(w, "prediction") })
}
