import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { systemClock } from '../../../core/system.ts'
import { createSandbox } from '../../../sandbox-wasm/index.ts'
import type { Sandbox, ToolResult } from '../../../sandbox-wasm/index.ts'
import { realWalls } from '../../doubles/sandboxes.ts'
import type { OpenWalls } from '../../doubles/sandboxes.ts'
import { silentLog } from '../../unit/sandbox-wasm/doubles.ts'

// Method: the component as it is shipped, in its real worker process, against published vectors and
// against node:crypto.

const FIXED = ['sha256', 'sha512', 'sha3-256', 'sha3-512'] as const
const SHAKE = ['shake128', 'shake256'] as const

// From FIPS 180-4 and FIPS 202's example values.
const LONG = 'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'
const A3 = Buffer.alloc(200, 0xa3).toString('base64')
const VECTORS: readonly (readonly [object, string])[] = [
  [
    { algorithm: 'sha256', text: 'abc' },
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  ],
  [
    { algorithm: 'sha256', text: LONG },
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1'
  ],
  [
    { algorithm: 'sha512', text: 'abc' },
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
      '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f'
  ],
  [
    { algorithm: 'sha3-256', text: '' },
    'a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a'
  ],
  [
    { algorithm: 'sha3-256', text: 'abc' },
    '3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532'
  ],
  [
    { algorithm: 'sha3-256', base64: A3 },
    '79f38adec5c20307a98ef76e8324afbfd46cfd81b22e3973c65fa1bd9de31787'
  ],
  [
    { algorithm: 'sha3-512', text: 'abc' },
    'b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e' +
      '10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0'
  ],
  [
    { algorithm: 'shake128', text: '' },
    '7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26'
  ],
  [
    { algorithm: 'shake256', text: '' },
    '46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f'
  ],
  [
    { algorithm: 'shake256', base64: A3, bytes: 32 },
    'cd8a920ed141aa0407a22d59288652e9d9f1a7ee0c1e7c1ca699424da84a904d'
  ]
]

