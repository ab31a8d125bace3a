package tokenizer_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/tokenizer"
)

func Example() {
	t, err := tokenizer.ReadJSON([]byte(`{
		"added_tokens": [{"id": 6, "content": "<s>", "special": true}],
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
		"decoder": {"type": "ByteLevel"},
		"post_processor": {"type": "TemplateProcessing",
			"single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
			"special_tokens": {"<s>": {"id": "<s>", "ids": [6]}}},
		"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "c": 5}, "merges": ["a b", "Ġ ab"]}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := t.Encode("ab cab ab", tokenizer.EncodeOptions{})
	fmt.Println(ids)
	fmt.Printf("%q\n", t.Decode(ids, tokenizer.DecodeOptions{}))
	for _, k := range t.EncodeOffsets("c ab", tokenizer.EncodeOptions{NoSpecial: true}) {
		fmt.Println(k.Text, k.Start, k.End)
	}
	// Output:
	// [6 3 2 5 3 4]
	// "ab cab ab"
	// c 0 1
	// Ġab 1 4
}

func ExampleTokenizer_NewStream() {
	t, err := tokenizer.ReadJSON([]byte(`{
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
		"decoder": {"type": "ByteLevel"},
		"model": {"type": "BPE", "vocab": {"í": 0, "ķ": 1, "ľ": 2, "!": 3}, "merges": []}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	s := t.NewStream(tokenizer.DecodeOptions{})
	for _, id := range []int32{0, 1, 2, 3} { // 한 is three bytes, three tokens here
		fmt.Printf("%q ", s.Next(id))
	}
	fmt.Printf("%q\n", s.Flush())
	// Output:
	// "" "" "한" "!" ""
}
