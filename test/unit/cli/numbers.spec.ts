// Goal: whoever gives a number, a time or a size that cannot be is told in one line which option it is, what was given
// and what may be, in no words but a user's.
// Method: bin/weaver.js as a child process, against the real server over a fake kernel that must not hear of it.

import assert from 'node:assert/strict'
import { COMMANDS } from '../../../cli/commands.ts'
import type { Command } from '../../../cli/command.ts'
import {
  DURATION_MAX_MS,
  INVITE_USES_MAX,
  LOG_LINES_MAX,
  SIGNATURES_MAX
} from '../../../node/api/index.ts'
import * as mesh from '../../../mesh/limits.ts'
import { TIMEOUT_MAX_MS } from '../../../scheduler/limits.ts'
import { startFixture } from '../node/http/fixture.ts'
import type { Fixture } from '../node/http/fixture.ts'
import { weaver } from './weaver.ts'

const TIME = 'is not a time from 1ms to 30d: write 90s, 10m or 4h'
const SIZE = 'is not a size: write 512MB, 24GB or 8GiB'
const whole = (least: number, most: number): string =>
  `is not a whole number from ${least} to ${most}`

interface Row {
  readonly command: string
  readonly option: string
  /** What follows the options. */
  readonly words?: string
  readonly wrong: readonly string[]
  readonly says: string
}

const ROWS: readonly Row[] = [
  {
    command: 'mesh invite',
    option: 'uses',
    wrong: ['0', '-1', '1001', '1.5', 'many'],
    says: whole(1, 1000)
  },
  { command: 'mesh invite', option: 'ttl', wrong: ['0s', '31d', 'soon', '-5m'], says: TIME },
  {
    command: 'mesh ping',
    option: 'count',
    words: 'server',
    wrong: ['-1', '1000000000'],
    says: whole(0, 999_999_999)
  },
  { command: 'kernel logs', option: 'lines', wrong: ['-1', '100001'], says: whole(0, 100_000) },
  { command: 'chain log', option: 'lines', wrong: ['100001', 'all'], says: whole(0, 100_000) },
  {
    command: 'verify',
    option: 'witnesses',
    words: '/dev/null',
    wrong: ['-1'],
    says: whole(0, 999_999_999)
  },
  { command: 'run', option: 'timeout', words: '-- true', wrong: ['0s', '31d'], says: TIME },
  { command: 'task wait', option: 'timeout', words: 'abc', wrong: ['0s', '9'], says: TIME },
  { command: 'kernel stop', option: 'timeout', wrong: ['99999d'], says: TIME },
  { command: 'blob gc', option: 'to', wrong: ['-1', 'much', '999999999TB'], says: SIZE },
  { command: 'kernel start', option: 'blob-budget', wrong: ['much'], says: SIZE }
]

const LIMITS: readonly (readonly [limit: string, says: string])[] = [
  ['cpu=0', "--limit 'cpu=0' is not a number of CPUs from 0.01 to 4096"],
  ['cpu=5000', "--limit 'cpu=5000' is not a number of CPUs from 0.01 to 4096"],
  ['pids=0', "--limit 'pids=0' is not a whole number from 1 to 4194304"],
  ['pids=5000000', "--limit 'pids=5000000' is not a whole number from 1 to 4194304"],
  ['mem=1B', "--limit 'mem=1B' is not a size of at least 1048576 bytes: write 512MB, 24GB or 8GiB"],
  [
    'mem=much',
    "--limit 'mem=much' is not a size of at least 1048576 bytes: write 512MB, 24GB or 8GiB"
  ],
  ['disk=1GB', "--limit 'disk=1GB' is not one of mem=1GB, cpu=2 and pids=100"]
]

async function numericOptions(): Promise<readonly string[]> {
  const found = new Set<string>()
  const add = (path: string, { options = {} }: Command): void => {
    for (const [name, { value }] of Object.entries(options)) {
      if (/^(?:N|D|SIZE)$/.test(value ?? '')) found.add(`${path} --${name}`)
    }
  }
  for (const [name, entry] of Object.entries(COMMANDS)) {
    if (entry.kind === 'command') add(name, await entry.load())
    else {
      const { commands } = await entry.load()
      for (const [word, command] of Object.entries(commands)) add(`${name} ${word}`, command)
    }
  }
  return [...found].toSorted()
}

describe('numbers on the command line', () => {
  let fixture: Fixture
  before(async () => {
    fixture = await startFixture()
  })
  after(() => fixture.stop())

  async function refused(args: readonly string[], says: string): Promise<void> {
    const { code, stderr, stdout } = await weaver(fixture.home, args)
    assert.equal(code, args[0] === 'run' ? 125 : 2, stderr)
    assert.equal(`${stdout}${stderr}`, `weaver: ${says}\n`)
    assert.deepEqual(fixture.service.calls, [])
  }

  it('are all in this table', async () => {
    const rows = ROWS.map(({ command, option }) => `${command} --${option}`)
    assert.deepEqual([...new Set(rows)].toSorted(), await numericOptions())
  })

  for (const { command, option, words = '', wrong, says } of ROWS) {
    it(`are refused with what may be given: ${command} --${option}`, async () => {
      for (const value of wrong) {
        const more = words === '' ? [] : words.split(' ')
        const args = [...command.split(' '), `--${option}=${value}`, ...more]
        await refused(args, `--${option} '${value}' ${says}`)
      }
    })
  }

  it('are refused so as limits of a process, and as the count of admins that must sign', async () => {
    for (const [limit, says] of LIMITS) await refused(['run', '--limit', limit, '--', 'true'], says)
    for (const count of ['0', '17', 'all']) {
      await refused(['mesh', 'signatures', count], `mesh signatures '${count}' ${whole(1, 16)}`)
    }
  })

  it('have the bounds of the rooms that they are for', () => {
    assert.equal(INVITE_USES_MAX, mesh.INVITE_USES_MAX)
    assert.equal(SIGNATURES_MAX, mesh.QUORUM_MAX)
    assert.deepEqual([DURATION_MAX_MS, DURATION_MAX_MS], [mesh.INVITE_TTL_MAX_MS, TIMEOUT_MAX_MS])
    assert.equal(LOG_LINES_MAX, 100_000)
  })
})
