package table

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/hanji-ml/hanji/internal/atomicfile"
)

// WriteFile writes t in the format that the ending of path names: .csv, .tsv, .json, .jsonl, .ndjson or .parquet, with
// .gz or .zst behind it to compress. "-" is CSV on standard output. The file is written beside path and renamed, so that
// path holds the old content or the new one, never a part.
func WriteFile(path string, t *Table) error {
	if path == "-" {
		return WriteCSV(os.Stdout, t)
	}
	write, pack, err := writerFor(path)
	if err != nil {
		return err
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return fmt.Errorf("table: %s: this is a directory; name a file in it", path)
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		return writePacked(w, pack, func(w io.Writer) error { return write(w, t) })
	})
}

// writerFor finds the format and the compression (".gz", ".zst" or none) in the ending of path.
func writerFor(path string) (write func(io.Writer, *Table) error, pack string, err error) {
	base := strings.ToLower(filepath.Base(path))
	if ext := filepath.Ext(base); ext == ".gz" || ext == ".zst" {
		pack, base = ext, strings.TrimSuffix(base, ext)
	}
	switch filepath.Ext(base) {
	case ".csv", ".txt":
		return WriteCSV, pack, nil
	case ".tsv":
		return WriteTSV, pack, nil
	case ".json":
		return WriteJSON, pack, nil
	case ".jsonl", ".ndjson":
		return WriteJSONL, pack, nil
	case ".parquet", ".pq":
		return WriteParquet, pack, nil
	}
	return nil, "", fmt.Errorf("table: %s: no format of that ending; give .csv, .tsv, .json, .jsonl or .parquet, with .gz or .zst to compress", path)
}

// writePacked puts compression between w and what write writes.
func writePacked(w io.Writer, pack string, write func(io.Writer) error) error {
	var z io.WriteCloser
	switch pack {
	case "":
		return write(w)
	case ".gz":
		z = gzip.NewWriter(w)
	case ".zst":
		enc, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		z = enc
	}
	if err := write(z); err != nil {
		z.Close()
		return err
	}
	return z.Close()
}
