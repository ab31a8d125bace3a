package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/npy"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/table"
	"github.com/hanji-ml/hanji/torchpt"
)

func newInspectCmd(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE|DIR",
		Short: "Say what is in a checkpoint, an array, a table or a series file",
		Long: `Recognises the file by its content: safetensors (one file, or a model's folder), GGUF (any part of a split model
stands for all), PyTorch checkpoints (their pickle is read, never run), npy and npz, .tsf, CSV, TSV, JSON lines and
Parquet, plain, .gz or .zst.`,
		Example: `  hanji inspect model.safetensors
  hanji inspect checkpoint.pth --json
  hanji inspect ETTh1.csv`,
		Args: takes(1, 1, "a file or a model's folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := modelPath(args[0])
			if err != nil {
				return err
			}
			c, err := inspect(path, g.logger(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(c)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), c.text())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// contents is what inspect found; either Tensors, Columns or Panel is set.
type contents struct {
	File     string         `json:"file"`
	Format   string         `json:"format"`                    // safetensors, gguf, torch, npy, npz, tsf, table
	Metadata map[string]any `json:"metadata,omitempty"`        // text; of a GGUF any type, a long array as arrayInfo
	Values   int64          `json:"values,omitempty"`          // numbers in all tensors
	Bytes    int64          `json:"bytes,omitempty"`           // of all tensors
	Bits     float64        `json:"bits_per_weight,omitempty"` // of a GGUF: 8·Bytes/Values
	Tensors  []tensorInfo   `json:"tensors,omitempty"`
	Rows     int            `json:"rows,omitempty"`
	Columns  []columnInfo   `json:"columns,omitempty"`
	Panel    *panelInfo     `json:"panel,omitempty"`
}

type tensorInfo struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	Bytes int    `json:"bytes"`
}

func inspect(path string, log *slog.Logger) (*contents, error) {
	format, err := sniff(path)
	if err != nil {
		return nil, err
	}
	log.Debug("recognised", "file", path, "format", format)
	c := &contents{File: path, Format: format}
	switch format {
	case "safetensors":
		f, err := safetensors.OpenModel(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if meta := f.Metadata(); len(meta) > 0 {
			c.Metadata = map[string]any{}
			for key, value := range meta {
				c.Metadata[key] = value
			}
		}
		c.add(f.Names(), f.Tensor)
	case "gguf":
		return c, c.readGGUF(path)
	case "torch":
		f, err := torchpt.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if f.Root() != "" {
			c.Metadata = map[string]any{"weights under": f.Root()}
		}
		c.add(f.Names(), f.Tensor)
	case "npz":
		f, err := npy.OpenNPZ(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		for _, name := range f.Names() {
			t, err := f.Tensor(name)
			if err != nil {
				return nil, err
			}
			t.Name = name
			c.addTensor(t)
		}
	case "npy":
		t, err := npy.ReadFile(path)
		if err != nil {
			return nil, err
		}
		c.addTensor(t)
	case "tsf":
		return c, c.readTSF(path)
	default:
		return c, c.readTable(path)
	}
	return c, nil
}

// sniff tells a file's format from its first bytes; what it does not know may be a table,
// whose reader finds out more and says what is wrong.
func sniff(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return sniffFolder(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("GGUF")):
		return "gguf", nil
	case bytes.HasPrefix(head, []byte("\x93NUMPY")):
		return "npy", nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return sniffZip(f, info.Size())
	case bytes.HasPrefix(head, []byte("\x80\x02")), bytes.HasPrefix(head, []byte("\x80\x04")):
		return "torch", nil // a bare pickle: before torch 1.6, which the reader refuses by name
	case n > 8 && head[8] == '{' && binary.LittleEndian.Uint64(head) < 1<<32:
		return "safetensors", nil
	case isTSF(head):
		return "tsf", nil
	}
	return "table", nil
}

// sniffFolder tells the two kinds of model folders; what is neither is refused by name as the first.
func sniffFolder(path string) (string, error) {
	for _, format := range []string{"safetensors", "gguf"} {
		found, err := filepath.Glob(filepath.Join(path, "*."+format))
		if err != nil || len(found) > 0 {
			return format, err
		}
	}
	return "safetensors", nil
}

// sniffZip tells numpy's archive, whose members all end in .npy, from torch's.
func sniffZip(f *os.File, size int64) (string, error) {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return "torch", nil //nolint:nilerr // its reader says better what is damaged
	}
	for _, member := range z.File {
		if !strings.HasSuffix(member.Name, ".npy") {
			return "torch", nil
		}
	}
	return "npz", nil
}

// isTSF looks at the first line that is neither empty nor a comment: "@relation" or another key.
func isTSF(head []byte) bool {
	for line := range bytes.Lines(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			return line[0] == '@'
		}
	}
	return false
}

