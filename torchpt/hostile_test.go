package torchpt

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What calls anything but a tensor's own builders is refused, and named.
func TestMaliciousPickles(t *testing.T) {
	x := rebuilt("FloatStorage", "0", 1, 0, nums(1), nums(1))
	for pickle, want := range map[string]string{
		call("posix\nsystem", "("+text("id")+"t"):                          `pickle wants to call "posix.system"; refused: only tensors are read`,
		"cnt\nsystem\n(S'id'\ntR":                                          `"nt.system"`,
		text("os") + text("system") + "\x93(" + text("id") + "tR":          `"os.system"`,
		"(S'id'\nios\nsystem\n":                                            `"os.system"`, // INST
		"(cbuiltins\neval\n" + text("1") + "o":                             `"builtins.eval"`,
		call("builtins\ngetattr", "("+text("a")+text("b")+"t"):             `"builtins.getattr"`,
		call("torch\nload", "("+text("a")+"t"):                             `"torch.load"`,
		call("torch._utils\n_rebuild_sparse_tensor", ")"):                  `"torch._utils._rebuild_sparse_tensor"`,
		call("torch.storage\n_load_from_bytes", "("+text("x")+"t"):         `"torch.storage._load_from_bytes"`,
		call("numpy.core.multiarray\n_reconstruct", ")"):                   `"numpy.core.multiarray._reconstruct"`,
		call("collections\nOrderedDict.__init__", ")"):                     `"collections.OrderedDict.__init__"`,
		ordered("a", x, "b", call("subprocess\nPopen", "("+text("x")+"t")): `"subprocess.Popen"`,
		call("posix\n"+strings.Repeat("x", 1000), ")"):                     `xxx..."; refused`,
		"\x82\x01":                              "opcode has no place", // EXT1
		"\x97":                                  "opcode has no place", // NEXT_BUFFER
		x + "}b":                                "cannot set the state of a tensor",
		x + ")R":                                "cannot call a tensor",
		"ctorch\nFloatStorage\n)R":              "cannot call torch.FloatStorage",
		"ctorch\nFloatStorage\n}" + "b":         "cannot set the state of torch.FloatStorage",
		"Pstorage\n":                            "opcode has no place", // PERSID, protocol 0
		text("storage") + "Q":                   "persistent id is no storage",
		"(" + text("module") + "NNNNtQ":         "persistent id is no storage",
		store("FloatStorage", "../data.pkl", 1): `record "archive/data/../data.pkl" is missing`,
		store("QInt8Storage", "0", 1):           `"torch.QInt8Storage"`,
		store("FloatStorage", "9", 1):           `record "archive/data/9" is missing`,
		store("FloatStorage", "0", 2):           `storage "0" has 4 bytes, its 2 elements of F32 take 8`,
		store("FloatStorage", "0", -1):          "-1 elements",
		"(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7ftQ": "overflows",
		store("FloatStorage", "0", 1) + "0" + store("IntStorage", "0", 1):                                                         "two types",
		rebuilt("FloatStorage", "0", 1, 0, nums(2), nums(1)):                                                                      "reaches element 1, its storage has 1",
		rebuilt("FloatStorage", "0", 1, 1, nums(1), nums(1)):                                                                      "reaches element 1",
		rebuilt("FloatStorage", "0", 1, -1, nums(1), nums(1)):                                                                     "with offset -1",
		rebuilt("FloatStorage", "0", 1, 0, nums(-1), nums(1)):                                                                     "with offset 0, size a tuple of 1",
		rebuilt("FloatStorage", "0", 1, 0, nums(1), nums(-1)):                                                                     "with offset",
		rebuilt("FloatStorage", "0", 1, 0, nums(1, 1), nums(1)):                                                                   "with offset",
		rebuilt("FloatStorage", "0", 1, 0, nums(make([]int, 65)...), nums(make([]int, 65)...)):                                    "with offset",
		rebuilt("FloatStorage", "0", 1, 0, nums(1<<30, 1<<30, 1<<30), nums(0, 0, 0)):                                              "overflows",
		rebuilt("FloatStorage", "0", 1, 0, nums(1<<20, 1<<20), nums(1<<30, 1<<30)):                                                "reaches element",
		rebuilt("FloatStorage", "0", 1, 0, nums(1<<30, 1<<20), nums(0, 0)):                                                        "expanded tensors? call .contiguous()",
		"ctorch._utils\n_rebuild_tensor_v2\n(NNtR":                                                                                "with 2 arguments, want 6",
		"ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR":                                                                            "on None, want a storage",
		"ctorch._utils\n_rebuild_parameter\n)R":                                                                                   "without a tensor",
		"ctorch\ndevice\n(]tR":                                                                                                    "torch.device of what is no name",
		"ctorch\nSize\n(NtR":                                                                                                      "torch.Size of None",
		"ccollections\nOrderedDict\n(](NtatR":                                                                                     "no pairs",
		"":                                                                                                                        "stack is too short",
		"N(":                                                                                                                      "stack is too short",
		"N(0" + "00":                                                                                                              "stack is too short",
		"t":                                                                                                                       "no mark",
		"(a":                                                                                                                      "stack is too short",
		"NNa":                                                                                                                     "cannot fill None",
		"](NNu":                                                                                                                   "cannot fill a list",
		"}(Nu":                                                                                                                    "a key without a value",
		"h\x07":                                                                                                                   "memo slot 7 is empty",
		"\x80\x06":                                                                                                                "protocol 6",
		"X\xff\xff\xff\xff":                                                                                                       "pickle ends early",
		"\x8d\xff\xff\xff\xff\xff\xff\xff\xff":                                                                                    "pickle ends early",
		"X\x01\x00\x00\x00\xff":                                                                                                   "not UTF-8",
		"I12":                                                                                                                     "pickle ends early",
		"Ix\n":                                                                                                                    "no integer",
		"L" + strings.Repeat("9", 500) + "L\n":                                                                                    "integer of 500 digits",
		"S'a\\nb'\n":                                                                                                              "no plain quoted string",
	} {
		before := time.Now()
		_, err := Parse(checkpoint(t, pickle, f32(1)))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "torchpt: ") {
			t.Errorf("%.80q: error is %v, want %s", pickle, err, want)
		}
		if took := time.Since(before); took > 5*time.Second {
			t.Errorf("%.80q: took %v", pickle, took)
		}
	}
	path := filepath.Join(t.TempDir(), "x.pth")
	os.WriteFile(path, checkpoint(t, call("posix\nsystem", "("+text("id")+"t")), 0o644)
	want := `torchpt: ` + path + `: pickle wants to call "posix.system"; refused: only tensors are read`
	if _, err := Open(path); err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// Short programs that would fill the memory or never end, each an error or
