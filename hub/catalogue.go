package hub

import (
	"slices"
	"strings"
)

// Entry is a model that the catalogue has a name for. All of them are of families that hanji runs.
type Entry struct {
	Name    string   // as in 'hanji pull NAME'
	Repo    string   // OWNER/NAME on the hub
	Tag     string   // type of the GGUF file; "": a folder of safetensors
	SHA256  []string // of the GGUF file, or of its parts in order; nil: what the hub says is all there is to compare with
	Bytes   int64    // of the weights' file; About: reckoned, not read from the hub
	About   bool
	Licence string // as the hub names it

	Params  int64   // weights
	Share   float64 // of the weights that a token needs: below 1 in a mixture of experts
	Context int     // T, in tokens
	KVBytes int64   // of keys and values a token, as f16: 2 · layers · key/value heads · head size · 2
}

// Ref is what Pull and Find take; tag, if any, takes the place of the entry's.
func (e Entry) Ref(tag string) Ref {
	if tag != "" {
		return Ref{Repo: e.Repo, Tag: tag}
	}
	return Ref{Repo: e.Repo, Tag: e.Tag, sums: e.SHA256}
}

// Resident is about how many bytes of memory the model takes with room for tokens (at most Context): a GGUF file as it is, a folder's
// weights as float32.
func (e Entry) Resident(tokens int) int64 {
	return e.weights() + e.KVBytes*int64(min(tokens, e.Context))
}

// Read is about how many bytes of weights a token reads: what the memory's bandwidth is divided by for the speed of decoding.
func (e Entry) Read() int64 { return int64(e.Share * float64(e.weights())) }

func (e Entry) weights() int64 {
	if e.Tag == "" {
		return 4 * e.Params
	}
	return e.Bytes
}

// Lookup finds a name of the catalogue, whatever its case, or NAME:TAG.
func Lookup(name string) (e Entry, tag string, ok bool) {
	name, tag, tagged := strings.Cut(name, ":")
	i := slices.IndexFunc(catalogue, func(e Entry) bool { return strings.EqualFold(e.Name, name) })
	if i < 0 || tagged && (catalogue[i].Tag == "" || !tagName.MatchString(tag)) {
		return Entry{}, "", false
	}
	return catalogue[i], tag, true
}

// Catalogue is all entries, in the order of families and sizes.
func Catalogue() []Entry { return slices.Clone(catalogue) }

// kv is Entry.KVBytes.
func kv(layers, heads, dim int64) int64 { return 2 * layers * heads * dim * 2 }

