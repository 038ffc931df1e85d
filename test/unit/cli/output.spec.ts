import assert from 'node:assert/strict'
import { visible, pairs, table } from '../../../cli/output.ts'

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
})

describe('visible()', () => {
  it('spells out control characters, and leaves text, breaks, tabs and colours as they are', () => {
    assert.equal(visible('a\tb\n\u001b[2mdim\u001b[0m ü'), 'a\tb\n\u001b[2mdim\u001b[0m ü')
    assert.equal(
      visible('\u001b]0;title\u0007\u001b[2J\r\u009b'),
      '\\x1b]0;title\\x07\\x1b[2J\\x0d\\x9b'
    )
  })
})
