package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	f, err := openModelPath(name)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return f, nil
}

func openModelPath(name string) (*File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	m := modelOpener{where: name, dir: name}
	base := ""
	if !info.IsDir() {
		m.dir, base = filepath.Split(name)
	}
	m.fsys = os.DirFS(filepath.Clean(m.dir))
	m.open = func(file string) (*File, error) { return open(filepath.Join(m.dir, file)) }
	return m.model(base)
}

// OpenModelFS is OpenModel within fsys; the files are read into memory.
func OpenModelFS(fsys fs.FS, name string) (*File, error) {
	f, err := openModelFS(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return f, nil
}

func openModelFS(fsys fs.FS, name string) (*File, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	m := modelOpener{where: name, dir: name}
	base := ""
	if !info.IsDir() {
		m.dir, base = path.Dir(name), path.Base(name)
	}
	if m.fsys, err = fs.Sub(fsys, m.dir); err != nil {
		return nil, err
	}
	m.open = func(file string) (*File, error) {
		data, err := fs.ReadFile(m.fsys, file)
		if err != nil {
			return nil, err
		}
		f, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Join(m.dir, file), err)
		}
		return f, nil
	}
	return m.model(base)
}

// modelOpener opens a model's files, whether they lie on disk or in an fs.FS.
type modelOpener struct {
	where string // what the caller asked for, for errors
	dir   string
	fsys  fs.FS // dir, for the index and for looking around
	open  func(file string) (*File, error)
}

// model opens the file base of the folder, or finds what to open.
func (m *modelOpener) model(base string) (*File, error) {
	if base == "" {
		var err error
		if base, err = findModel(m.fsys); err != nil {
			return nil, fmt.Errorf("%s: %w", m.where, err)
		}
	}
	if !strings.HasSuffix(base, ".json") {
		return m.open(base)
	}
	text, err := fs.ReadFile(m.fsys, base)
	if err != nil {
		return nil, err
	}
	shards, err := parseIndex(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path.Join(m.dir, base), err)
	}
	whole := &File{tensors: map[string]Tensor{}}
	for i, s := range shards {
		part, err := m.open(s.file)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s names a file that is not here; download it too: %w", path.Join(m.dir, base), err)
		}
		if err != nil {
			whole.Close()
			return nil, err
		}
		if whole.maps = append(whole.maps, part.maps...); i == 0 {
			whole.meta = part.meta
		}
		if missing := whole.take(part, s.names); missing != "" {
			whole.Close()
			return nil, fmt.Errorf("%s: tensor %q is not in %s; files of two versions?", path.Join(m.dir, base), clip(missing), s.file)
		}
	}
	return whole, nil
}

// take moves the wanted tensors of part into f and returns one it lacks, or "".
func (f *File) take(part *File, want map[string]bool) (missing string) {
	for _, name := range part.names {
		if want[name] {
			f.names = append(f.names, name)
			f.tensors[name] = part.tensors[name]
			delete(want, name)
		}
	}
	left := slices.Sorted(maps.Keys(want))
	if len(left) > 0 {
		return left[0]
	}
	return ""
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
