import assert from 'node:assert/strict'
import { jsonText, oneLine, visible, pairs, table } from '../../../cli/output.ts'

describe('table()', () => {
  it('aligns columns, numbers to the right, without blanks at the ends of lines', () => {
    const rows = [
      { name: 'a', size: 5, note: '' },
      { name: 'longer', size: 12_345, note: 'x' }
    ]
    const text = table(rows, [
      { title: 'NAME', text: ({ name }) => name },
      { title: 'SIZE', text: ({ size }) => String(size), isRight: true },
      { title: 'NOTE', text: ({ note }) => note }
    ])
    assert.equal(text, 'NAME     SIZE  NOTE\na           5\nlonger  12345  x\n')
  })

  it('gives no row more than one line, whatever is in it', () => {
    const text = table(
      [{ name: 'a\nroot  allowed' }],
      [{ title: 'NAME', text: ({ name }) => name }]
    )
    assert.equal(text, 'NAME\na\\x0aroot  allowed\n')
  })
})

describe('pairs()', () => {
  it('aligns the values', () => {
    assert.equal(
      pairs([
        ['a', '1'],
        ['long', '2']
      ]),
      'a     1\nlong  2'
    )
  })

  it('gives no value more lines than it is given texts', () => {
    assert.equal(
      pairs([
        ['why', 'x\nrole  devops'],
        ['all', ['1', '2']]
      ]),
      'why  x\\x0arole  devops\nall  1\n     2'
    )
  })
})

describe('visible()', () => {
  it('spells out control characters, and leaves text, breaks, tabs and colours as they are', () => {
    assert.equal(visible('a\tb\n\u001b[2mdim\u001b[0m ü'), 'a\tb\n\u001b[2mdim\u001b[0m ü')
    assert.equal(
      visible('\u001b]0;title\u0007\u001b[2J\r\u009b'),
      '\\x1b]0;title\\x07\\x1b[2J\\x0d\\x9b'
    )
  })

  it('spells out what hides text or turns it around, also as a colour', () => {
    assert.equal(visible('\u001b[8mhidden\u001b[0m'), '\\x1b[8mhidden\u001b[0m')
    assert.equal(
      visible('\u202Egnp.exe\u2066\u200B\u00AD\u2028'),
      '\\u{202e}gnp.exe\\u{2066}\\u{200b}\\xad\\u{2028}'
    )
    assert.equal(visible('a\u{E0041}\u3164\uFE0F'), 'a\\u{e0041}\\u{3164}\\u{fe0f}')
  })
})

describe('oneLine()', () => {
  it('also spells out breaks and tabs', () => {
    assert.equal(oneLine('a\tb\nc'), 'a\\x09b\\x0ac')
  })
})

describe('jsonText()', () => {
  it('is the same document, in which nothing is unseen', () => {
    const value = { 'a\u202E': ['\u009B31m', '\u{E0041}', '\n', '\u007F'] }
    const text = jsonText(value, 2)
    assert.deepEqual(JSON.parse(text), value)
    assert.doesNotMatch(text.replaceAll('\n', ''), /[^\x20-\x7E]/)
  })
})
