import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WORDS_BYTES_MAX } from '../../../../node/containment/limits.ts'
import { toldBytes, waitingCommand } from '../../../../node/containment/waiting.ts'

const mark = ['WEAVER_LEASH', 'a:b:1'] as const

describe('containment/waiting', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weaver-waiting-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  /** A waiting shell whose program writes down what it became; what it was told comes in pieces. */
  async function become(...pieces: readonly Uint8Array[]): Promise<string> {
    const program = join(folder, 'program')
    const out = join(folder, 'out')
    writeFileSync(
      program,
      `#!/bin/sh\n{ printf '%s|' "$@"; echo; env | grep WEAVER; cat; echo; cat <&3; } >${out}\n`
    )
    chmodSync(program, 0o755)
    const joined = join(folder, 'cgroup.procs')
    writeFileSync(joined, '')
    const [shell, ...args] = waitingCommand(program, [joined])
    const child = spawn(shell, args, { env: {}, stdio: ['pipe', 'pipe', 'inherit', 'pipe'] })
    const told = child.stdio[3]
    assert.ok(told !== null && told !== undefined && 'write' in told)
    child.stdin?.end('input')
    for (const piece of pieces) {
      told.write(piece)
      await new Promise((resolve) => told.write('', resolve))
    }
    told.end()
    const [code] = await once(child, 'exit')
    assert.equal(Number(readFileSync(joined, 'utf8')), child.pid)
    if (code !== 0) return `code ${code}`
    try {
      return readFileSync(out, 'utf8')
    } catch {
      return 'nothing'
    }
  }

  const HARD = ['true', '', ' a  b ', '$(id) `id`', "it's", '"', '\\', '\\n', '-e', '*', '!x', '~']

  it('makes words arguments, and reads nothing of them as code (S1)', async () => {
    const bytes = toldBytes({ mark, args: ['--x', 'y\nz'], command: ['true', ...HARD] }, true)
    assert.ok(bytes !== null)
    const lines = (await become(bytes)).split('\n')
    assert.equal(lines[0], ['--seccomp', '4', '--args', '3', '--', 'true', ...HARD, ''].join('|'))
    assert.deepEqual(lines.slice(1), ['WEAVER_LEASH=a:b:1', 'input', '--x\0y', 'z\0'])
  })

  it('has no input where none was asked for', async () => {
    const bytes = toldBytes({ mark, args: [], command: ['true'] }, false)
    assert.ok(bytes !== null)
    assert.equal((await become(bytes)).split('\n')[2], '')
  })

  it('ends when it is told nothing, or not all (S2)', async () => {
    assert.equal(await become(), 'nothing')
    const bytes = toldBytes({ mark, args: [], command: ['true', 'a', 'b'] }, true)
    assert.ok(bytes !== null)
    assert.equal(await become(bytes.subarray(0, 12)), 'nothing')
    assert.equal(await become(bytes.subarray(0, bytes.length - 4)), 'code 125')
  })

  it('is not used for what shells disagree about, or would be slow at', () => {
    for (const word of ['a\nb', 'ü', '\u0001', '\t', 'x'.repeat(WORDS_BYTES_MAX)]) {
      assert.equal(toldBytes({ mark, args: [], command: ['true', word] }, true), null)
    }
    const args = ['--setenv', 'A', 'x'.repeat(40_000)]
    assert.equal(toldBytes({ mark, args, command: ['true'] }, true), null)
    assert.notEqual(toldBytes({ mark, args: ['ü\n'], command: ['true'] }, true), null)
  })
})
