import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { millis } from '../../../../core/index.ts'
import { LOG_KINDS_MAX, LOG_LINES_OF_KIND_MAX, LOG_SPAN_MS } from '../../../../node/limits.ts'
import { LogFile, logPath } from '../../../../node/log-file.ts'
import type { LogFileOptions } from '../../../../node/log-file.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'

describe('LogFile', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weaver-log-'))
  })

  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  function open(
    options: Partial<LogFileOptions> = {},
    clock: VirtualClock = new VirtualClock()
  ): LogFile {
    return new LogFile({ clock }, { directory, level: 'info', ...options })
  }

  function lines(age: number = 0): readonly Record<string, unknown>[] {
    return readFileSync(logPath(directory, age), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  it('writes one JSON object a line at once, with the fields of its parents (F1)', () => {
    const { logger } = open()
    logger.child({ room: 'mesh' }).info('A peer\nhas come', { peer: 'x', rtt: 1.5, count: 3n })
    assert.deepEqual(lines(), [
      {
        time: 1_800_000_000_000,
        level: 'info',
        message: 'A peer\nhas come',
        fields: { room: 'mesh', peer: 'x', rtt: 1.5, count: '3' }
      }
    ])
    assert.equal(statSync(logPath(directory)).mode & 0o777, 0o600)
  })

  it('leaves out what is below its level', () => {
    const { logger } = open({ level: 'warn' })
    logger.debug('no')
    logger.info('no')
    logger.warn('yes')
    logger.error('yes')
    assert.equal(lines().length, 2)
  })

  it('takes plain values of bounded length alone (F3)', () => {
    const odd = { secret: { key: 'x' }, not: Number.NaN, none: null, yes: true } as never
    open().logger.info('m'.repeat(10_000), odd)
    const [line] = lines()
    assert.ok(String(line?.['message']).length < 4200)
    assert.deepEqual(line?.['fields'], {
      secret: '[object Object]',
      not: 'NaN',
      none: null,
      yes: true
    })
  })

  it('keeps five files, the newest first, each of a bounded size', () => {
    const { logger } = open({ fileBytesMax: 1000 })
    for (let count = 0; count < 200; count++) logger.info(`${count}`.padEnd(100), { count })
    assert.deepEqual(readdirSync(directory).toSorted(), [
      'kernel.1.log',
      'kernel.2.log',
      'kernel.3.log',
      'kernel.4.log',
      'kernel.log'
    ])
    for (const name of readdirSync(directory)) {
      assert.ok(statSync(join(directory, name)).size < 1300)
    }
    assert.match(readFileSync(logPath(directory, 1), 'utf8'), /"count":19\d}}\n$/)
  })

  it('goes on in the file of an earlier kernel', () => {
    const first = open()
    first.logger.info('one')
    first.close()
    first.close()
    first.logger.info('lost')
    open().logger.info('two')
    assert.deepEqual(
      lines().map((line) => line['message']),
      ['one', 'two']
    )
  })

  it('never throws, and says how many lines were lost (F2)', () => {
    mkdirSync(logPath(directory)) // A folder where the file should be.
    const { logger } = open()
    logger.info('lost')
    logger.info('lost')
    rmSync(logPath(directory), { recursive: true })
    logger.info('kept')
    assert.deepEqual(
      lines().map((line) => [line['message'], line['fields']]),
      [
        ['Lines were lost: the log could not be written', { count: 2 }],
        ['kept', {}]
      ]
    )
  })

  it('leaves out what comes again and again, and says how much of it (F4)', () => {
    const clock = new VirtualClock()
    const file = open({}, clock)
    const { logger } = file
    for (let count = 0; count < 1_000_000; count++) logger.error('service failed', { count })
    logger.warn('and another')
    assert.equal(lines().length, LOG_LINES_OF_KIND_MAX + 1)
    clock.advanceTo(millis(clock.now() + LOG_SPAN_MS))
    logger.error('service failed')
    for (let count = 0; count <= LOG_LINES_OF_KIND_MAX; count++) logger.info('again')
    file.close()
    const [notice, line, ...more] = lines().slice(LOG_LINES_OF_KIND_MAX + 1)
    assert.deepEqual(notice?.['fields'], {
      kind: 'service failed',
      count: 1_000_000 - LOG_LINES_OF_KIND_MAX
    })
    assert.equal(line?.['message'], 'service failed')
    assert.deepEqual(more.at(-1)?.['fields'], { kind: 'again', count: 1 })
    assert.equal(more.length, LOG_LINES_OF_KIND_MAX + 1)
  })

  it('counts so many kinds and no more (F4)', () => {
    const { logger } = open()
    for (let kind = 0; kind < 10_000; kind++) logger.error(`failed for the ${kind}th time`)
    assert.equal(lines().length, LOG_KINDS_MAX + LOG_LINES_OF_KIND_MAX)
  })

  it('hands every line to whoever follows', () => {
    const seen: string[] = []
    const { logger } = open({ onLine: (line) => seen.push(line) })
    logger.info('one')
    assert.equal(JSON.parse(seen[0] ?? '').message, 'one')
  })
})
