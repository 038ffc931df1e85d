// The forms in which a secret leaves a program without anybody having hidden it: as it is, and in the
// encodings that headers, URLs, JSON, shells and dumps use. Whoever wants to smuggle a secret out finds another
// form; what stops that is containment.

import { toHex } from '../../core/index.ts'
import { EVERY_SPELLING_BYTES_MAX, LINE_REDACTED_BYTES_MIN } from './limits.ts'

/** The byte strings that give `value` away; none is empty, no two are equal. */
export function disguisesOf(value: Uint8Array): readonly Uint8Array[] {
  const forms = new Map<string, Uint8Array>()
  for (const form of [...plainForms(value), ...encodedForms(value)]) {
    if (form.length > 0) forms.set(toHex(form), form)
  }
  return [...forms.values()]
}

/** As it is, its long lines by themselves (a key file is often printed or logged by line), in JSON, and in quotes. */
function plainForms(value: Uint8Array): readonly Uint8Array[] {
  const text = Buffer.from(value).toString('utf8')
  const lines = text.split(/\r?\n/).filter((line) => line.length >= LINE_REDACTED_BYTES_MIN)
  // A shell that traces what it runs writes it so.
  const quoted = text.replaceAll("'", String.raw`'\''`)
  return [value, ...[...lines, ...jsonForms(text), quoted].map((form) => Buffer.from(form))]
}

/** JSON may be written in several ways: some escape slashes, some what HTML reads, some all that is not ASCII. */
function jsonForms(text: string): readonly string[] {
  const plain = JSON.stringify(text).slice(1, -1)
  if (text.length > EVERY_SPELLING_BYTES_MAX) return [plain]
  const ascii = escaped(plain, /[\u0080-\uFFFF]/g)
  const html = escaped(plain, /[<>&\u2028\u2029]/g)
  return [plain, ascii, html].flatMap((form) => [form, form.replaceAll('/', String.raw`\/`)])
}

function escaped(text: string, which: RegExp): string {
  return text.replaceAll(which, (unit) => {
    return String.raw`\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

function encodedForms(value: Uint8Array): readonly Uint8Array[] {
  const hex = toHex(value)
  const base64 = base64Forms(value)
  const texts = [
    hex,
    hex.toUpperCase(),
    hex.replaceAll(/../g, '%$&'),
    hex.toUpperCase().replaceAll(/../g, '%$&'),
    ...percentForms(value),
    ...base64,
    // Programs that encode files break lines: base64, openssl base64, xxd.
    ...[76, 64].flatMap((width) => brokenUp(base64[0] ?? '', width)),
    ...brokenUp(hex, 60)
  ]
  return texts.map((form) => Buffer.from(form))
}

/**
 * What the usual libraries leave as it is in a URL, beside letters and digits, and what they make of a blank. The
 * commonest first.
 */
const URL_STYLES: readonly (readonly [kept: string, blank: string])[] = [
  ["-_.!~*'()", '%20'], // encodeURIComponent.
  ["-_.!~*'();/?:@&=+$,#", '%20'], // encodeURI.
  ['-_.~', '%20'], // RFC 3986, as curl has it.
  ['-_.~/', '%20'], // Python's quote.
  ['-_.~', '+'], // Go's and Python's queries.
  ['-_.', '+'], // PHP's urlencode.
  ['*-._', '+'] // Forms.
]

function percentForms(value: Uint8Array): readonly string[] {
  const styles = value.length > EVERY_SPELLING_BYTES_MAX ? URL_STYLES.slice(0, 1) : URL_STYLES
  return styles.flatMap(([kept, blank]) => {
    const units = Array.from(value, (byte) => {
      const character = String.fromCharCode(byte)
      if (/[A-Za-z0-9]/.test(character) || kept.includes(character)) return character
      return character === ' ' ? blank : `%${byte.toString(16).padStart(2, '0')}`
    })
    const lower = units.join('')
    const upper = units.map((unit) => (unit.length === 3 ? unit.toUpperCase() : unit)).join('')
    return [lower, upper]
  })
}

/** Long enough lines of it, where it has more than one. */
function brokenUp(text: string, width: number): readonly string[] {
  if (text.length <= width) return []
  const lines = text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
  return lines.filter((line) => line.length >= LINE_REDACTED_BYTES_MIN)
}

/**
 * Within a longer text a secret may begin at any of three places of a base64 group. Characters that also
 * depend on a neighbour are left out.
 */
function base64Forms(value: Uint8Array): readonly string[] {
  return [0, 1, 2].flatMap((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), value])
    const first = Math.ceil((shift * 8) / 6)
    const last = Math.floor((whole.length * 8) / 6)
    return [whole.toString('base64'), whole.toString('base64url')].map((text) =>
      text.slice(first, last)
    )
  })
}
