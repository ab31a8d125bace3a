package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	modelFile  = "model.safetensors"
	modelIndex = "model.safetensors.index.json"
)

// OpenModel opens all tensors of a model as one File. name is a .safetensors
// file, an index such as model.safetensors.index.json, or a folder with
// model.safetensors, with that index, or with a single .safetensors file of
// another name, looked for in this order (as transformers does).
//
// The index of a model in several files gives the file of each tensor. Every
// tensor it names must be in its file; what a file holds beyond the index is
// left out. Metadata are those of the first file.
func OpenModel(name string) (*File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	dir, base := filepath.Split(name)
	if info.IsDir() {
		dir, base = name, ""
	}
	f, err := openModel(os.DirFS(filepath.Clean(dir)), base, func(shard string) (*File, error) {
		return Open(filepath.Join(dir, filepath.FromSlash(shard)))
	})
	return f, where(err, name)
}

// OpenModelFS is OpenModel within fsys; the files are read into memory.
func OpenModelFS(fsys fs.FS, name string) (*File, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	dir, base := path.Dir(name), path.Base(name)
	if info.IsDir() {
		dir, base = name, ""
	}
	sub, err := fs.Sub(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	f, err := openModel(sub, base, func(shard string) (*File, error) {
		data, err := fs.ReadFile(sub, shard)
		if err != nil {
			return nil, fmt.Errorf("safetensors: %w", err)
		}
		f, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("safetensors: %s: %w", path.Join(dir, shard), err)
		}
		return f, nil
	})
	return f, where(err, name)
}

// where adds the package and the model's name to errors that no shard has
// described already.
func where(err error, name string) error {
	if err == nil || strings.HasPrefix(err.Error(), "safetensors: ") {
		return err
	}
	return fmt.Errorf("safetensors: %s: %w", name, err)
}

// openModel finds what to open in dir (base says which file, if the caller did)
// and opens it with open.
func openModel(dir fs.FS, base string, open func(name string) (*File, error)) (*File, error) {
	if base == "" {
		var err error
		if base, err = findModel(dir); err != nil {
			return nil, err
		}
	}
	if !strings.HasSuffix(base, ".json") {
		return open(base)
	}
	index, err := fs.ReadFile(dir, base)
	if err != nil {
		return nil, err
	}
	shards, err := parseIndex(index)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", base, err)
	}
	whole := &File{tensors: map[string]Tensor{}}
	for i, shard := range shards {
		part, err := open(shard.file)
		if err != nil {
			whole.Close()
			return nil, err
		}
		whole.maps = append(whole.maps, part.maps...)
		if i == 0 {
			whole.meta = part.meta
		}
		for _, name := range part.names {
			if shard.names[name] {
				whole.names = append(whole.names, name)
				whole.tensors[name] = part.tensors[name]
				delete(shard.names, name)
			}
		}
		for name := range shard.names { // any of those left
			whole.Close()
			return nil, fmt.Errorf("%s: tensor %q is not in %s; files of two versions?", base, clip(name), shard.file)
		}
	}
	return whole, nil
}

func findModel(dir fs.FS) (string, error) {
	for _, name := range []string{modelFile, modelIndex} {
		_, err := fs.Stat(dir, name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	others, err := fs.Glob(dir, "*.safetensors")
	if err != nil {
		return "", err
	}
	switch len(others) {
	case 0:
		return "", fmt.Errorf("no %s, no %s and no other .safetensors file", modelFile, modelIndex)
	case 1:
		return others[0], nil
	}
	return "", fmt.Errorf("no %s and no %s, but %d .safetensors files (%s, ...): name one", modelFile, modelIndex, len(others), others[0])
}

// shard is one file of a model and the tensors the index wants from it.
type shard struct {
	file  string
	names map[string]bool
}

// parseIndex reads {"metadata": ..., "weight_map": {tensor: file}}; shards come
// back sorted by file name.
func parseIndex(text []byte) ([]shard, error) {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, err
	}
	if len(index.WeightMap) == 0 {
		return nil, errors.New("weight_map is missing or empty")
	}
	files := map[string]map[string]bool{}
	for name, file := range index.WeightMap {
		// A downloaded index must not reach outside its folder.
		if !fs.ValidPath(file) || strings.ContainsAny(file, `/\:`) || file == "." {
			return nil, fmt.Errorf("tensor %q: %q is no plain file name", clip(name), clip(file))
		}
		if files[file] == nil {
			files[file] = map[string]bool{}
		}
		files[file][name] = true
	}
	shards := make([]shard, 0, len(files))
	for file, names := range files {
		shards = append(shards, shard{file, names})
	}
	slices.SortFunc(shards, func(a, b shard) int { return strings.Compare(a.file, b.file) })
	return shards, nil
}
