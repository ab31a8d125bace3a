package table

import (
	"bytes"
	"fmt"
)

// signatures are the first bytes of the files that people give by mistake.
var signatures = []struct{ magic, what string }{
	{"\xff\xd8\xff", "a JPEG image"},
	{"\x89PNG\r\n\x1a\n", "a PNG image"},
	{"GIF8", "a GIF image"},
	{"%PDF-", "a PDF document"},
	{"PK\x03\x04", "a zip archive (.xlsx and .npz are too)"},
	{"PK\x05\x06", "an empty zip archive"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.xls)"},
	{"BZh", "bzip2-compressed; decompress it first"},
	{"\xfd7zXZ\x00", "xz-compressed; decompress it first"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive"},
	{"ARROW1", "an Arrow file"},
	{"FEA1", "a Feather file"},
	{"ORC", "an ORC file"},
	{"Obj\x01", "an Avro file"},
	{"\x89HDF\r\n\x1a\n", "an HDF5 file"},
	{"SQLite format 3\x00", "an SQLite database"},
	{"\x93NUMPY", "a NumPy array"},
	{"GGUF", "a GGUF model"},
	{"\x7fELF", "a program"},
	{"MZ\x90", "a program"},
	{"\xcf\xfa\xed\xfe", "a program"},
	{"fLaC", "FLAC audio"},
	{"OggS", "Ogg audio"},
	{"ID3", "MP3 audio"},
	{"<!DOCTYPE", "an HTML page"},
	{"<!doctype", "an HTML page"},
	{"<html", "an HTML page"},
	{"<?xml", "an XML document"},
	{"@relation", "a .tsf or .arff file"},
	{"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file itself; run git lfs pull"},
	{"PARE", "an encrypted Parquet file; decrypt it first"},
}

const wanted = "give CSV, TSV, JSONL or Parquet"

// refuse recognises what is no table by its first bytes.
func refuse(name string, head []byte) error {
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.magic)) {
			return &Error{Name: name, Msg: fmt.Sprintf("this is %s, not a table; %s", s.what, wanted)}
		}
	}
	switch {
	case len(head) >= 12 && string(head[:4]) == "RIFF":
		what := "a RIFF file"
		switch string(head[8:12]) {
		case "WAVE":
			what = "WAV audio"
		case "WEBP":
			what = "a WebP image"
		}
		return &Error{Name: name, Msg: fmt.Sprintf("this is %s, not a table; %s", what, wanted)}
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return &Error{Name: name, Msg: "this is a tar archive, not a table; " + wanted}
	}
	return nil
}

// refuseBinary reports a NUL byte, which no text holds.
func refuseBinary(name string, text []byte) error {
	i := bytes.IndexByte(text, 0)
	if i < 0 {
		return nil
	}
	line := bytes.Count(text[:i], []byte("\n")) + 1
	return &Error{Name: name, Line: line, Msg: "this is a binary file (it holds a NUL byte), not a table; " + wanted}
}

// looksLikeJSON tells JSON objects, or an array of them, from CSV.
func looksLikeJSON(text []byte) bool {
	text = bytes.TrimLeft(text[:min(len(text), sniffBytes)], " \t\r\n")
	if len(text) > 0 && text[0] == '[' {
		text = bytes.TrimLeft(text[1:], " \t\r\n")
		if len(text) > 0 && text[0] == ']' {
			return true
		}
	}
	if len(text) == 0 || text[0] != '{' {
		return false
	}
	text = bytes.TrimLeft(text[1:], " \t\r\n")
	return len(text) > 0 && (text[0] == '"' || text[0] == '}')
}
