// Goal: no byte of a secret gets through, and every other byte does, however the stream is cut.
// Method: a naive search over the whole stream says what must come out; fast-check makes the streams.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { concatBytes, utf8 } from '../../../core/index.ts'
import { REDACTED, redactedText, Redactor } from '../../../governance/secrets/redactor.ts'
import { secretPatterns } from '../../../governance/secrets/patterns.ts'

const SECRET = 'hunter2/correct+horse=battery'

function through(secrets: readonly string[], chunks: readonly string[]): string {
  const redactor = new Redactor(secretPatterns(secrets.map(utf8)))
  const out = [...chunks.map((chunk) => redactor.push(utf8(chunk))), redactor.end()]
  return new TextDecoder().decode(concatBytes(...out))
}

/** Marks every character of every occurrence, then puts one mark for each run. */
function naive(secrets: readonly string[], text: string): string {
  const isSecret = Array.from(text, () => false)
  for (const secret of secrets) {
    for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) {
      isSecret.fill(true, at, at + secret.length)
    }
  }
  let out = ''
  for (const [at, isHidden] of isSecret.entries()) {
    if (!isHidden) out += text[at] ?? ''
    else if (isSecret[at - 1] !== true) out += REDACTED
  }
  return out
}

describe('governance/secrets/redactor', () => {
  it('puts a mark in the place of a secret and leaves the rest alone', () => {
    assert.equal(through([SECRET], [`a ${SECRET} b`]), `a ${REDACTED} b`)
    assert.equal(through([SECRET], ['nothing here']), 'nothing here')
    assert.equal(through([], [SECRET]), SECRET)
  })

  it('finds a secret that comes a byte at a time, and holds nothing back at the end (R2)', () => {
    assert.equal(through([SECRET], Array.from(`x${SECRET}y`)), `x${REDACTED}y`)
    assert.equal(through([SECRET], [SECRET.slice(0, -1)]), SECRET.slice(0, -1))
  })

  it('hides the longer of two secrets whole', () => {
    const text = 'key=abcdefgh-and-more;'
    assert.equal(through(['abcdefgh', 'abcdefgh-and-more'], [text]), `key=${REDACTED};`)
  })

  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  // What may be left: what stands around it, and one character of base64 at either end that it shares.
  for (const [what, form, left] of [
    ['base64', base64(SECRET), 'k='.length],
    ['base64 of more', base64(`user:${SECRET}`), 'dXNlcjpQ=='.length],
    ['base64url', Buffer.from(`ab${SECRET}`).toString('base64url'), 'YWIQ'.length],
    ['hexadecimal', Buffer.from(SECRET).toString('hex'), 0],
    ['upper case hexadecimal', Buffer.from(SECRET).toString('hex').toUpperCase(), 0],
    ['a URL', encodeURIComponent(SECRET), 0],
    ['JSON', JSON.stringify(SECRET), '""'.length]
  ] as const) {
    it(`finds it in ${what}`, () => {
      const out = through([SECRET], ['<', form, '>'])
      assert.match(out, /^<.*\[redacted\].*>$/)
      assert.ok(out.length - 2 - REDACTED.length <= left, out)
    })
  }

  it('finds it as the usual programs write it in URLs, JSON and a shell’s trace', () => {
    const secret = "p@ss/w!rd (x)~'<é>"
    const urls = [
      'p%40ss/w%21rd%20%28x%29~%27%3C%C3%A9%3E', // Python
      'p%40ss%2Fw%21rd%20%28x%29~%27%3C%C3%A9%3E', // curl
      'p%40ss%2fw%21rd%20%28x%29%7e%27%3c%c3%a9%3e'.replace('%7e', '~'), // the same in small letters
      'p%40ss%2Fw%21rd+%28x%29%7E%27%3C%C3%A9%3E', // a form
      'p%40ss%2Fw%21rd+%28x%29~%27%3C%C3%A9%3E' // Go
    ]
    const others = [
      String.raw`p@ss\/w!rd (x)~'<é>`,
      String.raw`p@ss/w!rd (x)~'<\u00e9>`,
      String.raw`p@ss/w!rd (x)~'\u003cé\u003e`,
      String.raw`p@ss/w!rd (x)~'\''<é>`
    ]
    for (const form of [...urls, ...others, encodeURI(secret)]) {
      assert.equal(through([secret], ['k=', form, '&']), `k=${REDACTED}&`, form)
    }
  })

  it('finds the lines of a long one that base64, openssl and xxd have broken up', () => {
    const secret = Array.from({ length: 40 }, (_, at) => `part ${at};`).join('')
    const forms = [
      [Buffer.from(secret).toString('base64'), 76],
      [Buffer.from(`${secret}\n`).toString('base64'), 64],
      [Buffer.from(secret).toString('hex'), 60]
    ] as const
    for (const [form, width] of forms) {
      const broken = form.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
      const out = through([secret], [broken.join('\n')]).split('\n')
      assert.ok(
        out.every((line) => line.replace(REDACTED, '').length < 16),
        out.join('|')
      )
      assert.ok(
        out.length > 3 && out.slice(0, -1).every((line) => line === REDACTED),
        out.join('|')
      )
    }
  })

  it('finds it where JSON has escaped it', () => {
    const secret = 'a\nsecret\t"quoted"'
    assert.equal(through([secret], [JSON.stringify({ key: secret })]), `{"key":"${REDACTED}"}`)
  })

  it('finds each long line of a key file', () => {
    const key = [
      '-----BEGIN KEY-----',
      'MIIEvQIBADANBgkqhkiG9w0B',
      'AQEFAASCBKcwggSjAgEAAoIB'
    ].join('\n')
    assert.equal(through([key], ['line: MIIEvQIBADANBgkqhkiG9w0B.']), `line: ${REDACTED}.`)
  })

  it('lets out what a naive search would, however the stream is cut (R1, R2)', () => {
    // A small alphabet, or nothing would ever match; too short to have other forms in it.
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 2, maxLength: 6 })
    const secrets = fc.array(word, { minLength: 1, maxLength: 4 })
    const chunk = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' '), maxLength: 12 })
    fc.assert(
      fc.property(secrets, fc.array(chunk, { maxLength: 8 }), (values, chunks) => {
        assert.equal(through(values, chunks), naive(values, chunks.join('')))
      }),
      { numRuns: 3000 }
    )
  })

  it('holds back no more than the longest form of a secret (R3)', () => {
    const redactor = new Redactor(secretPatterns([utf8(SECRET)]))
    let waiting = 0
    for (const byte of utf8(SECRET.slice(0, -1).repeat(50))) {
      waiting += 1 - redactor.push(Uint8Array.of(byte)).length
      assert.ok(waiting <= SECRET.length * 3)
    }
  })

  it('redactedText() redacts a text whose mark is as long as the secret', () => {
    const secret = 'x'.repeat(REDACTED.length)
    assert.equal(redactedText(secretPatterns([utf8(secret)]), `-${secret}-`), `-${REDACTED}-`)
  })
})
