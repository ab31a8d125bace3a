"""The official clients against a server: python client.py BASE_URL. Prints what was tried."""
import json
import sys

import anthropic
import openai
from pydantic import BaseModel

base = sys.argv[1]
key = "a-key-for-tests"
c = openai.OpenAI(base_url=base + "/v1", api_key=key, max_retries=0)
hello = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]

assert [m.id for m in c.models.list()] == ["tiny"]
assert c.models.retrieve("gpt-4o").id == "tiny"

whole = c.chat.completions.create(model="tiny", messages=hello, max_tokens=12, seed=3, n=2, logprobs=True, top_logprobs=2)
assert len(whole.choices) == 2 and whole.usage.completion_tokens > 0
assert len(whole.choices[0].logprobs.content[0].top_logprobs) == 2
texts, usage = ["", ""], None
with c.chat.completions.create(model="tiny", messages=hello, max_tokens=12, seed=3, n=2, stream=True, stream_options={"include_usage": True}) as stream:
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
assert texts == [choice.message.content for choice in whole.choices], texts
assert usage.total_tokens == whole.usage.total_tokens
print("chat")

tools = [{"type": "function", "function": {"name": name, "description": "d", "parameters": {
    "type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"], "additionalProperties": False}}} for name in ("lamp", "radio")]
call = c.chat.completions.create(model="tiny", messages=hello, max_tokens=300, tools=tools, tool_choice={"type": "function", "function": {"name": "radio"}})
assert call.choices[0].finish_reason == "tool_calls", call
assert call.choices[0].message.tool_calls[0].function.name == "radio"
assert call.choices[0].message.tool_calls[0].function.arguments in ('{"on":true}', '{"on":false}')
back = hello + [call.choices[0].message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.choices[0].message.tool_calls[0].id, "content": "done"}]
assert c.chat.completions.create(model="tiny", messages=back, max_tokens=3, tools=tools, tool_choice="none").choices[0].message.tool_calls is None
with c.chat.completions.stream(model="tiny", messages=hello, max_tokens=300, tools=tools, tool_choice="required", parallel_tool_calls=False) as stream:
    final = stream.get_final_completion()
assert final.choices[0].message.tool_calls[0].function.name in ("lamp", "radio")
print("tools")


class Verdict(BaseModel):
    ok: bool
    level: int


parsed = c.chat.completions.parse(model="tiny", messages=hello, max_tokens=200, response_format=Verdict)
assert isinstance(parsed.choices[0].message.parsed, Verdict)
print("schema")

r = c.responses.create(model="tiny", input="hello", instructions="be brief", max_output_tokens=8, temperature=0)
with c.responses.stream(model="tiny", input="hello", instructions="be brief", max_output_tokens=8, temperature=0) as stream:
    for event in stream:
        pass
    final = event.response  # get_final_response wants response.completed, and this one is cut at max_output_tokens
assert r.status == "incomplete" and r.incomplete_details.reason == "max_output_tokens"
assert event.type == 'response.incomplete' and final.output_text == r.output_text != "" and final.usage.output_tokens == 8
flat = [dict(t["function"], type="function") for t in tools]
asked = c.responses.create(model="tiny", input=[{"role": "user", "content": "hello"}], tools=flat, tool_choice="required", max_output_tokens=400, parallel_tool_calls=False)
assert asked.output[0].type == "function_call" and asked.output[0].name in ("lamp", "radio")
told = [{"role": "user", "content": "hello"}] + [asked.output[0].model_dump()] + [{"type": "function_call_output", "call_id": asked.output[0].call_id, "output": "done"}]
assert c.responses.create(model="tiny", input=told, tools=flat, tool_choice="none", max_output_tokens=3).output[0].type == "message"
assert isinstance(c.responses.parse(model="tiny", input="hello", text_format=Verdict, max_output_tokens=200).output_parsed, Verdict)
print("responses")

assert c.completions.create(model="tiny", prompt="once", max_tokens=4, seed=1, echo=True).choices[0].text.startswith("once")
e = c.embeddings.create(model="tiny", input=["a", "b"])
assert len(e.data) == 2 and abs(sum(x * x for x in e.data[1].embedding) - 1) < 1e-4
print("completions and embeddings")


def refused(kind, code, param, call):
    try:
        call()
    except kind as err:
        assert err.code == code and err.param == param, err
        return
    raise AssertionError("no " + kind.__name__)


refused(openai.NotFoundError, "model_not_found", "model", lambda: c.chat.completions.create(model="none", messages=hello))
refused(openai.BadRequestError, "unknown_parameter", "colour", lambda: c.chat.completions.create(model="tiny", messages=hello, extra_body={"colour": 1}))
refused(openai.BadRequestError, "invalid_value", "temperature", lambda: c.chat.completions.create(model="tiny", messages=hello, temperature=3))
refused(openai.BadRequestError, "context_length_exceeded", "max_tokens", lambda: c.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "long " * 500}]))
bad = openai.OpenAI(base_url=base + "/v1", api_key="another", max_retries=0)
refused(openai.AuthenticationError, "invalid_api_key", None, lambda: bad.models.list())
print("errors")

a = anthropic.Anthropic(base_url=base, api_key=key, max_retries=0)
m = a.messages.create(model="tiny", max_tokens=8, system="be brief", messages=[{"role": "user", "content": "hello"}], extra_body={"temperature": 0})
with a.messages.stream(model="tiny", max_tokens=8, system="be brief", messages=[{"role": "user", "content": "hello"}], extra_body={"temperature": 0}) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
assert m.stop_reason == "max_tokens" and text == m.content[0].text == final.content[0].text and final.usage.output_tokens == 8
mine = [{"name": t["function"]["name"], "input_schema": t["function"]["parameters"]} for t in tools]
used = a.messages.create(model="tiny", max_tokens=300, messages=[{"role": "user", "content": "hello"}], tools=mine, tool_choice={"type": "tool", "name": "lamp"})
assert used.stop_reason == "tool_use" and used.content[0].name == "lamp" and isinstance(used.content[0].input["on"], bool)
with a.messages.stream(model="tiny", max_tokens=300, messages=[{"role": "user", "content": "hello"}], tools=mine, tool_choice={"type": "any", "disable_parallel_tool_use": True}) as stream:
    assert isinstance(stream.get_final_message().content[0].input["on"], bool)
told = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": [b.model_dump() for b in used.content]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": used.content[0].id, "content": "done"}, {"type": "text", "text": "go on"}]}]
n = a.messages.count_tokens(model="tiny", messages=told, tools=mine).input_tokens
assert n > 20 and a.messages.create(model="tiny", max_tokens=2, messages=told, tools=mine, tool_choice={"type": "none"}).content[0].type == "text"
try:
    a.messages.create(model="none", max_tokens=1, messages=[{"role": "user", "content": "hello"}])
    raise AssertionError("no error")
except anthropic.NotFoundError as err:
    assert err.body["error"]["type"] == "not_found_error", err.body
schema = {"type": "json_schema", "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}}
shaped = a.messages.create(model="tiny", max_tokens=100, messages=[{"role": "user", "content": "hello"}], output_config={"format": schema})
assert isinstance(json.loads(shaped.content[0].text)["ok"], bool)
print("anthropic")
