// The page docs/verify.html: reads a file that its visitor chooses, checks it here, and shows what it found.
// Nothing leaves the page: its content security policy allows no connection at all.

import { hex } from '../../chain/offline/bytes.ts'
import { decode } from '../../chain/offline/cbor.ts'
import { verifyFile } from '../../chain/offline/verify-file.ts'
import { noblePrimitives } from './primitives.ts'

const input = document.querySelector('#file')
const expected = document.querySelector('#mesh')
const result = document.querySelector('#result')
let last = null

input.addEventListener('change', () => void check(input.files[0]))
expected.addEventListener('input', () => show())
document.addEventListener('dragover', (event) => event.preventDefault())
document.addEventListener('drop', (event) => {
  event.preventDefault()
  void check(event.dataTransfer.files[0])
})

async function check(file) {
  if (file === undefined) return
  result.replaceChildren(element('p', 'working', `Checking ${file.name} ...`))
  const report = await verifyFile(noblePrimitives, chunksOf(file))
  last = { name: file.name, size: file.size, report }
  show()
}

async function* chunksOf(file) {
  const reader = file.stream().getReader()
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
}

function show() {
  if (last === null) return
  const { name, size, report } = last
  const wanted = expected.value.trim()
  const isOther = wanted !== '' && wanted !== report.mesh
  const isGood = report.ok && !isOther
  const verdict = element('h2', isGood ? 'good' : 'bad', isGood ? 'Sound' : 'Not sound')
  const parts = [verdict, facts({ name, size, report })]
  if (isOther) parts.push(element('p', 'bad', 'The file is of another mesh than the one you know.'))
  else if (report.ok && wanted === '') {
    parts.push(
      element('p', 'note', 'Compare the id of the mesh with the one you know: all hangs on it.')
    )
  }
  if (report.problems.length > 0) parts.push(problems(report))
  const { redaction } = report
  if (report.entry !== null) parts.push(entry('The entry', report.entry, redaction !== null))
  if (redaction !== null) parts.push(entry('What took its payload back', redaction, false))
  for (const checkpoint of report.checkpoints) parts.push(checkpointView(checkpoint, report))
  result.replaceChildren(...parts)
}

function facts({ name, size, report }) {
  const { lanes, blocks, entries, signatures, payloadsAbsent } = report
  return table([
    ['File', `${name}, ${size.toLocaleString('en')} bytes, ${report.format}`],
    ['Mesh', report.mesh ?? 'unknown'],
    ['Members', report.members.map((each) => `${each.name} (${each.role})`).join(', ') || 'none'],
    ['Checked', `lanes ${lanes}, blocks ${blocks}, entries ${entries}, signatures ${signatures}`],
    ['Payloads absent', String(payloadsAbsent)]
  ])
}

function problems(report) {
  const list = element('ul', 'bad', '')
  for (const { message, code } of report.problems.slice(0, 100)) {
    list.append(element('li', '', `${message} (${code})`))
  }
  const more = report.problems.length - 100 + report.problemsOmitted
  if (more > 0) list.append(element('li', '', `and ${more} more`))
  return list
}

function entry(title, { id, time, kind, actor, subject, payload }, isRedacted) {
  const absent = `Payload ${isRedacted ? 'redacted' : 'redacted or left out'}; its hash stands.`
  const box = element('section', '', '')
  box.append(
    element('h3', '', title),
    table([
      ['Id', id],
      ['Time', `${new Date(time).toISOString()} (as its node claims)`],
      ['Kind', kind],
      ['Actor', actor],
      ['Subject', subject]
    ]),
    element('pre', '', payload === null ? absent : pretty(payload))
  )
  return box
}

function pretty(payload) {
  return JSON.stringify(plain(decode(payload)), null, 2)
}

function plain(value) {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return hex(value)
  if (value instanceof Map) {
    return Object.fromEntries(Array.from(value, ([key, inner]) => [key, plain(inner)]))
  }
  return Array.isArray(value) ? value.map(plain) : value
}

function checkpointView({ lane, size, root, hasMlDsa, witnesses }, { members }) {
  const box = element('section', '', '')
  const name = members.find((each) => each.node === lane)?.name ?? lane
  const by = witnesses.map((each) => `${each.name} at ${new Date(each.time * 1000).toISOString()}`)
  box.append(
    element('h3', '', `Checkpoint of ${name}`),
    table([
      ['Lane', lane],
      ['Blocks', String(size)],
      ['Root', root],
      ['Signed by', hasMlDsa ? 'the lane, with Ed25519 and ML-DSA-44' : 'the lane, with Ed25519'],
      ['Witnessed by', by.join('\n') || 'nobody']
    ])
  )
  return box
}

function table(rows) {
  const body = element('table', '', '')
  for (const [title, text] of rows) {
    const row = element('tr', '', '')
    row.append(element('th', '', title), element('td', '', text))
    body.append(row)
  }
  return body
}

function element(name, style, text) {
  const made = document.createElement(name)
  if (style !== '') made.className = style
  made.textContent = text // Never as markup: what a file says is shown, not obeyed.
  return made
}
