// Bash's $'...': what its escapes mean. Bytes above 0x7f and NUL depend on the locale or cut the word
// short, so they make the word inexact.

import type { Field } from './field.ts'

const NAMED: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  e: '\u001b',
  E: '\u001b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '?': '?'
}

const ESCAPE =
  /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c([^])|([^])|$)/g

export function decodeAnsiQuote(text: string): Field {
  let isExact = true
  const decoded = text.replaceAll(ESCAPE, (whole: string, ...groups: unknown[]) => {
    const [hex, short, long, octal, control, named] = groups.map((group) =>
      typeof group === 'string' ? group : undefined
    )
    if (control !== undefined) {
      isExact = false
      return ''
    }
    if (named !== undefined) {
      return Object.hasOwn(NAMED, named) ? (NAMED[named] ?? whole) : whole
    }
    const code = codeOf(hex ?? short ?? long, octal)
    const isByte = hex !== undefined || octal !== undefined
    if (code === 0 || code > 0x10ffff || (isByte && code > 0x7f)) isExact = false
    return code <= 0x10ffff ? String.fromCodePoint(code) : ''
  })
  return { text: decoded, isExact }
}

function codeOf(hex: string | undefined, octal: string | undefined): number {
  if (hex !== undefined) return Number.parseInt(hex, 16)
  return octal === undefined ? 0 : Number.parseInt(octal, 8) & 0xff
}
