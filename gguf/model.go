package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Keys that gguf-split writes into each part of a model.
const (
	splitNo      = "split.no"            // of this part, from 0
	splitCount   = "split.count"         // parts in all
	splitTensors = "split.tensors.count" // tensors in all parts
)

// partName is how the parts are named: NAME-00001-of-00003.gguf.
var partName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// OpenModel opens all tensors of a model as one File. name is a .gguf file, any
// part of a split model (its metadata say that it is one, and its name
// NAME-00001-of-0000N.gguf where the others are), or a folder that holds one
// model. All parts must be there, in order, with all the tensors they announce.
func OpenModel(name string) (*File, error) {
	f, err := openModel(name)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	return f, nil
}

func openModel(name string) (*File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if name, err = findModel(name); err != nil {
			return nil, err
		}
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	count, err := f.meta.Int(splitCount)
	if errors.Is(err, ErrNoKey) || err == nil && count == 1 {
		return f, nil
	}
	f.Close()
	if err != nil || count < 1 || count > 99999 {
		return nil, fmt.Errorf("%s: key %q is no number of parts", name, splitCount)
	}
	return openParts(name, int(count))
}

func openParts(name string, count int) (*File, error) {
	dir, base := filepath.Split(name)
	m := partName.FindStringSubmatch(base)
	if m == nil || m[3] != fmt.Sprintf("%05d", count) {
		return nil, fmt.Errorf("%s: is a part of a model in %d files, but not named NAME-00001-of-%05d.gguf; give it its published name again", name, count, count)
	}
	whole := &File{tensors: map[string]Tensor{}}
	announced := int64(-1)
	for i := range count {
		path := filepath.Join(dir, fmt.Sprintf("%s-%05d-of-%05d.gguf", m[1], i+1, count))
		part, err := open(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("the model is in %d files, one is not here; download it too: %w", count, err)
		}
		if err != nil {
			whole.Close()
			return nil, err
		}
		whole.maps = append(whole.maps, part.maps...)
		if err := whole.take(part, i, count); err != nil {
			whole.Close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if i == 0 {
			whole.version, whole.alignment, whole.meta = part.version, part.alignment, part.meta
			if n, err := part.meta.Int(splitTensors); err == nil {
				announced = n
			}
		}
	}
	if n := int64(len(whole.names)); announced >= 0 && n != announced {
		whole.Close()
		return nil, fmt.Errorf("%s: %d files hold %d tensors, key %q says %d; files of two versions?", name, count, n, splitTensors, announced)
	}
	return whole, nil
}

// take adds the tensors of part i to f.
func (f *File) take(part *File, i, count int) error {
	for key, want := range map[string]int{splitNo: i, splitCount: count} {
		n, err := part.meta.Int(key)
		if err != nil || n != int64(want) {
			v, _ := part.meta.Get(key)
			return fmt.Errorf("key %q is %v, want %d; files of two models?", key, v, want)
		}
	}
	for _, name := range part.names {
		if _, ok := f.tensors[name]; ok {
			return fmt.Errorf("tensor %q is in an earlier file too; files of two models?", clip(name))
		}
		f.names = append(f.names, name)
		f.tensors[name] = part.tensors[name]
	}
	return nil
}

// findModel names the one model of a folder: a single file, or the first of all
// parts of one.
func findModel(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var models []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".gguf" {
			continue
		}
		if m := partName.FindStringSubmatch(e.Name()); m != nil {
			if n, err := strconv.Atoi(m[2]); err == nil && n != 1 {
				continue // the first stands for all
			}
		}
		models = append(models, e.Name())
	}
	switch len(models) {
	case 0:
		return "", fmt.Errorf("%s: no .gguf file", dir)
	case 1:
		return filepath.Join(dir, models[0]), nil
	}
	return "", fmt.Errorf("%s: %d models (%s, %s, ...): name one", dir, len(models), models[0], models[1])
}
