// Faults R3 and R4 for every file of a home. Goal: a file that is cut, changed, emptied, gone or unreadable never
// makes a kernel begin anew in silence, and nothing that was acknowledged is lost without a word.
// Method: a home with something in each file is copied, damaged, and started by a real kernel, which either has all
// that was acknowledged, or refuses and names the file and a way out.

import assert from 'node:assert/strict'
import { cp, mkdir, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises'
import { join, relative } from 'node:path'
import process from 'node:process'
import { clientOf, factsOf, fillHome } from './home-facts.ts'
import type { Facts } from './home-facts.ts'
import { Lab, LOOPBACK } from './lab.ts'

const DAMAGES = ['cut', 'flipped', 'emptied', 'removed', 'unreadable'] as const
type Damage = (typeof DAMAGES)[number]
const BLOB_BYTES = 100_000

/** One for each file, in turn; all of them in the long profile. */
const IS_ALL = process.env['WEAVER_DAMAGE'] === 'all'

interface Expected {
  readonly file: RegExp
  /** What a refusal must name. */
  readonly named: RegExp
  /** Damages after which the kernel must refuse; for the others it may, or has everything. */
  readonly refused?: readonly Damage[]
  /** What may be lacking where it starts, because it is found elsewhere: by `verify`, by a get, in the status. */
  readonly lacks?: 'blobs' | 'policies'
}

const EXPECTED: readonly Expected[] = [
  { file: /^blobs\//, named: /[0-9a-f]{64}\.(?:data|list)/, lacks: 'blobs' },
  {
    file: /^chain\/.*\.lane$/,
    named: /lane/,
    refused: ['cut', 'emptied', 'removed', 'unreadable']
  },
  { file: /^chain\//, named: /\.head|\.verified|redactions\.index|\.(?:checkpoint|witness)-[ab]/ },
  {
    file: /^config\.json$/,
    named: /config\.json|--name gold/,
    refused: ['cut', 'emptied', 'unreadable']
  },
  { file: /^identity\.key$/, named: /identity\.key/, refused: DAMAGES },
  { file: /^policy\//, named: /policy/, lacks: 'policies' },
  { file: /^secrets\./, named: /secrets\.(?:key|sealed)/, refused: DAMAGES },
  { file: /^store\/.*\.log$/, named: /store/, refused: DAMAGES },
  { file: /^store\/(?:CURRENT|MANIFEST)/, named: /store/ },
  { file: /^store\.head$/, named: /store\.head/ },
  { file: /^version$/, named: /version|its format is/, refused: ['emptied', 'unreadable'] },
  { file: /^tools\//, named: /tools/ }
]

/** Made anew at each start, or written for people alone. */
const IGNORED = /^(?:run|logs|spool|work)\/|^store\/(?:LOG|LOCK)/

describe('chaos: every file of a home, damaged (R3, R4)', function () {
  // Some two hundred starts of a kernel in the long profile.
  this.timeout(IS_ALL ? 3_600_000 : 600_000)
  let lab: Lab
  let facts: Facts
  let task = ''

  before(async () => {
    lab = await Lab.open()
    await lab.start('gold')
    task = await fillHome(lab, 'gold', BLOB_BYTES)
    facts = await factsOf(lab.homeOf('gold'), task)
    assert.match(facts.policies, /^in force: true$/)
    await lab.done('gold', 'kernel', 'stop')
  })
  after(() => lab.close())

  /** Null for all that was acknowledged, else what is lacking. */
  async function started(home: string, { lacks }: Expected): Promise<string | null> {
    const found = await factsOf(home, task)
    const wanted = { ...facts }
    if (lacks === 'policies' && found.policies !== facts.policies) {
      // What cannot be read permits nothing, and says why.
      assert(!found.policies.startsWith('in force'), `policies are ${found.policies}`)
      wanted.policies = found.policies
    }
    if (lacks === 'blobs') wanted.blobs = found.blobs
    assert.deepEqual(found, wanted)
    const { problems } = await clientOf(home).verifyChain(null)
    if (problems.length > 0) return `chain verify: ${problems[0]?.message ?? ''}`
    return found.policies === facts.policies ? null : `policies: ${found.policies.slice(0, 90)}`
  }

  it('each start refuses by name, or has all that was acknowledged', async () => {
    const gold = lab.homeOf('gold')
    const names = (await filesOf(gold)).filter((name) => !IGNORED.test(name))
    const covered = new Set<Expected>()
    for (const [index, name] of names.entries()) {
      const expected = EXPECTED.find(({ file }) => file.test(name))
      assert(expected !== undefined, `no row for ${name}`)
      covered.add(expected)
      const shown = name.replace(/[0-9A-Za-z]{40,}/, '*')
      for (const damage of DAMAGES) {
        const turn = (index + DAMAGES.indexOf(damage)) % DAMAGES.length
        if (!IS_ALL && turn > 0) continue
        const home = lab.homeOf('copy')
        await cp(gold, home, { recursive: true })
        await damageFile(join(home, name), damage)
        const { code, stderr } = await lab.weaver('copy', 'kernel', 'start', '--listen', LOOPBACK)
        let outcome: string
        if (code === 0) {
          const lacking = await started(home, expected)
          assert(
            expected.refused?.includes(damage) !== true ||
              lacking?.startsWith('chain verify') === true,
            `${name} ${damage}: it started`
          )
          outcome = lacking ?? 'all is there'
          await checkReading(name)
          await lab.done('copy', 'kernel', 'stop')
        } else {
          assert.match(stderr, expected.named, `${name} ${damage}`)
          assert.doesNotMatch(stderr, /\n\s+at /, `${name} ${damage}: a stack is no answer`)
          outcome = `refused: ${(stderr.trim().split('\n').at(-1) ?? '').replaceAll(home, '~').slice(0, 90)}`
        }
        process.stderr.write(`      ${shown} ${damage}: ${outcome}\n`)
        await rm(home, { recursive: true, force: true })
      }
    }
    const missed = EXPECTED.filter((row) => !covered.has(row)).map(({ file }) => String(file))
    assert.deepEqual(missed, [], 'rows without a file')
  })

  /** What is read only when it is asked for: right, or an error; never wrong bytes. */
  async function checkReading(name: string): Promise<void> {
    if (name.startsWith('tools/')) {
      const { stdout } = await lab.weaver(
        'copy',
        'tool',
        'call',
        'hash',
        '{"algorithm":"shake256","text":"x"}',
        '--json'
      )
      const { ok }: { ok: boolean } = JSON.parse(stdout)
      assert.equal(ok, true, `${name}: ${stdout}`)
    }
    if (!name.startsWith('blobs/')) return
    const [, id = ''] = /([0-9a-f]{64})/.exec(name) ?? []
    const got = await lab.weaver('copy', 'blob', 'get', id, '-o', join(lab.folder, 'got'))
    if (got.code === 0) {
      assert.equal(await readFile(join(lab.folder, 'got'), 'utf8'), 'x'.repeat(BLOB_BYTES), name)
    }
  }
})

async function filesOf(home: string): Promise<readonly string[]> {
  const entries = await readdir(home, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return files.map((entry) => relative(home, join(entry.parentPath, entry.name))).toSorted()
}

async function damageFile(path: string, damage: Damage): Promise<void> {
  const { size } = await stat(path)
  if (damage === 'cut') await truncate(path, Math.floor(size / 2))
  else if (damage === 'emptied') await truncate(path, 0)
  else if (damage === 'removed') await rm(path)
  else if (damage === 'unreadable') {
    // For root nothing is forbidden: a folder in its place is what nobody can read.
    await rm(path)
    await mkdir(path)
  } else {
    const handle = await open(path, 'r+')
    const at = Math.floor(size / 2)
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at)
    await handle.write(Buffer.of((buffer[0] ?? 0) ^ 0x01), 0, 1, at)
    await handle.close()
  }
}
