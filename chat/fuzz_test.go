package chat_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/chat"
)

// render gives any template a conversation, and checks what must hold of every outcome.
func render(t *testing.T, source string) {
	t.Helper()
	tmpl, err := chat.Parse(source)
	if err != nil {
		var e *chat.Error
		if !errors.As(err, &e) || e.Line < 1 || strings.Contains(err.Error(), "\n") {
			t.Fatalf("%q: %T %q", source, err, err)
		}
		return
	}
	begin := time.Now()
	p, err := tmpl.Render([]chat.Message{
		{Role: "system", Content: "s"}, {Role: "user", Content: "Hi\n"},
		{Role: "user", Parts: []chat.Part{{Type: "image"}, {Type: "text", Text: "t"}}},
		{Role: "assistant", Content: "한", Extra: map[string]any{"tool_calls": []any{map[string]any{"name": "f", "n": 1.5}}}},
	}, chat.Options{AddGenerationPrompt: true, BOS: "<s>", EOS: "</s>", Extra: map[string]any{"tools": []any{map[string]any{"a": 1}}}})
	if d := time.Since(begin); d > 10*time.Second {
		t.Fatalf("%q takes %v", source, d)
	}
	if err != nil {
		var e *chat.Error
		var r *chat.RaisedError
		if !errors.As(err, &e) && !errors.As(err, &r) {
			t.Fatalf("%q: %T %q", source, err, err)
		}
		return
	}
	at := 0
	for _, s := range p.Assistant {
		if s.Start < at || s.End <= s.Start || s.End > len(p.Text) {
			t.Fatalf("%q: span %v of %d bytes", source, s, len(p.Text))
		}
		at = s.End
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{{ bos_token }}{% for m in messages if m.role != 'system' %}{{ loop.index0 ~ m['role'] | upper }}{% else %}none{% endfor %}`,
		`{%- set ns = namespace(a=0) -%}{% for i in range(3) %}{% set ns.a = ns.a + i ** 2 // 2 %}{% if i is odd %}{% continue %}{% endif %}{% endfor %}{{ ns.a }}`,
		`{% macro f(a, b=2) %}[{{ a }}{{ b }}{{ caller() }}]{% endmacro %}{% call f(1) %}x{% endcall %}{{ f(1, b=3) }}`,
		`{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(',') }}{{ tools | tojson(indent=2) }}`,
		`{% generation %}{{ messages[-1].content[::-1] }}{% endgeneration %}{% set x %}y{% endset %}{{ x * 3 if x else [1, {'a': (2, 3)}] }}`,
		`{% raw %}{{ x }}{% endraw %}{# c #}{% filter trim %} a {% endfilter %}{{ 'a\x41' 'b' | replace('a', 'b') | indent(2) }}`,
		`{{ raise_exception('no') if not add_generation_prompt is defined else strftime_now('%Y') }}`,
		`{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{{ loop.cycle(1, 2) }}{% endfor %}{{ messages[1:][0].content.split('i')[-1].strip() }}`,
		`{{ [3, 1] | sort | first }}{{ 7 / 2 }}{{ -7 % 3 }}{{ 1 < 2 < 3 and 'a' not in 'b' }}{{ none | default('x', true) }}{{ 2.50 | round(1) }}`,
	} {
		f.Add(s)
	}
	f.Fuzz(render)
}
