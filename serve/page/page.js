'use strict'

const words = {
  en: {
    tabs: 'What to do', chat: 'Chat', forecast: 'Forecast', settings: 'Settings', model: 'Model', temperature: 'Temperature', topP: 'Top-p',
    maxTokens: 'Longest answer (tokens)', key: 'API key', system: 'Instructions', conversation: 'Conversation', message: 'Message',
    messageHint: 'Enter sends, Shift+Enter begins a line', send: 'Send', stop: 'Stop', clear: 'Clear', you: 'You', stopped: 'Stopped.',
    drop: 'Drop a table of times and numbers here (CSV, TSV, JSON lines, Parquet), or choose a file', horizon: 'Steps ahead', series: 'Series',
    working: 'Working…', tokens: (n, s) => `${n} tokens, ${s} s`, plot: (id, n) => `${id}: its last steps and a forecast of ${n}, with its 80 % interval`,
    model_: (m, why) => `Model: ${m}. ${why}`, noModel: 'The server is loading its model; try again in a moment.',
  },
  ko: {
    tabs: '할 일', chat: '대화', forecast: '예측', settings: '설정', model: '모델', temperature: '온도', topP: 'Top-p',
    maxTokens: '답의 최대 길이(토큰)', key: 'API 키', system: '지시문', conversation: '대화 내용', message: '메시지',
    messageHint: 'Enter로 보내고 Shift+Enter로 줄을 바꿉니다', send: '보내기', stop: '멈춤', clear: '지우기', you: '나', stopped: '멈췄습니다.',
    drop: '시각과 숫자로 된 표(CSV, TSV, JSON lines, Parquet)를 여기에 놓거나 파일을 고르세요', horizon: '앞으로 몇 단계', series: '시계열',
    working: '계산하는 중…', tokens: (n, s) => `토큰 ${n}개, ${s}초`, plot: (id, n) => `${id}: 최근 값과 앞으로 ${n}단계의 예측, 80% 구간`,
    model_: (m, why) => `모델: ${m}. ${why}`, noModel: '서버가 모델을 읽는 중입니다. 잠시 뒤에 다시 해 보세요.',
  },
}

const $ = (id) => document.getElementById(id)
let lang = (navigator.language || 'en').startsWith('ko') ? 'ko' : 'en'
let history = []
let running = null
let forecasts = null

function speak() {
  const w = words[lang]
  document.documentElement.lang = lang
  for (const e of document.querySelectorAll('[data-text]')) e.textContent = w[e.dataset.text]
  for (const e of document.querySelectorAll('[data-label]')) e.setAttribute('aria-label', w[e.dataset.label])
  for (const e of document.querySelectorAll('[data-placeholder]')) e.placeholder = w[e.dataset.placeholder]
  $('language').textContent = lang === 'ko' ? 'English' : '한국어'
  $('language').lang = lang === 'ko' ? 'en' : 'ko'
  if (forecasts) draw()
}

function say(text, wrong) {
  $('status').textContent = text
  $('status').classList.toggle('wrong', !!wrong)
}

function headers(more) {
  const h = { ...more }
  if ($('key').value) h.Authorization = 'Bearer ' + $('key').value
  return h
}

async function failure(response) {
  try {
    return (await response.json()).error.message
  } catch {
    return response.status + ' ' + response.statusText
  }
}

async function loadModels() {
  try {
    const r = await fetch('v1/models', { headers: headers() })
    if (!r.ok) return say(await failure(r), true)
    const names = (await r.json()).data.map((m) => m.id)
    $('model').replaceChildren(...names.map((n) => new Option(n, n)))
    say(names.length ? '' : words[lang].noModel)
  } catch (e) {
    say(e.message, true)
  }
}

function turn(role, text) {
  const e = document.createElement('div')
  e.className = 'turn ' + role
  const who = document.createElement('b')
  who.textContent = role === 'user' ? words[lang].you : $('model').value
  const body = document.createElement('span')
  body.textContent = text
  e.append(who, body)
  $('log').append(e)
  e.scrollIntoView({ block: 'end' })
  return body
}

// events yields the data of server-sent events.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let held = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    held += value
    const parts = held.split('\n\n')
    held = parts.pop()
    for (const part of parts) {
      for (const line of part.split('\n')) if (line.startsWith('data: ')) yield line.slice(6)
    }
  }
}

async function ask(text) {
  history.push({ role: 'user', content: text })
  turn('user', text)
  const body = { model: $('model').value, messages: history, stream: true, stream_options: { include_usage: true } }
  if ($('system').value) body.messages = [{ role: 'system', content: $('system').value }, ...history]
  for (const id of ['temperature', 'top_p', 'max_tokens']) if ($(id).value) body[id] = Number($(id).value)
  running = new AbortController()
  $('send').disabled = true
  $('stop').disabled = false
  say(words[lang].working)
  const began = performance.now()
  let out = null, answer = ''
  try {
    const r = await fetch('v1/chat/completions', { method: 'POST', headers: headers({ 'Content-Type': 'application/json' }), body: JSON.stringify(body), signal: running.signal })
    if (!r.ok) throw new Error(await failure(r))
    out = turn('assistant', '')
    for await (const data of events(r.body)) {
      if (data === '[DONE]') break
      const chunk = JSON.parse(data)
      if (chunk.error) throw new Error(chunk.error.message)
      answer += chunk.choices[0]?.delta?.content ?? ''
      out.textContent = answer
      $('log').scrollTop = $('log').scrollHeight
      if (chunk.usage) say(words[lang].tokens(chunk.usage.completion_tokens, ((performance.now() - began) / 1000).toFixed(1)))
    }
  } catch (e) {
    if (e.name === 'AbortError') say(words[lang].stopped)
    else say(e.message, true)
  }
  if (out) history.push({ role: 'assistant', content: answer })
  else history.pop()
  running = null
  $('send').disabled = false
  $('stop').disabled = true
  $('text').focus()
}

