package gbdt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// ReadConfig sets options from a configuration file of the lightgbm command: lines "key = value", "#" begins a comment.
// Options set before keep their value. Names that LightGBM does not know are given back, for a warning.
func (o *Options) ReadConfig(r io.Reader) (unknown []string, err error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for line := 1; sc.Scan(); line++ {
		text, _, _ := strings.Cut(sc.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return unknown, fmt.Errorf("gbdt: configuration: line %d: %q is no key = value", line, clip(text))
		}
		err := o.Set(strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"'`))
		var bad *UnknownParameterError
		switch {
		case errors.As(err, &bad):
			unknown = append(unknown, bad.Name)
		case err != nil:
			return unknown, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if err := sc.Err(); err != nil {
		return unknown, fmt.Errorf("gbdt: configuration: %w", err)
	}
	return unknown, nil
}

// OpenConfig reads a configuration file; see [Options.ReadConfig].
func (o *Options) OpenConfig(path string) (unknown []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gbdt: configuration: %w", err)
	}
	defer f.Close()
	if unknown, err = o.ReadConfig(f); err != nil {
		return unknown, fmt.Errorf("%s: %w", path, err)
	}
	return unknown, nil
}
