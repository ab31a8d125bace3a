package table

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

const wanted = "give CSV, TSV, JSONL or Parquet"

// signatures are the first bytes of the files that people give by mistake.
var signatures = []struct{ magic, what, todo string }{
	{"\xff\xd8\xff", "a JPEG image", wanted},
	{"\x89PNG\r\n\x1a\n", "a PNG image", wanted},
	{"GIF8", "a GIF image", wanted},
	{"%PDF-", "a PDF document", wanted},
	{"PK\x03\x04", "a zip archive (.xlsx and .npz are too)", wanted},
	{"PK\x05\x06", "an empty zip archive", wanted},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.xls)", wanted},
	{"BZh", "bzip2 data", "decompress it first"},
	{"\xfd7zXZ\x00", "xz data", "decompress it first"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive", wanted},
	{"ARROW1", "an Arrow file", wanted},
	{"FEA1", "a Feather file", wanted},
	{"ORC", "an ORC file", wanted},
	{"Obj\x01", "an Avro file", wanted},
	{"\x89HDF\r\n\x1a\n", "an HDF5 file", wanted},
	{"SQLite format 3\x00", "an SQLite database", wanted},
	{"\x93NUMPY", "a NumPy array", wanted},
	{"GGUF", "a GGUF model", wanted},
	{"\x7fELF", "a program", wanted},
	{"MZ\x90", "a program", wanted},
	{"\xcf\xfa\xed\xfe", "a program", wanted},
	{"fLaC", "FLAC audio", wanted},
	{"OggS", "Ogg audio", wanted},
	{"ID3", "MP3 audio", wanted},
	{"<!DOCTYPE", "an HTML page", wanted},
	{"<!doctype", "an HTML page", wanted},
	{"<html", "an HTML page", wanted},
	{"<?xml", "an XML document", wanted},
	{"@relation", "a .tsf or .arff file", wanted},
	{"version https://git-lfs.github.com/spec/", "a Git LFS pointer", "run git lfs pull"},
	{"PARE", "an encrypted Parquet file", "decrypt it first"},
}

// refuse recognises what is no table by its first bytes.
func refuse(name string, head []byte) error {
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.magic)) && (!isWord(s.magic) || hasControl(head)) {
			return &Error{Name: name, Msg: fmt.Sprintf("this is %s, not a table; %s", s.what, s.todo)}
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

// isWord tells whether a signature could as well open a header: ORC,x or ID3;y.
func isWord(magic string) bool {
	for i := range len(magic) {
		if c := magic[i] | 0x20; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// hasControl looks for bytes that no text holds.
func hasControl(b []byte) bool {
	return bytes.ContainsFunc(b, func(r rune) bool { return r < '\t' || r > '\r' && r < ' ' })
}

// refuseBinary reports a NUL byte, which no text holds, and bytes that are not UTF-8.
func refuseBinary(name string, text []byte) error {
	lineOf := func(i int) int { return bytes.Count(text[:i], []byte("\n")) + 1 }
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return &Error{Name: name, Line: lineOf(i), Msg: "this is a binary file (it holds a NUL byte), not a table; " + wanted}
	}
	if utf8.Valid(text) {
		return nil
	}
	at := 0
	for {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n <= 1 {
			break
		}
		at += n
	}
	return &Error{Name: name, Line: lineOf(at), Msg: fmt.Sprintf("the text is not UTF-8 (byte %#02x); save it as UTF-8, or convert it: iconv -f CP949 -t UTF-8 "+
		"for Korean, CP1252 for western Windows", text[at])}
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