func (c *contents) add(names []string, get func(string) (safetensors.Tensor, bool)) {
	for _, name := range names {
		t, _ := get(name)
		c.addTensor(t)
	}
}

func (c *contents) addTensor(t safetensors.Tensor) {
	shape := t.Shape
	if shape == nil {
		shape = []int{} // a scalar is [] in JSON, not null
	}
	c.count(tensorInfo{t.Name, string(t.DType), shape, len(t.Data)}, t.Len())
}

func (c *contents) count(t tensorInfo, values int) {
	c.Tensors = append(c.Tensors, t)
	c.Values += int64(values)
	c.Bytes += int64(t.Bytes)
}

type columnInfo struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Missing   int      `json:"missing"`
	Min       *float64 `json:"min,omitempty"`
	Max       *float64 `json:"max,omitempty"`
	First     string   `json:"first"`
	Last      string   `json:"last"`
	Frequency string   `json:"frequency,omitempty"` // of a time column whose stamps ascend by equal steps
}

func (c *contents) readTable(path string) error {
	t, err := table.Open(path, table.Options{})
	if err != nil {
		return err
	}
	c.Rows = t.Rows()
	for i := range t.Columns {
		col := &t.Columns[i]
		info := columnInfo{Name: col.Name, Kind: col.Kind.String(), Missing: col.CountMissing()}
		if n := col.Len(); n > 0 {
			info.First, info.Last = col.Text(0), col.Text(n-1)
		}
		if col.Kind == table.Int || col.Kind == table.Float {
			values, err := col.AsFloats()
			if err != nil {
				return err
			}
			info.Min, info.Max = extremes(values)
		}
		if col.Kind == table.Time && info.Missing == 0 {
			if f, err := series.InferFreq(col.Times); err == nil {
				info.Frequency = f.String()
			}
		}
		c.Columns = append(c.Columns, info)
	}
	return nil
}

// extremes gives the least and greatest value that is not missing; nil when all are.
func extremes(values []float64) (lo, hi *float64) {
	for _, v := range values {
		if v != v || v-v != 0 { // JSON has no NaN and no Inf
			continue
		}
		if lo == nil {
			lo, hi = new(v), new(v)
		}
		*lo, *hi = min(*lo, v), max(*hi, v)
	}
	return lo, hi
}

type panelInfo struct {
	Series    int    `json:"series"`
	Frequency string `json:"frequency,omitempty"`
	Horizon   int    `json:"horizon,omitempty"`
	Shortest  int    `json:"shortest"`
	Longest   int    `json:"longest"`
	Values    int    `json:"values"`
	Missing   int    `json:"missing"`
}

func (c *contents) readTSF(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	tsf, err := series.ReadTSF(f, path, series.TSFOptions{})
	if err != nil {
		return err
	}
	p := &panelInfo{Series: len(tsf.Panel.Series), Frequency: tsf.Frequency, Horizon: tsf.Horizon}
	for i := range tsf.Panel.Series {
		s := &tsf.Panel.Series[i]
		n := len(s.Y)
		if i == 0 || n < p.Shortest {
			p.Shortest = n
		}
		p.Longest = max(p.Longest, n)
		p.Values += n
		p.Missing += s.Missing()
	}
	c.Panel = p
	return nil
}
