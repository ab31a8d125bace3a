package torchpt

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// Pickles are put together by hand here, opcode by opcode, so that a test can
// say what no Python would write.

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func num(v int) string {
	return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(int32(v))))
}

func nums(list ...int) string {
	s := "("
	for _, v := range list {
		s += num(v)
	}
	return s + "t"
}

func call(name, args string) string { return "c" + name + "\n" + args + "R" }

// store is a storage's persistent id.
func store(class, key string, n int) string {
	return "(" + text("storage") + "ctorch\n" + class + "\n" + text(key) + text("cpu") + num(n) + "tQ"
}

// rebuilt is a tensor as torch.save writes it.
func rebuilt(class, key string, n, offset int, shape, stride string) string {
	return call("torch._utils\n_rebuild_tensor_v2", "("+store(class, key, n)+num(offset)+shape+stride+"\x89"+call("collections\nOrderedDict", ")")+"t")
}

// ordered is an OrderedDict of alternating keys and values.
func ordered(pairs ...string) string {
	return call("collections\nOrderedDict", ")") + strings.TrimPrefix(plainDict(pairs...), "}")
}

// plainDict is a dict of alternating keys and values.
func plainDict(pairs ...string) string {
	s := "}("
	for i := 0; i < len(pairs); i += 2 {
		s += text(pairs[i]) + pairs[i+1]
	}
	return s + "u"
}

type record struct{ name, content string }

// archived zips records as torch does: stored, with nothing compressed.
func archived(t testing.TB, records ...record) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, r := range records {
		f, err := w.CreateHeader(&zip.FileHeader{Name: r.name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(r.content))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkpoint is an archive with a pickle and storages "0", "1", ...
func checkpoint(t testing.TB, pickle string, storages ...string) []byte {
	records := []record{{"archive/data.pkl", "\x80\x02" + pickle + "."}, {"archive/version", "3\n"}, {"archive/byteorder", "little"}}
	for i, s := range storages {
		records = append(records, record{fmt.Sprintf("archive/data/%d", i), s})
	}
	return archived(t, records...)
}

func f32(list ...float32) string {
	var b []byte
	for _, v := range list {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return string(b)
}
