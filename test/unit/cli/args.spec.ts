import assert from 'node:assert/strict'
import { meant, parseCommandLine } from '../../../cli/args.ts'
import type { Command } from '../../../cli/command.ts'
import { EXIT, reportOf, usageError } from '../../../cli/errors.ts'
import { ApiError } from '../../../node/api/index.ts'
import { WeaverError } from '../../../core/index.ts'

const WRAPPER: Command = {
  summary: 'Wraps',
  words: { min: 1, max: Infinity },
  isWrapper: true,
  options: {
    on: { value: 'NODE', help: 'Where' },
    label: { value: 'K', isMultiple: true, help: '' }
  },
  examples: ['weaver wrap -- true'],
  load: () => Promise.reject(new Error('not run here'))
}
const PLAIN: Command = { ...WRAPPER, isWrapper: false, words: { min: 0, max: 1 } }

describe('parseCommandLine()', () => {
  const wrapped: readonly (readonly [
    what: string,
    argv: string[],
    on: string | null,
    words: string[]
  ])[] = [
    ['behind --', ['--on', 'a', '--', 'ls', '-l'], 'a', ['ls', '-l']],
    ['without --', ['--on', 'a', 'ls', '-l', '--on', 'b'], 'a', ['ls', '-l', '--on', 'b']],
    ['with a -- of its own', ['--', 'git', 'log', '--', 'x'], null, ['git', 'log', '--', 'x']],
    ['whose options look like ours', ['--', 'weaver', '--help'], null, ['weaver', '--help']],
    ['that begins with a dash', ['--', '-x'], null, ['-x']],
    ['behind an option joined by =', ['--on=a', 'ls'], 'a', ['ls']]
  ]
  for (const [what, argv, on, words] of wrapped) {
    it(`leaves a command ${what} as it is`, () => {
      const args = parseCommandLine('wrap', WRAPPER, argv)
      assert.equal(args.text('on'), on)
      assert.deepEqual(args.words, words)
    })
  }

  it('collects an option that may come several times', () => {
    const args = parseCommandLine('wrap', WRAPPER, ['--label', 'a=1', '--label=b=2', 'x'])
    assert.deepEqual(args.texts('label'), ['a=1', 'b=2'])
  })

  const wrong: readonly (readonly [argv: string[], message: RegExp])[] = [
    [['--onn', 'x'], /has no option --onn \(did you mean --on\?\)/],
    [['--on'], /option --on needs a value/],
    [['--json=yes'], /option --json takes no value/],
    [['a', 'b'], /does not take 'b'/],
    [['-q'], /has no option -q$/]
  ]
  for (const [argv, message] of wrong) {
    it(`refuses ${argv.join(' ')} as a usage error`, () => {
      assert.throws(
        () => parseCommandLine('plain', PLAIN, argv),
        (error) =>
          error instanceof Error && message.test(error.message) && reportOf(error).exit === 2
      )
    })
  }

  it('asks for what is missing, unless help is asked for', () => {
    assert.throws(() => parseCommandLine('wrap', WRAPPER, []), /wrap needs/)
    assert.equal(parseCommandLine('wrap', WRAPPER, ['--help']).flag('help'), true)
  })

  it('refuses numbers and choices that are none', () => {
    const command = { ...PLAIN, options: { n: { value: 'N', help: '' } } }
    const args = parseCommandLine('plain', command, ['--n', '-1'.replace('-', 'x')])
    assert.throws(() => args.count('n', 1), { code: 'CLI_USAGE' })
    assert.throws(() => args.oneOf('n', ['a', 'b'], 'a'), /not one of a, b/)
  })
})

describe('meant()', () => {
  it('names the nearest word, and none when none is near', () => {
    assert.equal(meant('statsu', ['start', 'status', 'stop']), ' (did you mean status?)')
    assert.equal(meant('kernle', ['kernel', 'mesh']), ' (did you mean kernel?)')
    assert.equal(meant('xyzzy', ['kernel', 'mesh']), '')
  })
})

describe('reportOf()', () => {
  const cases: readonly (readonly [code: string, exit: number])[] = [
    ['API_NO_KERNEL', EXIT.noKernel],
    ['API_KERNEL_GONE', EXIT.noKernel],
    ['GOVERNANCE_DENIED', EXIT.denied],
    ['MESH_CALL_TIMED_OUT', EXIT.timedOut],
    ['CORE_INVALID_DURATION', EXIT.usage],
    ['TASK_NOT_FOUND', EXIT.failed]
  ]
  for (const [code, exit] of cases) {
    it(`leaves with ${exit} on ${code}`, () => {
      assert.equal(reportOf(new ApiError({ code, message: 'm', hint: null })).exit, exit)
    })
  }

  it('finds the hint wherever an error carries it', () => {
    assert.equal(reportOf(new ApiError({ code: 'A_B', message: 'm', hint: 'h' })).hint, 'h')
    assert.equal(reportOf(new WeaverError('A_B', 'm', { detail: { hint: 'h' } })).hint, 'h')
    assert.equal(reportOf(usageError('m', 'h')).hint, 'h')
    assert.equal(reportOf(new Error('m')).hint, null)
  })
})
