package generate_test

import (
	"context"
	"fmt"
	"reflect"

	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/model/all"
)

func ExampleChain() {
	logits := []float32{2, 1, 0, -1}
	filters := generate.Chain{&generate.RepetitionPenalty{Penalty: 2}, generate.Temperature{T: 0.5}, generate.TopK{K: 2}}
	filters.Apply(logits, []int32{0})
	fmt.Println(logits)
	// Output: [2 2 -Inf -Inf]
}

// counter is a model of three tokens that says "one two one two …".
type counter struct{ n int }

func (c *counter) Start() (int, error) { return 0, nil }
func (c *counter) Step(_ context.Context, inputs []generate.Input) ([][]float32, error) {
	c.n++
	return [][]float32{{float32(c.n % 2), float32((c.n + 1) % 2), -1}}, nil
}
func (c *counter) Fork(seq int) (int, error) { return seq, nil }
func (c *counter) Truncate(seq, n int) error { return nil }
func (c *counter) Free(seq int)              {}

func ExampleStream() {
	v, err := generate.NewVocabulary([][]byte{[]byte("one "), []byte("two "), nil}, 2)
	if err != nil {
		panic(err)
	}
	for t, err := range generate.Stream(context.Background(), &counter{}, []int32{0}, generate.Options{MaxTokens: 3, Vocabulary: v}) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%d %q %q\n", t.ID, t.Text, t.Finish)
	}
	// Output:
	// 0 "one " ""
	// 1 "two " ""
	// 0 "one " "length"
}

func ExampleEngine() {
	m, err := all.NewDecoder("llama", []byte(`{"vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
		"num_attention_heads": 2, "max_position_embeddings": 128}`), 1) // or all.OpenDecoder
	if err != nil {
		panic(err)
	}
	e, err := generate.NewEngine(m, generate.EngineOptions{Slots: 4})
	if err != nil {
		panic(err)
	}
	defer e.Close()
	ctx := context.Background()
	var outs []*generate.Output
	for i := range int32(3) { // they run beside each other from here on
		out, err := e.Submit(ctx, []int32{1, 2, i}, generate.Options{MaxTokens: 5})
		if err != nil {
			panic(err)
		}
		outs = append(outs, out)
	}
	for _, out := range outs {
		n := 0
		for _, err := range out.Tokens() {
			if err != nil {
				panic(err)
			}
			n++
		}
		fmt.Println(out.PromptTokens(), n)
	}
	// Output:
	// 3 5
	// 3 5
	// 3 5
}

func ExampleSequence() {
	s, err := generate.NewSequence([]int32{7}, generate.Options{NoRepeatNGram: 1, MaxTokens: 3, LogProbs: true})
	if err != nil {
		panic(err)
	}
	for !s.Finished() {
		t, err := s.Next([]float32{0, 2, 1, 3}) // the model's logits after s.Tokens()
		if err != nil {
			panic(err)
		}
		fmt.Printf("%d %.2f\n", t.ID, t.LogProb)
	}
	// Output:
	// 3 -0.44
	// 1 -1.44
	// 2 -2.44
}

func ExampleJSONSchema() {
	type answer struct {
		City string `json:"city"`
		Mood string `json:"mood" enum:"good,bad"`
		Age  *int   `json:"age,omitempty"`
	}
	schema, err := generate.SchemaFor(reflect.TypeFor[answer]())
	if err != nil {
		panic(err)
	}
	v, err := generate.NewVocabulary([][]byte{[]byte("{"), nil}, 1) // the model's, really
	if err != nil {
		panic(err)
	}
	c, err := generate.JSONSchema(v, schema, generate.SchemaOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Println(c.Match(`{"city": "서울", "mood": "good"}`), c.Match(`{"city": "서울", "mood": "great"}`))
	_, err = generate.JSONSchema(v, []byte(`{"type": "array", "items": {"type": "integer", "multipleOf": 3}}`), generate.SchemaOptions{})
	fmt.Println(err)
	// Output:
	// true false
	// generate: schema at /items: "multipleOf" is not supported beside "type"
}
