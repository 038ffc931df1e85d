import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_SANDBOX, parseGrant, pid } from '../../../../core/index.ts'
import { carried, Seatbelt, seatbeltProfile } from '../../../../node/containment/seatbelt.ts'
import type { LaunchPlan, LaunchWish } from '../../../../node/containment/ports.ts'

// What is said, in its order: later rules win. That macOS does as it is told is untried.
describe('containment/seatbelt', () => {
  const seen = [
    { path: '/Users/me/data', inside: '/Users/me/data', isWritable: false },
    { path: '/Users/me/wo"rk', inside: '/Users/me/wo"rk', isWritable: true }
  ]
  const guards = [
    { path: '/Users/me/wo"rk/.git', isWritable: true },
    { path: '/Users/me/wo"rk/.git/config', isWritable: false }
  ]
  const lines = seatbeltProfile(seen, guards).split('\n')
  const at = (line: string): number => {
    assert.ok(lines.includes(line), `${line} in\n${lines.join('\n')}`)
    return lines.indexOf(line)
  }

  it('denies what it does not allow, and all network last', () => {
    assert.equal(at('(deny default)'), 1)
    const network = at('(deny network*)')
    assert.deepEqual(
      lines.slice(network).filter((line) => line.startsWith('(allow')),
      []
    )
  })

  it('lets what is granted be read, and written only where it is granted for that', () => {
    at('(allow file-read* (subpath "/Users/me/data"))')
    at(String.raw`(allow file-write* (subpath "/Users/me/wo\"rk"))`)
    assert.ok(!lines.some((line) => line.includes('file-write* (subpath "/Users/me/data")')))
  })

  it('closes again what stays closed, after the folder around it was opened', () => {
    const open = at(String.raw`(allow file-write* (subpath "/Users/me/wo\"rk"))`)
    assert.ok(at(String.raw`(deny file-write* (subpath "/Users/me/wo\"rk/.git/config"))`) > open)
    assert.ok(at(String.raw`(deny file-write-unlink (literal "/Users/me/wo\"rk/.git"))`) > open)
  })

  it('does not show everybody’s files under the name of their volume', () => {
    const data = at('(deny file-read* file-write* (subpath "/System/Volumes/Data"))')
    assert.ok(data < at('(allow file-read* (subpath "/Users/me/data"))'))
    assert.ok(data > lines.findIndex((line) => line.includes('(subpath "/System")')))
  })
})

// The shell is real; in the place of sandbox-exec stands a program that only leaves its profile out, and says what it
// has in its own environment.
describe('containment/seatbelt, what it starts', () => {
  let folder: string
  const secret = "s3cret with 'quotes', $(touch gone), `x`, \\ and a break\n\n"

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'weaver-seatbelt-'))
    const fake =
      '#!/bin/sh\n[ -z "$DYLD_INSERT_LIBRARIES$HOME$TOKEN" ] || exit 9\nshift 2\nexec "$@"\n'
    writeFileSync(join(folder, 'sandbox-exec'), fake)
    chmodSync(join(folder, 'sandbox-exec'), 0o755)
  })
  after(() => rmSync(folder, { recursive: true }))

  async function planned(
    command: readonly [string, ...string[]],
    given: Readonly<Record<string, string>> = {}
  ): Promise<LaunchPlan> {
    const seatbelt = new Seatbelt({
      program: join(folder, 'sandbox-exec'),
      runDirectory: folder,
      closedPaths: [],
      environment: { TOKEN: secret }
    })
    const wish: LaunchWish = {
      pid: pid(7),
      command,
      environment: { PATH: '/usr/bin:/bin' },
      given,
      mark: ['WEAVER_LEASH', 'aa:bb:7'],
      directory: folder,
      isOwnDirectory: true,
      grants: [parseGrant('env:TOKEN')],
      guards: [],
      limits: DEFAULT_SANDBOX.limits,
      gpus: [],
      kernelSocket: null,
      watch: null,
      isWaitedFor: false,
      hasInput: false
    }
    return await seatbelt.plan(wish)
  }

  function ran({ command: [program, ...args], environment }: LaunchPlan): string {
    return execFileSync(program, args, { env: { ...environment }, encoding: 'utf8' })
  }

  it('no value is in an argument, and each arrives as it is (M1)', async () => {
    const given = { DYLD_INSERT_LIBRARIES: '/tmp/evil.dylib', IFS: 's', odd: '', name: 'v' }
    const plan = await planned(['/usr/bin/env', '-0'], given)
    const line = plan.command.join(' ')
    for (const value of ['s3cret', 'evil', 'aa:bb:7']) assert.ok(!line.includes(value), line)
    const inside = new Map(
      ran(plan)
        .split('\0')
        .map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)])
    )
    assert.equal(inside.get('TOKEN'), secret)
    assert.equal(inside.get('WEAVER_LEASH'), 'aa:bb:7')
    for (const [name, value] of Object.entries(given)) assert.equal(inside.get(name), value, name)
    assert.deepEqual(
      [...inside.keys()].filter((name) => name.startsWith('weaver_variable')),
      []
    )
  })

  it('a variable of the requester does not reach sandbox-exec or the shell (M2)', async () => {
    const plan = await planned(['/bin/echo', 'fine'], {
      DYLD_INSERT_LIBRARIES: 'x',
      ENV: '/dev/null'
    })
    assert.ok(Object.keys(plan.environment).every((name) => name.startsWith('weaver_variable_')))
    assert.equal(ran(plan), 'fine\n')
  })

  it('what runs is what was decided, also where it looks like a variable or an option (M2)', async () => {
    const plan = await planned(['A=b', '/bin/echo', 'another command'])
    assert.throws(() => ran(plan), /A=b/)
    await assert.rejects(planned(['-c', '/bin/echo', 'another']), { code: 'PROCESS_NOT_FOUND' })
  })

  it('a name that a shell would take for code, or for its own, is refused', () => {
    for (const name of [
      'a;id',
      'a b',
      '$(id)',
      '',
      '1a',
      'UID',
      'PPID',
      'weaver_variable_0',
      'é'
    ]) {
      assert.throws(() => carried({ [name]: 'x' }), { code: 'CONTAINMENT_GRANT_REFUSED' }, name)
    }
  })
})