// harmless, within bounds that follow from the file's size.
func TestBombs(t *testing.T) {
	x := rebuilt("FloatStorage", "0", 1, 0, nums(1), nums(1))
	doubling := "]" + x + "a" // each list holds the one before twice: 2^60 paths to x
	for range 60 {
		doubling += "2\x86" // DUP TUPLE2
	}
	shallow := "](" + strings.Repeat("N", 30) + "e"
	for range 12 { // 12 levels of 32-fold sharing: 2^60 paths, and not too deep
		shallow += "q\x00](" + strings.Repeat("h\x00", 32) + "e"
	}
	names := text(strings.Repeat("k", 1<<16)) + "q\x000" // names of up to 30 × 64 KB, from one key
	names += strings.Repeat("}h\x00", 30) + x + strings.Repeat("s", 30)
	var copies strings.Builder // torch.Size(list) of a growing list, kept each time
	copies.WriteString("](" + strings.Repeat("N", 20000) + "eq\x00(")
	for range 20000 {
		copies.WriteString("ctorch\nSize\nh\x00\x85R")
	}
	copies.WriteString("t")
	var many strings.Builder // a million tensors on one storage, all of it
	many.WriteString("](")
	many.WriteString(rebuilt("FloatStorage", "0", 1<<20, 0, nums(1<<20), nums(1)) + "q\x01")
	many.WriteString(strings.Repeat("h\x01", 5000) + "e")
	for name, c := range map[string]struct{ pickle, storage, want string }{
		"doubling":      {doubling, f32(1), "no end"},
		"sharing":       {shallow, f32(1), "no end"},
		"cycle":         {"]q\x00h\x00a", f32(1), "no end"},
		"cycle in dict": {"}q\x00" + text("state_dict") + "h\x00s", f32(1), "no end"},
		"cycle of root": {"}q\x00" + text("a") + ordered("w", x) + "s" + text("model") + "h\x00s", f32(1), "no end"},
		"deep":          {strings.Repeat("]", 1<<20) + strings.Repeat("a", 1<<20-1), f32(1), "no end"},
		"marks":         {strings.Repeat("(", 1<<20), f32(1), "too short"},
		"dup":           {"N" + strings.Repeat("2", 1<<20), f32(1), ""},
		"memo":          {"Nr\xff\xff\xff\xff" + strings.Repeat("\x94", 1<<20), f32(1), ""},
		"long names":    {names, f32(1), "no end"},
		"copies":        {copies.String(), f32(1), "pickle bomb"},
		"many tensors":  {many.String(), f32(make([]float32, 1<<20)...), "take more than"},
	} {
		file := checkpoint(t, c.pickle, c.storage)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		f, err := Parse(file)
		if err == nil {
			f.Value()
		}
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
		t.Logf("%s: %d KB, %v, %d MB allocated: %v", name, len(file)>>10, took.Round(time.Millisecond), allocated, err)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error is %v, want %q", name, err, c.want)
		}
		// 1 MB of opcodes makes 1 M values of some 100 bytes; the rest is growth.
		if took > 10*time.Second || allocated > 512 {
			t.Errorf("%s: took %v and %d MB", name, took, allocated)
		}
	}
}

