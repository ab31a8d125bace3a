package chat

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// builtins are the formats of models that came without a template, or before there were any.
// Each is written after the reference named beside it. Where a conversation has no system
// message, the default of the format's own demo stands there.
var builtins = map[string]struct{ source, system string }{
	// FastChat and LLaVA: llava/conversation.py, conv_vicuna_v1 and those beside it.
	"vicuna": {begin + `{{ system + ' ' }}` + turns(`USER: `, ` `, `ASSISTANT: `, `</s>`) + prompt(`ASSISTANT:`),
		"A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions."},
	"llava-v0": {begin + `{{ system + '###' }}` + turns(`Human: `, `###`, `Assistant: `, `###`) + prompt(`Assistant:`),
		"A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the human's questions."},
	"llava-v1": {begin + `{{ system + ' ' }}` + turns(`USER: `, ` `, `ASSISTANT: `, `</s>`) + prompt(`ASSISTANT:`),
		"A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the human's questions."},
	"llava-llama-2": {begin + alternate + `{% for m in rest %}
{% if m.role == 'user' %}
{{ ('' if loop.first else '<s>') + '[INST] ' + ('<<SYS>>\n' + system + '\n<</SYS>>\n\n' if loop.first and system else '') + text(m) + ' [/INST]' }}
{%- else %}
{{ ' ' }}{% generation %}{{ text(m) + ' </s>' }}{% endgeneration %}
{% endif %}
{%- endfor %}`,
		"You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and assist the user with a variety of tasks using natural language."},
	"mpt": {begin + `{{ '<|im_start|>system\n' + system + '<|im_end|>' }}` +
		turns("<|im_start|>user\n", `<|im_end|>`, "<|im_start|>assistant\n", `<|im_end|>`) + prompt("<|im_start|>assistant\n"),
		"A conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers."},

	// The templates of Llama-2-7b-chat-hf, Meta-Llama-3-8B-Instruct and others, as of their release.
	"llama-2": {begin + alternate + `{% for m in rest %}
{% if m.role == 'user' %}
{{ bos_token + '[INST] ' + (('<<SYS>>\n' + system + '\n<</SYS>>\n\n' if loop.first and system is not none else '') + text(m)).strip() + ' [/INST]' }}
{%- elif m.role == 'assistant' %}
{{ ' ' }}{% generation %}{{ text(m).strip() + ' ' + eos_token }}{% endgeneration %}
{% endif %}
{%- endfor %}`, ""},
	"llama-3": {macros + `{{ bos_token }}{% for m in messages %}
{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}` + spoken(`text(m)|trim + '<|eot_id|>'`) + `{% endfor %}` +
		prompt("<|start_header_id|>assistant<|end_header_id|>\n\n"), ""},
	"chatml": {macros + `{% for m in messages %}
{{ '<|im_start|>' + m.role + '\n' }}` + spoken(`text(m) + '<|im_end|>'`) + "{{ '\\n' }}{% endfor %}" + prompt("<|im_start|>assistant\n"), ""},
	"mistral": {macros + `{{ bos_token }}{% set rest = messages %}` + alternate + `{% for m in rest %}
{% if m.role == 'user' %}
{{ '[INST] ' + text(m) + ' [/INST]' }}
{%- elif m.role == 'assistant' %}
{% generation %}{{ text(m) + eos_token }}{% endgeneration %}
{% else %}
{{ raise_exception('Only user and assistant roles are supported!') }}
{%- endif %}
{% endfor %}`, ""},
	"zephyr": {macros + `{% for m in messages if m.role in ['system', 'user', 'assistant'] %}
{{ '<|' + m.role + '|>\n' }}` + spoken(`text(m) + eos_token`) + "{{ '\\n' }}{% endfor %}" + prompt("<|assistant|>\n"), ""},
	"gemma": {macros + `{{ bos_token }}{% if messages and messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{% set rest = messages %}` + alternate + `{% for m in rest %}
{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}` + spoken(`text(m)|trim + '<end_of_turn>'`) + "{{ '\\n' }}{% endfor %}" +
		prompt("<start_of_turn>model\n"), ""},
}

// macros: a message's text, images first as LLaVA wants them.
const macros = `{%- macro text(m) %}
{% if m.content is string %}{{ m.content }}{% else %}
{% for p in m.content if p.type == 'image' %}{{ '<image>\n' }}{% endfor %}
{% for p in m.content if p.type == 'text' %}{{ p.text }}{% endfor %}
{% endif %}{% endmacro -%}
`

// begin takes the system message apart from the rest.
const begin = macros + `{%- if messages and messages[0].role == 'system' %}
{% set system = text(messages[0]) %}{% set rest = messages[1:] %}
{% else %}{% set system = default_system %}{% set rest = messages %}{% endif -%}
`

const alternate = `{%- for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{% endif %}{% endfor -%}
`

// turns writes "USER: text " and "ASSISTANT: text</s>"; of an empty message only "USER:".
func turns(user, userEnd, assistant, assistantEnd string) string {
	return fmt.Sprintf(`{%%- for m in rest %%}
{%% set t = text(m) %%}
{%% if m.role == 'user' %%}
{{ %[1]q + t + %[2]q if t else %[1]q|trim(' ') }}
{%%- elif m.role == 'assistant' %%}
{%% if t %%}
{{ %[3]q }}{%% generation %%}{{ t + %[4]q }}{%% endgeneration %%}
{%% else %%}
{{ %[3]q|trim(' ') }}
{%%- endif %%}
{%% else %%}
{{ raise_exception('Only system, user and assistant roles are supported, the first of them at the begin') }}
{%%- endif %%}
{%% endfor -%%}
`, user, userEnd, assistant, assistantEnd)
}

// spoken writes an expression, marked where the assistant speaks.
func spoken(x string) string {
	return `{% if m.role == 'assistant' %}{% generation %}{{ ` + x + ` }}{% endgeneration %}{% else %}{{ ` + x + ` }}{% endif %}`
}

// prompt ends where the assistant is to go on.
func prompt(s string) string {
	return fmt.Sprintf(`{%%- if add_generation_prompt %%}{{ %q }}{%% endif %%}`, s)
}

// Builtin gives a template by its name; see Builtins.
func Builtin(name string) (*Template, error) {
	b, ok := builtins[name]
	if !ok {
		return nil, fmt.Errorf("chat: there is no template %.60q; want one of %v", name, Builtins())
	}
	t, err := Parse(b.source)
	if err != nil {
		return nil, err
	}
	t.vars = map[string]any{"default_system": b.system}
	if name == "llama-2" {
		t.vars["default_system"] = nil
	}
	return t, nil
}

// Whole is the template as a checkpoint's chat_template.jinja: Source, with a built-in's own settings before it.
func (t *Template) Whole() string {
	switch system := t.vars["default_system"].(type) {
	case string:
		if strings.Contains(t.source, "default_system") {
			return fmt.Sprintf("{%%- set default_system = %q -%%}\n", system) + t.source
		}
	default:
		if t.vars != nil {
			return "{%- set default_system = none -%}\n" + t.source
		}
	}
	return t.source
}

// Builtins are the names that Builtin knows: vicuna is Vicuna v1.1 (and LLaVA 1.5), llama-2,
// llama-3, chatml, mistral (7B Instruct v0.2, Mixtral), zephyr, gemma, and LLaVA's others.
func Builtins() []string { return slices.Sorted(maps.Keys(builtins)) }
