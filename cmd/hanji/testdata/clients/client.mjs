// OpenAI's official client against a server: node client.mjs BASE_URL, from a folder whose node_modules has openai. Prints
// what was tried.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import path from 'node:path'

const require = createRequire(pathToFileURL(path.join(process.cwd(), 'x.js')))
const OpenAI = require('openai')
const base = process.argv[2]
const c = new OpenAI({ baseURL: base + '/v1', apiKey: 'a-key-for-tests', maxRetries: 0 })
const messages = [{ role: 'user', content: 'hello' }]
const model = 'tiny'

const ids = []
for await (const m of c.models.list()) ids.push(m.id)
assert.deepEqual(ids, [model])

const whole = await c.chat.completions.create({ model, messages, max_tokens: 12, seed: 3 })
let text = '', usage
for await (const chunk of await c.chat.completions.create({ model, messages, max_tokens: 12, seed: 3, stream: true, stream_options: { include_usage: true } })) {
  text += chunk.choices[0]?.delta?.content ?? ''
  usage = chunk.usage ?? usage
}
assert.equal(text, whole.choices[0].message.content)
assert.equal(usage.completion_tokens, whole.usage.completion_tokens)
console.log('chat')

const parameters = { type: 'object', properties: { on: { type: 'boolean' } }, required: ['on'], additionalProperties: false }
const tools = [{ type: 'function', function: { name: 'lamp', parameters } }]
const stream = c.chat.completions.stream({ model, messages, max_tokens: 300, tools, tool_choice: 'required', parallel_tool_calls: false })
const called = (await stream.finalChatCompletion()).choices[0]
assert.equal(called.finish_reason, 'tool_calls')
assert.equal(typeof JSON.parse(called.message.tool_calls[0].function.arguments).on, 'boolean')
console.log('tools')

const r = await c.responses.create({ model, input: 'hello', max_output_tokens: 8, temperature: 0 })
let said = ''
for await (const e of await c.responses.create({ model, input: 'hello', max_output_tokens: 8, temperature: 0, stream: true })) {
  if (e.type === 'response.output_text.delta') said += e.delta
}
assert.equal(said, r.output_text)
console.log('responses')

const e = await c.embeddings.create({ model, input: 'a' })
assert.ok(Math.abs(e.data[0].embedding.reduce((s, x) => s + x * x, 0) - 1) < 1e-4)
assert.ok((await c.completions.create({ model, prompt: 'once', max_tokens: 4, echo: true })).choices[0].text.startsWith('once'))
console.log('completions and embeddings')

await assert.rejects(c.chat.completions.create({ model: 'none', messages }), (err) => err instanceof OpenAI.NotFoundError && err.code === 'model_not_found')
await assert.rejects(c.chat.completions.create({ model, messages, colour: 1 }), (err) => err instanceof OpenAI.BadRequestError && err.param === 'colour')
console.log('errors')

const long = await c.chat.completions.create({ model, messages, stream: true, max_tokens: 900, logit_bias: { 2: -100 } })
for await (const chunk of long) if (chunk.choices[0].delta.content) break // the client hangs up
console.log('left')