func TestBadArchives(t *testing.T) {
	good := exampleFile()
	pkl := record{"a/data.pkl", "\x80\x02}."}
	var deflated bytes.Buffer
	w := zip.NewWriter(&deflated)
	f, _ := w.Create("a/data.pkl")
	f.Write(make([]byte, 1000))
	w.Close()
	tar := make([]byte, 512)
	copy(tar[257:], "ustar")
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":       {nil, "no zip archive"},
		"legacy":      {[]byte("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), "before version 1.6"},
		"tar":         {tar, "before version 0.1.10"},
		"truncated":   {good[:len(good)-30], "truncated download?"},
		"half":        {good[:len(good)/2], "truncated download?"},
		"other zip":   {archived(t, record{"word/document.xml", "x"}), "without data.pkl"},
		"deep":        {archived(t, record{"a/b/data.pkl", "}."}), "without data.pkl"},
		"two":         {archived(t, pkl, record{"b/data.pkl", "}."}), "two records data.pkl"},
		"twice":       {archived(t, pkl, record{"a/x", ""}, record{"a/x", ""}), `"a/x" stands twice`},
		"torchscript": {archived(t, pkl, record{"a/constants.pkl", "}."}), "TorchScript"},
		"big endian":  {archived(t, pkl, record{"a/byteorder", "big"}), `byte order is "big"`},
		"deflated":    {deflated.Bytes(), "is compressed or encrypted"},
	} {
		if _, err := Parse(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %s", name, err, c.want)
		}
	}
	// Sizes in the directory that reach behind the file.
	at := bytes.LastIndex(good, []byte("PK\x01\x02"))
	bad := bytes.Clone(good)
	binary.LittleEndian.PutUint32(bad[at+20:], 1<<30)
	binary.LittleEndian.PutUint32(bad[at+24:], 1<<30)
	if _, err := Parse(bad); err == nil || !strings.Contains(err.Error(), "ends after the file") {
		t.Errorf("record behind the file: %v", err)
	}
}

func FuzzTorch(f *testing.F) {
	x := rebuilt("FloatStorage", "0", 4, 0, nums(2, 2), nums(1, 2))
	for _, pickle := range []string{
		ordered("w", x, "b", x),
		"}" + text("state_dict") + ordered("w", x) + "s" + text("n") + "(I1\nL2L\nF1.5\nK\x01M\x01\x00\x8a\x01\xffts",
		call("torch\nSize", "("+nums(1, 2)+"t"),
		"(S'a'\nVb\nU\x01c\x8c\x01dC\x01e\x8e\x01\x00\x00\x00\x00\x00\x00\x00f\x96\x01\x00\x00\x00\x00\x00\x00\x00gl",
		"\x95\x08\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94]\x94(K\x01Ge\x02345678\x88\x89Nes\x8f(N\x90(N\x910",
		call("posix\nsystem", "("+text("id")+"t"),
		"}q\x00" + text("state_dict") + "h\x00s",
	} {
		f.Add([]byte(pickle), []byte(f32(1, 2, 3, 4)))
		f.Add(checkpoint(f, pickle, f32(1, 2, 3, 4)), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, data, storage []byte) {
		// The fuzzer cannot keep a zip's checksums and offsets right, so it works
		// on the pickle alone too.
		files := [][]byte{data}
		if storage != nil {
			files = append(files, checkpoint(t, string(data), string(storage)))
		}
		for _, file := range files {
			f, err := Parse(file)
			if err != nil {
				continue
			}
			for _, name := range f.Names() {
				x, ok := f.Tensor(name)
				if !ok {
					t.Fatalf("%q is named but not there", name)
				}
				if err := x.Check(); err != nil {
					t.Fatal(err)
				}
			}
			f.Value()
		}
	})
}
