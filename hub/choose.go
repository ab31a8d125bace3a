package hub

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// DefaultTags are looked for in this order in a repository of GGUF files when no tag is given.
var DefaultTags = []string{"Q4_K_M", "Q8_0", "Q4_0", "Q6_K", "Q5_K_M", "F16", "BF16", "F32"}

// choice is which files of a repository make a model.
type choice struct {
	files []string
	open  string // GGUF file, of a split one the first; "": the folder
}

var (
	partName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)
	typeName = regexp.MustCompile(`(?i)(?:^|[-._/])((?:UD-)?(?:I?Q[1-8]_[0-9A-Z_]+|TQ[12]_0|MXFP4\w*|BF16|F16|F32|FP16|FP32))$`)
	oneModel = regexp.MustCompile(`^model(-\d{5}-of-\d{5})?\.safetensors$`)
	asides   = regexp.MustCompile(`(?i)(^|[-._/])(mmproj|imatrix)([-._/]|$)`)
)

// choose picks a model's files out of names, those of a repository or a snapshot, the same way for both. A pattern of globs
// is matched with whole names and with their last part.
func choose(names []string, tag string, globs []string) (choice, error) {
	if len(globs) > 0 {
		return chooseGlobs(names, globs)
	}
	sets := ggufSets(names)
	weights := safetensors(names)
	switch {
	case tag != "" && len(sets) == 0:
		return choice{}, fmt.Errorf("it has no GGUF files, so no tag %q", tag)
	case tag != "" || len(weights) == 0 && len(sets) > 0:
		return chooseTag(sets, tag)
	case len(weights) == 0:
		for _, name := range names {
			if ext := path.Ext(name); ext == ".bin" || ext == ".pth" || ext == ".pt" || ext == ".ckpt" {
				return choice{}, fmt.Errorf("it has its weights as %s alone; look for a repository with safetensors or GGUF files", name)
			}
		}
		return choice{}, fmt.Errorf("none of its %d files are weights: no *.safetensors, no *.gguf", len(names))
	}
	for _, name := range names {
		if besideWeights(name) {
			weights = append(weights, name)
		}
	}
	return choice{files: weights}, nil
}

func chooseGlobs(names, globs []string) (c choice, err error) {
	for _, g := range globs {
		n := len(c.files)
		for _, name := range names {
			whole, err := path.Match(g, name)
			if err != nil {
				return c, fmt.Errorf("%q is no pattern: %w", g, err)
			}
			if last, _ := path.Match(g, path.Base(name)); (whole || last) && !slices.Contains(c.files, name) {
				c.files = append(c.files, name)
			}
		}
		if len(c.files) == n {
			return c, fmt.Errorf("none of its %d files matches %q", len(names), g)
		}
	}
	if sets := ggufSets(c.files); len(sets) == 1 && len(safetensors(c.files)) == 0 {
		c.open = sets[0][0]
	}
	return c, nil
}

// ggufSets are the GGUF models among names, each with all its parts in order; one with a part missing is left out, and so is what
// belongs to a model of another kind (a vision projector, an importance matrix).
func ggufSets(names []string) (sets [][]string) {
	parts := map[string][]string{}
	for _, name := range slices.Sorted(slices.Values(names)) {
		if path.Ext(name) != ".gguf" || asides.MatchString(strings.TrimSuffix(name, ".gguf")) {
			continue
		}
		m := partName.FindStringSubmatch(name)
		if m == nil {
			sets = append(sets, []string{name})
			continue
		}
		key := m[1] + "-of-" + m[3]
		parts[key] = append(parts[key], name)
		if n, _ := strconv.Atoi(m[3]); len(parts[key]) == n && n > 0 {
			sets = append(sets, parts[key])
		}
	}
	return sets
}

// stem is a GGUF file's name without its part's number and its ending.
func stem(name string) string {
	if m := partName.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return strings.TrimSuffix(name, ".gguf")
}

// tagOf is the type in a GGUF file's name, "" where none is.
func tagOf(name string) string {
	if m := typeName.FindStringSubmatch(stem(name)); m != nil {
		return strings.ToUpper(m[1])
	}
	return ""
}

func chooseTag(sets [][]string, tag string) (choice, error) {
	want := []string{tag}
	if tag == "" {
		want = DefaultTags
	}
	var have []string
	for _, w := range want {
		best := -1
		for i, s := range sets {
			if hasTag(s[0], w) && (best < 0 || len(s[0]) < len(sets[best][0])) {
				best = i
			}
		}
		if best >= 0 {
			return choice{sets[best], sets[best][0]}, nil
		}
	}
	if tag == "" && len(sets) == 1 {
		return choice{sets[0], sets[0][0]}, nil
	}
	for _, s := range sets {
		if t := tagOf(s[0]); t != "" && !slices.Contains(have, t) {
			have = append(have, t)
		}
	}
	if tag == "" {
		return choice{}, fmt.Errorf("it has %d GGUF models and none of the types %s; name a tag (%s) or a file", len(sets), strings.Join(DefaultTags, ", "), strings.Join(have, ", "))
	}
	return choice{}, fmt.Errorf("it has no GGUF file of tag %q; it has %s", tag, strings.Join(have, ", "))
}

// hasTag finds a tag at the end of a file's name, whatever its case, as a word of its own: Q4_K is not in Q4_K_M.
func hasTag(name, tag string) bool {
	s := strings.ToUpper(stem(name))
	rest, ok := strings.CutSuffix(s, strings.ToUpper(tag))
	return ok && (rest == "" || strings.ContainsAny(rest[len(rest)-1:], "-._/"))
}

// safetensors are the weights of a folder as transformers names them; where there are none so named, one file of another name.
func safetensors(names []string) (list []string) {
	var others []string
	for _, name := range slices.Sorted(slices.Values(names)) {
		switch {
		case oneModel.MatchString(name):
			list = append(list, name)
		case path.Ext(name) == ".safetensors" && !strings.Contains(name, "/"):
			others = append(others, name)
		}
	}
	if slices.Contains(list, "model.safetensors") {
		return []string{"model.safetensors"} // a sharded copy beside it is the same once more
	}
	if len(list) == 0 && len(others) == 1 {
		return others
	}
	return list
}

// besideWeights tells the small files that a folder of safetensors needs: configuration, tokenizer, template.
func besideWeights(name string) bool {
	if strings.Contains(name, "/") {
		return false
	}
	switch path.Ext(name) {
	case ".json":
		return !strings.Contains(name, ".bin.") && !strings.HasPrefix(name, "consolidated")
	case ".jinja", ".model", ".tiktoken":
		return true
	}
	return name == "merges.txt" || name == "vocab.txt"
}
