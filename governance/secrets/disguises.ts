// The forms in which a secret leaves a program without anybody having hidden it: as it is, and in the
// encodings that headers, URLs, JSON and dumps use. Whoever wants to smuggle a secret out finds another
// form; what stops that is containment.

import { toHex } from '../../core/index.ts'
import { LINE_REDACTED_BYTES_MIN } from './limits.ts'

/** The byte strings that give `value` away; none is empty, no two are equal. */
export function disguisesOf(value: Uint8Array): readonly Uint8Array[] {
  const forms = new Map<string, Uint8Array>()
  for (const form of [...plainForms(value), ...encodedForms(value)]) {
    if (form.length > 0) forms.set(toHex(form), form)
  }
  return [...forms.values()]
}

/** As it is, its long lines by themselves (a key file is often printed or logged by line), and in JSON. */
function plainForms(value: Uint8Array): readonly Uint8Array[] {
  const text = Buffer.from(value).toString('utf8')
  const lines = text.split(/\r?\n/).filter((line) => line.length >= LINE_REDACTED_BYTES_MIN)
  const json = JSON.stringify(text).slice(1, -1)
  return [value, ...lines.map((line) => Buffer.from(line)), Buffer.from(json)]
}

function encodedForms(value: Uint8Array): readonly Uint8Array[] {
  const hex = toHex(value)
  const text = Buffer.from(value).toString('utf8')
  const percent = [
    encodedUri(text),
    hex.replaceAll(/../g, '%$&'),
    hex.toUpperCase().replaceAll(/../g, '%$&')
  ]
  const texts = [hex, hex.toUpperCase(), ...percent, ...base64Forms(value)]
  return texts.map((form) => Buffer.from(form))
}

function encodedUri(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : ''
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