// catalogue: sizes and sums are those that several independent projects pin for the same file; where none were found, SHA256 is left out and
// Bytes is reckoned from the architecture.
var catalogue = []Entry{
	{Name: "smollm2-135m-instruct", Repo: "HuggingFaceTB/SmolLM2-135M-Instruct", Bytes: 269e6, About: true, Licence: "apache-2.0",
		Params: 134_515_008, Share: 1, Context: 8192, KVBytes: kv(30, 3, 64)},
	{Name: "smollm2-360m-instruct", Repo: "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF", Tag: "Q8_0", Bytes: 386_404_992, Licence: "apache-2.0",
		SHA256: []string{"48ab3034d0dd401fbc721eb1df3217902fee7dab9078992d66431f09b7750201"},
		Params: 361_821_120, Share: 1, Context: 8192, KVBytes: kv(32, 5, 64)},
	{Name: "smollm2-1.7b-instruct", Repo: "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF", Tag: "Q4_K_M", Bytes: 1_055_609_536, Licence: "apache-2.0",
		SHA256: []string{"decd2598bc2c8ed08c19adc3c8fdd461ee19ed5708679d1c54ef54a5a30d4f33"},
		Params: 1_711_376_384, Share: 1, Context: 8192, KVBytes: kv(24, 32, 64)},
	{Name: "tinyllama-1.1b-chat", Repo: "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF", Tag: "Q4_K_M", Bytes: 668_788_096, Licence: "apache-2.0",
		SHA256: []string{"9fecc3b3cd76bba89d504f29b616eedf7da85b96540e490ca5824d3f7d2776a0"},
		Params: 1_100_048_384, Share: 1, Context: 2048, KVBytes: kv(22, 4, 64)},
	{Name: "llama-3.2-1b-instruct", Repo: "bartowski/Llama-3.2-1B-Instruct-GGUF", Tag: "Q4_K_M", Bytes: 807_694_464, Licence: "llama3.2",
		SHA256: []string{"6f85a640a97cf2bf5b8e764087b1e83da0fdb51d7c9fab7d0fece9385611df83"},
		Params: 1_235_814_400, Share: 1, Context: 131072, KVBytes: kv(16, 8, 64)},
	{Name: "llama-3.2-3b-instruct", Repo: "bartowski/Llama-3.2-3B-Instruct-GGUF", Tag: "Q4_K_M", Bytes: 2_019_377_696, Licence: "llama3.2",
		SHA256: []string{"6c1a2b41161032677be168d354123594c0e6e67d2b9227c84f296ad037c728ff"},
		Params: 3_212_749_824, Share: 1, Context: 131072, KVBytes: kv(28, 8, 128)},
	{Name: "qwen2.5-0.5b-instruct", Repo: "Qwen/Qwen2.5-0.5B-Instruct-GGUF", Tag: "Q8_0", Bytes: 675_710_816, Licence: "apache-2.0",
		SHA256: []string{"ca59ca7f13d0e15a8cfa77bd17e65d24f6844b554a7b6c12e07a5f89ff76844e"},
		Params: 494_032_768, Share: 1, Context: 32768, KVBytes: kv(24, 2, 64)},
	{Name: "qwen2.5-1.5b-instruct", Repo: "Qwen/Qwen2.5-1.5B-Instruct-GGUF", Tag: "Q4_K_M", Bytes: 1_117_320_736, Licence: "apache-2.0",
		SHA256: []string{"6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e"},
		Params: 1_543_714_304, Share: 1, Context: 32768, KVBytes: kv(28, 2, 128)},
	{Name: "qwen2.5-7b-instruct", Repo: "Qwen/Qwen2.5-7B-Instruct-GGUF", Tag: "Q4_K_M", Bytes: 4_683_073_632, Licence: "apache-2.0",
		SHA256: []string{"dfce12e3862a5283ccfb88221b48480e58745165de856439950d0f22590580db", "539cf93f78e887edea1c04e2d7d8cdaca9d01dae9c9025bcb8accbe29df3d72a"},
		Params: 7_615_616_512, Share: 1, Context: 32768, KVBytes: kv(28, 4, 128)},
	{Name: "qwen3-0.6b", Repo: "Qwen/Qwen3-0.6B-GGUF", Tag: "Q8_0", Bytes: 639_446_688, Licence: "apache-2.0",
		SHA256: []string{"9465e63a22add5354d9bb4b99e90117043c7124007664907259bd16d043bb031"},
		Params: 596_049_920, Share: 1, Context: 40960, KVBytes: kv(28, 8, 128)},
	{Name: "qwen3-1.7b", Repo: "Qwen/Qwen3-1.7B-GGUF", Tag: "Q8_0", Bytes: 1_834_426_016, Licence: "apache-2.0",
		SHA256: []string{"061b54daade076b5d3362dac252678d17da8c68f07560be70818cace6590cb1a"},
		Params: 1_720_574_976, Share: 1, Context: 40960, KVBytes: kv(28, 8, 128)},
	{Name: "qwen3-4b", Repo: "Qwen/Qwen3-4B-GGUF", Tag: "Q4_K_M", Bytes: 2_497_280_256, Licence: "apache-2.0",
		SHA256: []string{"7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5"},
		Params: 4_022_468_096, Share: 1, Context: 40960, KVBytes: kv(36, 8, 128)},
	{Name: "qwen3-8b", Repo: "Qwen/Qwen3-8B-GGUF", Tag: "Q4_K_M", Bytes: 5_027_783_488, Licence: "apache-2.0",
		SHA256: []string{"d98cdcbd03e17ce47681435b5150e34c1417f50b5c0019dd560e4882c5745785"},
		Params: 8_190_735_360, Share: 1, Context: 40960, KVBytes: kv(36, 8, 128)},
	{Name: "mistral-7b-instruct", Repo: "bartowski/Mistral-7B-Instruct-v0.3-GGUF", Tag: "Q4_K_M", Bytes: 4_372_812_000, Licence: "apache-2.0",
		SHA256: []string{"1270d22c0fbb3d092fb725d4d96c457b7b687a5f5a715abe1e818da303e562b6"},
		Params: 7_248_023_552, Share: 1, Context: 32768, KVBytes: kv(32, 8, 128)},
	{Name: "vicuna-7b", Repo: "TheBloke/vicuna-7B-v1.5-GGUF", Tag: "Q4_K_M", Bytes: 4.08e9, About: true, Licence: "llama2",
		Params: 6_738_415_616, Share: 1, Context: 4096, KVBytes: kv(32, 32, 128)},
	{Name: "gemma-3-1b-it", Repo: "ggml-org/gemma-3-1b-it-GGUF", Tag: "Q4_K_M", Bytes: 806_058_240, Licence: "gemma",
		SHA256: []string{"8ccc5cd1f1b3602548715ae25a66ed73fd5dc68a210412eea643eb20eb75a135"},
		Params: 999_885_952, Share: 1, Context: 32768, KVBytes: kv(26, 1, 256)},
	{Name: "mixtral-8x7b-instruct", Repo: "TheBloke/Mixtral-8x7B-Instruct-v0.1-GGUF", Tag: "Q4_K_M", Bytes: 26.4e9, About: true, Licence: "apache-2.0",
		Params: 46_702_792_704, Share: 0.276, Context: 32768, KVBytes: kv(32, 8, 128)},
}
