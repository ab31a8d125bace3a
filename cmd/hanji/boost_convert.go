package main

import (
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/internal/atomicfile"
)

// goSource is where a model becomes Go unless convert_model says otherwise; that of C++ is LightGBM's default.
const goSource = "gbdt_prediction.go"

// resolveConvert decides on language and file of a conversion. LightGBM writes C++ whatever convert_model_language says;
// hanji writes Go unless C++ is named, there or by the ending of a convert_model that was given. Training converts only
// where a language is named, as there.
func resolveConvert(o *gbdt.Options) error {
	switch o.ConvertModelLanguage {
	case "go", "cpp":
	case "":
		if o.Task != "convert_model" {
			return nil
		}
		o.ConvertModelLanguage = "go"
		if o.Given("convert_model") && slices.Contains([]string{".cpp", ".cc", ".cxx", ".hpp", ".h"}, strings.ToLower(filepath.Ext(o.ConvertModel))) {
			o.ConvertModelLanguage = "cpp"
		}
	default:
		return usagef("convert_model_language=%s is not supported, only go and cpp are", o.ConvertModelLanguage)
	}
	if o.ConvertModelLanguage == "go" && !o.Given("convert_model") {
		o.ConvertModel = goSource
	}
	return checkPlace("convert_model", o.ConvertModel)
}

// boostConvert is task=convert_model (Application::ConvertModel).
func boostConvert(o gbdt.Options, log *boostLog) error {
	m, err := gbdt.OpenText(o.InputModel)
	if err != nil {
		return err
	}
	if err := writeSource(m, o); err != nil {
		return err
	}
	language := map[string]string{"go": "Go", "cpp": "C++"}[o.ConvertModelLanguage]
	log.info("Finished converting model to %s source, saved to %s", language, o.ConvertModel)
	return nil
}

func writeSource(m *gbdt.Model, o gbdt.Options) error {
	return atomicfile.Write(o.ConvertModel, func(w io.Writer) error {
		if o.ConvertModelLanguage == "cpp" {
			return m.WriteCpp(w, "prediction")
		}
		return m.WriteGo(w, "prediction")
	})
}
