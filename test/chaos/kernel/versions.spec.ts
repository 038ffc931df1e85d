// Fault R14: an old home opened by a new kernel works, and nothing is lost; a newer one is refused loudly
// (refusals.spec.ts), and so are members that speak no common version (test/unit/mesh/membership).
// Method: test/vectors/home holds one home for each format that was ever written, as a kernel of that time left it, with
// what that kernel had acknowledged. No version has been released yet, so there is one format, and no older kernel to
// stand beside this one; the vector is there so that the first change of a format finds it.
//
//   WEAVER_VECTORS=write npx mocha test/chaos/kernel/versions.spec.ts     writes the one of this kernel's format

import assert from 'node:assert/strict'
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import process from 'node:process'
import { clientOf, factsOf, fillHome } from './home-facts.ts'
import type { Facts } from './home-facts.ts'
import { Lab, LOOPBACK } from './lab.ts'

const VECTORS = join(import.meta.dirname, '../../vectors/home')
/** Made anew at each start, or written for people alone. */
const LEFT_OUT = /^(?:run|logs|spool|work|tools)(?:\/|$)|^store\/(?:LOG|LOCK)/

/**
 * What this kernel's own policies have otherwise than those that a format's home was locked with. A lock covers them, so
 * the owner of such a home looks at it, and locks anew; of every other home nothing like it may be asked.
 */
const SHIPPED_SINCE: Readonly<Record<string, readonly [string, ...string[]]>> = {
  '2': ['weft.cedarschema has changed']
}

interface Vector {
  readonly task: string
  readonly facts: Facts
  readonly height: number
}

describe('chaos: homes of every format that there was (R14)', function () {
  this.timeout(120_000)
  let lab: Lab

  before(async () => {
    lab = await Lab.open()
    if (process.env['WEAVER_VECTORS'] === 'write') await writeVector()
  })
  after(() => lab.close())

  async function heightOf(home: string): Promise<number> {
    const { lanes } = await clientOf(home).chainStatus()
    return lanes[0]?.height ?? 0
  }

  async function writeVector(): Promise<void> {
    await lab.start('gold')
    const home = lab.homeOf('gold')
    const task = await fillHome(lab, 'gold', 1000)
    const vector: Vector = { task, facts: await factsOf(home, task), height: await heightOf(home) }
    await lab.done('gold', 'kernel', 'stop')
    const format = (await readFile(join(home, 'version'), 'utf8')).trim()
    const folder = join(VECTORS, format)
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    const filter = (path: string): boolean => !LEFT_OUT.test(relative(home, path))
    await cp(home, join(folder, 'home'), { recursive: true, filter })
    await writeFile(join(folder, 'facts.json'), `${JSON.stringify(vector, null, 2)}\n`)
  }

  /** Whoever asks for anything is told what has changed, and what to do. */
  async function refusesAll(name: string, drift: readonly string[]): Promise<void> {
    const hint = `${drift.join('; ')}, since they were locked: weaver policy lock`
    const run = await lab.weaver(name, 'run', '--json', '--', 'true') // Before anything has read the policies.
    assert.equal(run.code, 125, `${run.stderr}${run.stdout}`)
    const { error }: { error: Record<string, string> } = JSON.parse(run.stdout)
    assert.equal(error['code'], 'GOVERNANCE_DENIED')
    assert.match(error['message'] ?? '', /\(rule policy\.lock-drifted\)$/)
    assert.equal(error['hint'], hint)
    assert(run.stderr.includes(hint), run.stderr)
    const { refused, lock, drift: found } = await clientOf(lab.homeOf(name)).policy()
    assert.deepEqual({ refused, lock, found }, { refused: hint, lock: 'drifted', found: drift })
    assert.deepEqual(await decisionOfMine(name), ['deny', 'policy.lock-drifted'])
  }

  /** As they were locked, and what the home adds to them decides. */
  async function isInForce(name: string): Promise<void> {
    const { refused, lock, drift } = await clientOf(lab.homeOf(name)).policy()
    assert.deepEqual({ refused, lock, drift }, { refused: null, lock: 'ok', drift: [] })
    assert.deepEqual(await decisionOfMine(name), ['allow', 'mine'])
  }

  /** Of what nothing but the home's own policy allows. */
  async function decisionOfMine(name: string): Promise<readonly string[]> {
    const asked = ['--principal', 'agent:a', '--action', 'fs.read', '--resource', 'path:/srv']
    const { stdout } = await lab.weaver(name, 'policy', 'check', '--json', ...asked)
    const { decision, rules }: { decision: string; rules: string[] } = JSON.parse(stdout)
    return [decision, ...rules]
  }

  it('each opens, has all that was acknowledged, and goes on', async () => {
    const formats = await readdir(VECTORS)
    assert(formats.length > 0)
    for (const format of Object.keys(SHIPPED_SINCE)) assert(formats.includes(format), format)
    for (const format of formats) {
      const vector: Vector = JSON.parse(await readFile(join(VECTORS, format, 'facts.json'), 'utf8'))
      const name = `format-${format}`
      const home = lab.homeOf(name)
      await cp(join(VECTORS, format, 'home'), home, { recursive: true })
      await ownAlone(home)
      const drift = SHIPPED_SINCE[format]
      for (let start = 1; start <= 2; start += 1) {
        await lab.done(name, 'kernel', 'start', '--listen', LOOPBACK)
        if (start === 1 && drift !== undefined) {
          await refusesAll(name, drift)
          await lab.done(name, 'policy', 'lock')
        }
        await isInForce(name)
        assert.deepEqual(await factsOf(home, vector.task), vector.facts, `format ${format}`)
        assert((await heightOf(home)) > vector.height, 'its lane goes on')
        await lab.done(name, 'chain', 'verify', '--full')
        await lab.done(name, 'run', '--', 'true')
        await lab.done(name, 'kernel', 'stop')
      }
    }
  })
})

/** A checkout gives everybody the right to read. */
async function ownAlone(home: string): Promise<void> {
  await chmod(home, 0o700)
  for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o700 : 0o600)
  }
}
