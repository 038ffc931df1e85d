import assert from 'node:assert/strict'
import { COMMANDS } from '../../../cli/commands.ts'
import type { Command } from '../../../cli/command.ts'
import { parseCommandLine } from '../../../cli/args.ts'
import { helpText } from '../../../cli/help.ts'

interface Known {
  readonly path: readonly string[]
  readonly command: Command
}

async function allCommands(): Promise<readonly Known[]> {
  const all: Known[] = []
  for (const [name, entry] of Object.entries(COMMANDS)) {
    if (entry.kind === 'command') {
      all.push({ path: [name], command: await entry.load() })
      continue
    }
    const { commands } = await entry.load()
    for (const [word, command] of Object.entries(commands)) {
      all.push({ path: [name, word], command })
    }
  }
  return all
}

const known = await allCommands()

describe('the table of commands', () => {
  it('has what the contract of this version promises', () => {
    assert.deepEqual(
      known.map(({ path }) => path.join(' ')),
      [
        ...['start', 'stop', 'restart', 'status', 'ps', 'logs', 'attach'].map((w) => `kernel ${w}`),
        ...[
          'invite',
          'join',
          'evict',
          'leave',
          'role',
          'label',
          'signatures',
          'pending',
          'approve'
        ].map((word) => `mesh ${word}`),
        ...['ping', 'netcheck', 'peers', 'status'].map((word) => `mesh ${word}`),
        'node show',
        'run',
        ...['list', 'show', 'wait', 'cancel', 'logs'].map((word) => `task ${word}`),
        ...['spawn', 'list', 'inspect', 'attach', 'stop', 'restart', 'runtimes'].map(
          (word) => `agent ${word}`
        ),
        ...['list', 'inspect', 'call'].map((word) => `tool ${word}`),
        ...['show', 'explain', 'check', 'validate', 'apply', 'add', 'reload', 'lock'].map(
          (word) => `policy ${word}`
        ),
        ...['list', 'show', 'approve', 'deny'].map((word) => `approvals ${word}`),
        ...['set', 'list', 'remove'].map((word) => `secrets ${word}`),
        ...['put', 'get', 'pin', 'list', 'gc'].map((word) => `blob ${word}`),
        ...[
          'status',
          'verify',
          'repair',
          'keep',
          'rotate',
          'redact',
          'log',
          'prove',
          'export',
          'show'
        ].map((word) => `chain ${word}`),
        'verify',
        'doctor',
        'self',
        'version',
        'completion'
      ]
    )
  })

  for (const { path, command } of known) {
    const name = path.join(' ')

    it(`gives ${name} a help page with every option and an example`, async () => {
      const page = await helpText(path)
      assert.match(page, new RegExp(`^weaver ${name}: `))
      for (const option of ['json', 'help', ...Object.keys(command.options ?? {})]) {
        assert(page.includes(`--${option}`), `--${option} is on the page`)
      }
      for (const example of command.examples) assert(page.includes(example))
      for (const line of page.split('\n')) assert(line.length <= 130, line)
    })

    it(`can read its own examples of ${name}`, () => {
      for (const example of command.examples) {
        const words = wordsOf(example, name)
        assert.doesNotThrow(() => parseCommandLine(name, command, words), example)
      }
    })

    it(`has code to run for ${name}`, async () => {
      assert.equal(typeof (await command.load()), 'function')
    })
  }

  it('gives every group and the whole a page', async () => {
    assert.match(await helpText([]), /^ {2}kernel +Start, stop/m)
    for (const [name, { kind }] of Object.entries(COMMANDS)) {
      if (kind === 'group') assert.match(await helpText([name]), /^Commands:$/m)
    }
  })
})

/** What stands behind `weaver NAME` in an example, as a shell would split it. */
function wordsOf(example: string, name: string): readonly string[] {
  const line = example.slice(example.indexOf(`weaver ${name}`) + `weaver ${name}`.length)
  const words = line.split(/[|)]/, 1)[0]?.match(/'[^']*'|\S+/g) ?? []
  return words.map((word) => word.replaceAll("'", ''))
}
