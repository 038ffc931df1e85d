import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  areGrantsWithin,
  DEFAULT_SANDBOX,
  formatGrant,
  isGrantWithin,
  parseGrant,
  parseSandbox,
  sandboxCbor
} from '../../../core/index.ts'
import type { Grant } from '../../../core/index.ts'

const segment = fc.stringMatching(/^[a-c]{1,2}$/)
const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`)
const domain = fc.array(segment, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'))
const host = fc.oneof(
  domain,
  domain.map((name) => `*.${name}`),
  fc.constantFrom('*', '10.0.0.1', '::1')
)
const named = fc.constantFrom('env', 'secret', 'tool', 'exec', 'ipc', 'delegate')
const grant: fc.Arbitrary<Grant> = fc.oneof(
  fc.record(
    { kind: fc.constantFrom('fs.read', 'fs.write'), path, inside: path },
    { noNullPrototype: true }
  ),
  fc.record(
    { kind: fc.constant('net'), host, port: fc.constantFrom(null, 80, 443) },
    { noNullPrototype: true }
  ),
  fc.record({ kind: named, name: fc.constantFrom('a', 'b') }, { noNullPrototype: true }),
  fc.record(
    { kind: fc.constantFrom('tool', 'exec', 'ipc'), name: fc.constant('*') },
    { noNullPrototype: true }
  ),
  fc.constant({ kind: 'spawn' })
)

describe('core/grant', () => {
  it('every grant comes back from its canonical text (G1)', () => {
    fc.assert(
      fc.property(grant, (it) => {
        assert.deepEqual(parseGrant(formatGrant(it)), it)
      })
    )
  })

  for (const [written, canonical] of [
    ['fs.read:/data/', 'fs.read:/data'],
    ['fs.read:/data//x/./y', 'fs.read:/data/x/y'],
    ['fs.write:/a=/a', 'fs.write:/a'],
    ['fs.write:/host/a=/inside', 'fs.write:/host/a=/inside'],
    ['fs.read:/', 'fs.read:/'],
    ['net:API.Example.COM:443', 'net:api.example.com:443'],
    ['net:example.com.:443', 'net:example.com:443'],
    ['net:*.Example.com:*', 'net:*.example.com:*'],
    ['net:[::0:1]:80', 'net:[::1]:80'],
    ['net:0x7f.1:80', 'net:127.0.0.1:80'],
    ['net:2130706433:80', 'net:127.0.0.1:80'],
    ['net:bücher.example:443', 'net:xn--bcher-kva.example:443'],
    ['env:LANG', 'env:LANG'],
    ['ipc:12@laptop', 'ipc:12@laptop'],
    ['delegate:gpu', 'delegate:gpu']
  ] as const) {
    it(`reads '${written}' as '${canonical}'`, () => {
      assert.equal(formatGrant(parseGrant(written)), canonical)
    })
  }

  for (const text of [
    '',
    'fs.read',
    'fs.read:',
    'fs.read:relative',
    'fs.read:/a/../../etc',
    'fs.write:/a=/b/..',
    'fs.read:/a=/b=/c',
    'fs.read:/a\0b',
    'fs.read:/a\nfs.write:/',
    `fs.read:/${'a'.repeat(5000)}`,
    'FS.READ:/a',
    'net:example.com',
    'net::443',
    'net:example.com:0',
    'net:example.com:65536',
    'net:example.com:443:1',
    'net:user@example.com:443',
    'net:ex ample.com:443',
    'net:a/b:443',
    'net:*.10.0.0.1:443',
    'net:a.*.b:443',
    'env:',
    'env:*',
    'env:A=B',
    'env:WEAVER_LEASH',
    'secret:*',
    'secret:../x',
    'exec:/usr/../bin/sh',
    'spawn:',
    'spawn:x',
    'everything'
  ]) {
    it(`refuses '${text.slice(0, 40).replaceAll(/[\0\n]/g, '.')}'`, () => {
      assert.throws(() => parseGrant(text), { code: 'CORE_INVALID_GRANT' })
    })
  }

  it('isGrantWithin() is reflexive and transitive (G2)', () => {
    fc.assert(
      fc.property(grant, grant, grant, (a, b, c) => {
        assert(isGrantWithin(a, a))
        if (isGrantWithin(a, b) && isGrantWithin(b, c)) assert(isGrantWithin(a, c))
      }),
      { numRuns: 2000 }
    )
  })

  it('isGrantWithin() is antisymmetric on what a grant allows (G2)', () => {
    const power = (it: Grant): string => formatGrant(it).replace(/=.*/, '')
    fc.assert(
      fc.property(grant, grant, (a, b) => {
        if (isGrantWithin(a, b) && isGrantWithin(b, a)) assert.equal(power(a), power(b))
      }),
      { numRuns: 2000 }
    )
  })

  it('a path grant reaches exactly what lies below its path, by whole names', () => {
    fc.assert(
      fc.property(path, path, (child, parent) => {
        const isBelow = `${child}/`.startsWith(parent === '/' ? '/' : `${parent}/`)
        const read = (at: string): Grant => ({ kind: 'fs.read', path: at, inside: '/x' })
        assert.equal(isGrantWithin(read(child), read(parent)), isBelow)
      })
    )
    assert(!isGrantWithin(parseGrant('fs.read:/home/ab'), parseGrant('fs.read:/home/a')))
  })

  for (const [child, parent, expected] of [
    ['fs.read:/a', 'fs.write:/a', true],
    ['fs.write:/a', 'fs.read:/a', false],
    ['fs.read:/a=/x', 'fs.read:/a', true],
    ['net:a.example.com:443', 'net:*.example.com:443', true],
    ['net:example.com:443', 'net:*.example.com:443', false],
    ['net:evilexample.com:443', 'net:*.example.com:443', false],
    ['net:*.a.example.com:443', 'net:*.example.com:443', true],
    ['net:*:443', 'net:*.example.com:443', false],
    ['net:example.com:*', 'net:example.com:443', false],
    ['net:example.com:443', 'net:*:*', true],
    ['tool:hash', 'tool:*', true],
    ['tool:*', 'tool:hash', false],
    ['env:A', 'secret:A', false],
    ['spawn', 'exec:*', false]
  ] as const) {
    it(`${child} is ${expected ? '' : 'not '}within ${parent}`, () => {
      assert.equal(isGrantWithin(parseGrant(child), parseGrant(parent)), expected)
    })
  }

  it('areGrantsWithin() asks for a parent of each', () => {
    const held = ['fs.read:/a', 'tool:*'].map(parseGrant)
    assert(areGrantsWithin(['fs.read:/a/b', 'tool:x'].map(parseGrant), held))
    assert(!areGrantsWithin(['fs.read:/a/b', 'spawn'].map(parseGrant), held))
    assert(areGrantsWithin([], []))
  })
})

describe('core/sandbox', () => {
  it('carries an image, which is a name and is never uncontained', () => {
    const sandbox = { ...DEFAULT_SANDBOX, image: 'localhost/tools:1' }
    assert.deepEqual(parseSandbox(sandboxCbor(sandbox)), sandbox)
    assert.ok(!('image' in sandboxCbor(DEFAULT_SANDBOX)))
    for (const image of ['', '-v', 'a b', 'a,b', 'a\n', 7, null, 'x'.repeat(256)]) {
      assert.throws(() => parseSandbox({ ...sandboxCbor(sandbox), image }), /an image is a name/)
    }
    const open = { ...sandboxCbor(sandbox), containment: 'none' }
    assert.throws(() => parseSandbox(open), /always contained/)
  })

  it('comes back from its wire form', () => {
    fc.assert(
      fc.property(fc.array(grant, { maxLength: 5 }), (grants) => {
        const limits = { memoryBytes: 1e9, cpus: 0.5, pids: null }
        const sandbox = { ...DEFAULT_SANDBOX, grants, limits }
        assert.deepEqual(parseSandbox(sandboxCbor(sandbox)), sandbox)
      })
    )
  })

  const limits = { memoryBytes: null, cpus: null, pids: null }
  for (const [what, value] of [
    ['nothing', null],
    ['another containment', { containment: 'off', grants: [], limits }],
    ['no limits', { containment: 'os', grants: [] }],
    ['more than it knows', { containment: 'os', grants: [], limits, isTrusted: true }],
    ['no text as a grant', { containment: 'os', grants: [{}], limits }],
    ['too many grants', { containment: 'os', grants: Array(129).fill('spawn'), limits }],
    ['no memory', { containment: 'os', grants: [], limits: { ...limits, memoryBytes: 0 } }],
    ['half a process', { containment: 'os', grants: [], limits: { ...limits, pids: 1.5 } }],
    [
      'a number too large for JSON',
      { containment: 'os', grants: [], limits: { ...limits, cpus: 2n ** 64n } }
    ],
    ['no number', { containment: 'os', grants: [], limits: { ...limits, cpus: Number.NaN } }]
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseSandbox(value), { code: 'CORE_INVALID_SANDBOX' })
    })
  }
})
