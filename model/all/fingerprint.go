package all

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Fingerprint tells models apart by their content: what was computed with one, such as keys and values on disk, belongs to
// none with another fingerprint. It is a hash of each file's size, its first and last MiB and 64 pieces between, so that it takes
// no longer for a large model; of a folder the configuration and the weights. Names and places do not count.
func Fingerprint(paths ...string) (string, error) {
	sum := sha256.New()
	for _, path := range paths {
		files := []string{path}
		if info, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("model: %w", err)
		} else if info.IsDir() {
			files = nil
			for _, pattern := range []string{"config.json", "adapter_config.json", "*.safetensors", "*.gguf"} {
				found, err := filepath.Glob(filepath.Join(path, pattern))
				if err != nil {
					return "", fmt.Errorf("model: %w", err)
				}
				files = append(files, slices.Sorted(slices.Values(found))...)
			}
		}
		for _, file := range files {
			if err := sample(sum, file); err != nil {
				return "", fmt.Errorf("model: %w", err)
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func sample(w io.Writer, path string) error {
	const ends, piece, pieces = 1 << 20, 4096, 64
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	binary.Write(w, binary.LittleEndian, size)
	parts := []*io.SectionReader{io.NewSectionReader(f, 0, min(size, ends)), io.NewSectionReader(f, max(0, size-ends), ends)}
	for i := range int64(pieces) {
		parts = append(parts, io.NewSectionReader(f, size/pieces*i, piece))
	}
	for _, part := range parts {
		if _, err := io.Copy(w, part); err != nil {
			return err
		}
	}
	return nil
}