async function predict(file) {
  say(words[lang].working)
  const query = $('horizon').value ? '?horizon=' + encodeURIComponent($('horizon').value) : ''
  try {
    const r = await fetch('v1/forecast' + query, { method: 'POST', headers: headers({ 'Content-Type': 'application/octet-stream' }), body: file })
    if (!r.ok) throw new Error(await failure(r))
    forecasts = await r.json()
    say(forecasts.notes.join('; '))
    $('series').replaceChildren(...forecasts.forecast.series.map((s, i) => new Option(s.unique_id, i)))
    $('series').disabled = false
    draw()
  } catch (e) {
    say(e.message, true)
  }
}

function svg(name, attributes, ...children) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v)
  e.append(...children)
  return e
}

// draw shows one series: its last steps, the forecast, the band between the outer quantiles.
function draw() {
  const at = Number($('series').value)
  const past = forecasts.history[at], next = forecasts.forecast.series[at]
  const levels = Object.keys(next.quantiles).sort((a, b) => a - b)
  const low = next.quantiles[levels[0]], high = next.quantiles[levels.at(-1)]
  const n = past.y.length, W = 800, H = 320, left = 60, bottom = 24, top = 8
  const all = [...past.y.filter((v) => v !== null), ...next.mean, ...low, ...high]
  let min = Math.min(...all), max = Math.max(...all)
  if (min === max) [min, max] = [min - 1, max + 1]
  const x = (i) => left + (W - left - 8) * i / Math.max(1, n + next.mean.length - 1)
  const y = (v) => top + (H - top - bottom) * (max - v) / (max - min)
  const path = (values, from) => {
    let d = '', pen = 'M'
    values.forEach((v, i) => {
      if (v === null) { pen = 'M'; return }
      d += `${pen}${x(from + i).toFixed(1)} ${y(v).toFixed(1)}`
      pen = 'L'
    })
    return d
  }
  const band = path(high, n) + low.map((v, i) => `L${x(n + i).toFixed(1)} ${y(v).toFixed(1)}`).reverse().join('') + 'Z'
  const label = words[lang].plot(next.unique_id, next.mean.length)
  const text = (tx, ty, s, anchor) => svg('text', { x: tx, y: ty, 'text-anchor': anchor }, s)
  const day = (v) => String(v).replace(/T00:00:00Z$/, '').replace('T', ' ').replace('Z', '')
  const number = (v) => Number(v.toPrecision(4)).toString()
  $('plot').replaceChildren(svg('svg', { viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': label },
    svg('title', {}, label),
    svg('line', { class: 'axis', x1: left, y1: y(min), x2: W - 8, y2: y(min) }), svg('line', { class: 'axis', x1: left, y1: y(max), x2: W - 8, y2: y(max) }),
    text(left - 6, y(min) + 4, number(min), 'end'), text(left - 6, y(max) + 4, number(max), 'end'),
    text(left, H - 6, day(past.ds[0]), 'start'), text(W - 8, H - 6, day(next.ds.at(-1)), 'end'),
    svg('path', { class: 'band', d: band }), svg('path', { class: 'past', d: path(past.y, 0) }), svg('path', { class: 'mean', d: path([past.y.at(-1), ...next.mean], n - 1) })))
  $('why').textContent = words[lang].model_(next.model, next.why)
}

const tabs = ['chat', 'forecast']
function show(which) {
  for (const t of tabs) {
    $(t).hidden = t !== which
    $('tab-' + t).setAttribute('aria-selected', String(t === which))
    $('tab-' + t).tabIndex = t === which ? 0 : -1
  }
  say('')
}

for (const t of tabs) {
  $('tab-' + t).addEventListener('click', () => show(t))
  $('tab-' + t).addEventListener('keydown', (e) => {
    if (e.key !== 'ArrowLeft' && e.key !== 'ArrowRight') return
    const other = tabs[1 - tabs.indexOf(t)]
    show(other)
    $('tab-' + other).focus()
  })
}
$('language').addEventListener('click', () => { lang = lang === 'ko' ? 'en' : 'ko'; speak() })
$('key').addEventListener('change', loadModels)
$('ask').addEventListener('submit', (e) => {
  e.preventDefault()
  const text = $('text').value.trim()
  if (!text || running) return
  $('text').value = ''
  ask(text)
})
$('text').addEventListener('keydown', (e) => {
  if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { // Korean is composed: its Enter ends a syllable first
    e.preventDefault()
    $('ask').requestSubmit()
  }
})
$('stop').addEventListener('click', () => running?.abort())
$('clear').addEventListener('click', () => { running?.abort(); history = []; $('log').replaceChildren(); say('') })
$('file').addEventListener('change', () => { if ($('file').files[0]) predict($('file').files[0]) })
$('series').addEventListener('change', draw)
for (const name of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  $('drop').addEventListener(name, (e) => {
    e.preventDefault()
    $('drop').classList.toggle('over', name === 'dragenter' || name === 'dragover')
    if (name === 'drop' && e.dataTransfer.files[0]) predict(e.dataTransfer.files[0])
  })
}
addEventListener('dragover', (e) => e.preventDefault()) // a file dropped beside must not replace the page
addEventListener('drop', (e) => e.preventDefault())
speak()
loadModels()
