// Goal: a verifier in another language, written from docs/chain-format.md alone, says the same as ours.
// Method: test/independent/verify.py judges the files of the vectors, fresh files, and variants of them.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { nodePrimitives, verifyFile } from '../../../chain/offline/index.ts'
import { smallFiles } from './proof-kit.ts'

const INDEPENDENT = resolve(import.meta.dirname, '../../independent')
const VECTORS = resolve(import.meta.dirname, '../../vectors/chain')
/** Every byte takes a minute and a half; the one in charge of a release sets it to 1. */
const STEP = Number(process.env['WEAVER_TAMPER_STEP'] ?? '13')

const counts = z.object({
  ok: z.boolean(),
  lanes: z.number(),
  blocks: z.number(),
  entries: z.number(),
  signatures: z.number()
})
const tampered = z.object({
  sound: z.boolean(),
  tried: z.number().positive(),
  unnoticed: z.array(z.number())
})

const run = promisify(execFile)

/** Why the other verifier cannot run here, or null. */
function missing(): string | null {
  const python = spawnSync('python3', ['-c', 'import hashlib; hashlib.shake_256()'])
  if (python.status !== 0) return 'python3 is not installed'
  return spawnSync('openssl', ['version']).status === 0 ? null : 'openssl is not installed'
}

async function theirs(file: string): Promise<z.infer<typeof counts>> {
  // Its exit code repeats `ok`.
  const { stdout } = await run('python3', [join(INDEPENDENT, 'verify.py'), file]).catch(
    (error: unknown) => z.object({ stdout: z.string() }).parse(error)
  )
  return counts.parse(JSON.parse(stdout))
}

async function ours(bytes: Uint8Array): Promise<z.infer<typeof counts>> {
  return counts.parse(await verifyFile(nodePrimitives, one(bytes)))
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

describe('chain: the independent verifier', () => {
  let folder = ''

  before(async function () {
    const reason = missing()
    if (reason !== null) {
      process.stderr.write(`  skipped: ${reason}\n`)
      this.skip()
    }
    folder = await mkdtemp(join(tmpdir(), 'weft-independent-'))
  })

  after(async () => {
    if (folder !== '') await rm(folder, { recursive: true })
  })

  it('finds the stored vectors sound or not, as ours does and their names say', async () => {
    const names = (await readdir(VECTORS)).filter((name) => /^(?:sound|broken)-/.test(name))
    assert(names.length >= 2)
    for (const name of names) {
      const path = join(VECTORS, name)
      const report = await theirs(path)
      assert.equal(report.ok, name.startsWith('sound-'), name)
      const own = await ours(await readFile(path))
      if (report.ok) assert.deepEqual(own, report, name)
      else assert.equal(own.ok, false, name)
    }
  }).timeout(30_000)

  it('agrees on fresh files, and notices each changed byte that it is shown', async () => {
    const files = await smallFiles()
    for (const [name, bytes] of Object.entries(files)) {
      const path = join(folder, name)
      await writeFile(path, bytes)
      assert.deepEqual(await theirs(path), await ours(bytes))
      const tool = join(INDEPENDENT, 'tamper.py')
      const { stdout } = await run('python3', [tool, path, String(STEP), '04'])
      const { sound, tried, unnoticed } = tampered.parse(JSON.parse(stdout))
      assert.deepEqual([sound, tried], [true, Math.ceil(bytes.length / STEP)])
      assert.deepEqual(unnoticed, [], name)
    }
  }).timeout(600_000)
})