describe('tool hash', function () {
  this.timeout(60_000)
  let cacheFolder: string
  let sandbox: Sandbox
  let walls: OpenWalls
  before(async () => {
    cacheFolder = await mkdtemp(join(tmpdir(), 'weft-hash-'))
    const options = { cacheFolder, execPath: process.execPath }
    walls = await realWalls()
    sandbox = createSandbox({ clock: systemClock, log: silentLog, ...walls }, options)
  })
  after(async () => {
    await sandbox.stop()
    await walls.close()
    await rm(cacheFolder, { recursive: true })
  })

  const call = (input: unknown): Promise<ToolResult> =>
    sandbox.call({ tool: 'hash', input: JSON.stringify(input) })

  async function hexOf(input: object): Promise<string> {
    const { output, error } = await call(input)
    assert.equal(error, null)
    assert.ok(typeof output === 'object' && output !== null && 'hex' in output)
    const { hex } = output
    assert.ok(typeof hex === 'string')
    return hex
  }

  it('gives the published values of SHA-2, SHA-3 and SHAKE', async () => {
    for (const [input, hex] of VECTORS) assert.equal(await hexOf(input), hex)
  })

  it('agrees with node:crypto on any bytes', async () => {
    const lengths = fc.oneof(fc.uint8Array({ maxLength: 600 }), fc.uint8Array({ maxLength: 9 }))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...FIXED), lengths, async (algorithm, bytes) => {
        const base64 = Buffer.from(bytes).toString('base64')
        const expected = createHash(algorithm).update(bytes).digest('hex')
        assert.equal(await hexOf({ algorithm, base64 }), expected)
      }),
      { numRuns: 200 }
    )
  })

  it('agrees with node:crypto at every length about the ends of blocks', async () => {
    for (const algorithm of FIXED) {
      for (const edge of [56, 64, 72, 112, 128, 136, 144]) {
        for (let length = edge - 1; length <= edge + 1; length += 1) {
          const text = 'a'.repeat(length)
          const expected = createHash(algorithm).update(text).digest('hex')
          assert.equal(await hexOf({ algorithm, text }), expected, `${algorithm} of ${length}`)
        }
      }
    }
  })

  it('agrees with node:crypto on any text and any length of SHAKE', async () => {
    const texts = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), surrogates())
    const bytes = fc.integer({ min: 1, max: 1000 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...SHAKE), texts, bytes, async (algorithm, text, length) => {
        const hash = createHash(algorithm, { outputLength: length })
        const expected = hash.update(new TextEncoder().encode(text)).digest('hex')
        assert.equal(await hexOf({ algorithm, text, bytes: length }), expected)
      }),
      { numRuns: 200 }
    )
  })

  it('hashes as much as one call may carry', async () => {
    const text = 'x'.repeat(1_000_000)
    const expected = createHash('sha3-512').update(text).digest('hex')
    assert.equal(await hexOf({ algorithm: 'sha3-512', text }), expected)
    assert.equal((await hexOf({ algorithm: 'shake256', text, bytes: 65_536 })).length, 131_072)
  })

  it('refuses what it does not understand, with a code and a message', async () => {
    const algorithm = 'shake256'
    const cases: readonly (readonly [unknown, string])[] = [
      [{ algorithm: 'md5', text: '' }, 'HASH_ALGORITHM_UNKNOWN'],
      [{ text: 'x' }, 'HASH_INPUT_INVALID'],
      [{ algorithm }, 'HASH_INPUT_INVALID'],
      [{ algorithm, text: 'x', base64: '' }, 'HASH_INPUT_INVALID'],
      [{ algorithm, text: 5 }, 'HASH_INPUT_INVALID'],
      [{ algorithm, text: ['x'] }, 'HASH_INPUT_INVALID'],
      [{ algorithm, text: 'x', salt: 'y' }, 'HASH_INPUT_INVALID'],
      [{ algorithm, text: 'x', bytes: '32' }, 'HASH_INPUT_INVALID'],
      [{ algorithm, text: 'x', bytes: 0 }, 'HASH_BYTES_INVALID'],
      [{ algorithm, text: 'x', bytes: 65_537 }, 'HASH_BYTES_INVALID'],
      [{ algorithm, text: 'x', bytes: 1.5 }, 'HASH_INPUT_INVALID'],
      [{ algorithm, text: 'x', bytes: -1 }, 'HASH_INPUT_INVALID'],
      [{ algorithm, text: 'x', bytes: 1e300 }, 'HASH_INPUT_INVALID'],
      [{ algorithm: 'sha256', text: 'x', bytes: 32 }, 'HASH_BYTES_INVALID'],
      ...['a', 'a===', 'YQ', 'YR==', 'YWE', 'Y Q=', '====', 'YQ==YQ=='].map(
        (base64) => [{ algorithm, base64 }, 'HASH_BASE64_INVALID'] as const
      ),
      ...[[], 'x', 7, null, true].map((input) => [input, 'HASH_INPUT_INVALID'] as const)
    ]
    for (const [input, code] of cases) {
      const { ok, output, error } = await call(input)
      assert.deepEqual({ ok, output, code: error?.code }, { ok: false, output: null, code })
      assert.match(error?.message ?? '', /^Cannot /, JSON.stringify(input))
    }
  })

  it('says what it is when it is inspected, and imports nothing', async () => {
    const { name, imports, about, digest, sizeBytes } = await sandbox.inspect('hash')
    const [listed] = await sandbox.list()
    assert.deepEqual({ name, digest, sizeBytes, source: 'builtin' }, listed)
    assert.deepEqual(imports, [])
    assert.ok(typeof about === 'object' && about !== null && 'version' in about)
    assert.equal(about['version'], '1.0.0')
  })
})

/** Texts with surrogates that stand alone, which JSON can carry and UTF-8 cannot. */
function surrogates(): fc.Arbitrary<string> {
  const units = fc.array(fc.constantFrom(0xd800, 0xdbff, 0xdc00, 0xdfff, 0x5c, 0x61))
  return units.map((codes) => String.fromCharCode(...codes))
}
