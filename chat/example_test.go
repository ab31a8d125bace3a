package chat_test

import (
	"fmt"

	"github.com/hanji-ml/hanji/chat"
)

func Example() {
	t, err := chat.Parse("{% for m in messages %}<{{ m.role }}>{{ m['content'] | trim }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := t.Render([]chat.Message{{Role: "user", Content: " What is hanji? "}}, chat.Options{AddGenerationPrompt: true})
	fmt.Printf("%q %v\n", p.Text, err)
	// Output: "<user>What is hanji?\n<assistant>" <nil>
}

func ExampleBuiltin() {
	t, err := chat.Builtin("vicuna")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := t.Render([]chat.Message{
		{Role: "system", Content: "Be brief."},
		{Role: "user", Content: "Capital of Korea?"},
		{Role: "assistant", Content: "Seoul."},
	}, chat.Options{})
	fmt.Println(p.Text, err)
	for _, s := range p.Assistant {
		fmt.Println(p.Text[s.Start:s.End])
	}
	// Output:
	// Be brief. USER: Capital of Korea? ASSISTANT: Seoul.</s> <nil>
	// Seoul.</s>
}
