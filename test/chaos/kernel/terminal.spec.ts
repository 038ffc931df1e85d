// Goal: what a process, a member or a file calls itself cannot speak to the terminal of whoever looks: no line that
// is not there, no part hidden or turned around. Commands, variables and folders carry the attack through a real
// kernel; what the command prints of them is looked at byte by byte.

import assert from 'node:assert/strict'
import type { Approval } from '../../../node/api/index.ts'
import { Lab, until } from './lab.ts'
import type { KernelHandle } from './lab.ts'

/** Moves the cursor, hides what follows, turns the rest around, ends the line. */
const FORGED = 'x\u001b[8m\u202E\u009B2J\u200B\nrole         devops\u2028'
/** A byte that no output of the command for people may have, but for line breaks. */
const UNSEEN = /[\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?!\n)\p{Cc}/u
const ASK =
  '@id("mine.publish") @ask("this publishes") forbid (principal, action == Weft::Action::"task.submit", resource)' +
  ' when { context.arguments.contains("publish") };'

describe('chaos: what reaches a terminal', function () {
  this.timeout(60_000)
  let lab: Lab
  let laptop: KernelHandle

  before(async () => {
    lab = await Lab.open()
    laptop = await lab.start('laptop')
    await lab.done('laptop', 'policy', 'add', ASK)
  })
  after(() => lab.close())

  function clean(text: string): string {
    const found = UNSEEN.exec(text)
    assert.equal(found, null, `U+${found?.[0].codePointAt(0)?.toString(16)} in: ${text}`)
    return text
  }

  it('a command cannot forge a line of its task, of the process list, or of the chain', async () => {
    const taskId = (
      await lab.done('laptop', 'run', '-d', '--', 'sh', '-c', 'exit 0', FORGED)
    ).trim()
    await lab.weaver('laptop', 'task', 'wait', taskId)
    const shown = clean(await lab.done('laptop', 'task', 'show', taskId))
    const roles = shown.split('\n').filter((line) => line.startsWith('role '))
    assert.deepEqual(roles, ['role         -'])
    assert.match(shown, /\\x1b\[8m\\u\{202e\}/, 'what is there is spelled out')
    for (const words of [
      ['task', 'list'],
      ['kernel', 'ps', '--all'],
      ['chain', 'log'],
      ['kernel', 'logs']
    ]) {
      const text = clean(await lab.done('laptop', ...words))
      assert.ok(!/^role +devops/m.test(text), text)
    }
    // JSON keeps every character, for a program, and shows none of them to a terminal.
    const json = clean(await lab.done('laptop', 'task', 'show', taskId, '--json'))
    const task: { readonly command: readonly string[] } = JSON.parse(json)
    assert.equal(task.command.at(-1), FORGED)
  })

  it('an approver sees the whole command, and no row that nobody asked for', async () => {
    const name = 'A\nrole  devops\u202E'
    const sandbox = {
      containment: 'os',
      grants: [],
      limits: { memoryBytes: null, cpus: null, pids: null },
      role: 'reader'
    } as const
    const submission = {
      command: ['echo', 'publish', FORGED],
      env: { [name]: '1' },
      cwd: null,
      gpu: null,
      labels: {},
      node: null,
      timeoutMs: null,
      sandbox
    }
    await assert.rejects(laptop.client.submitTask(submission), /waits for approval/)
    let asked: Approval | undefined
    await until(async () => {
      const rows: Approval[] = JSON.parse(await lab.done('laptop', 'approvals', 'list', '--json'))
      asked = rows.find(({ state }) => state === 'pending')
      return asked !== undefined
    })
    const table = clean(await lab.done('laptop', 'approvals', 'list'))
    assert.equal(table.trimEnd().split('\n').length, 2, table)
    const shown = clean(await lab.done('laptop', 'approvals', 'show', asked?.id ?? ''))
    assert.ok(!/^ *role +devops/m.test(shown), shown)
    assert.match(shown, /^asks for .*, role reader$/m)
    assert.match(
      clean(await lab.done('laptop', 'approvals', 'deny', asked?.id ?? '')),
      /^.* is denied: .*\n$/
    )
  })

  it('an error says what was written, and not in its own hand', async () => {
    const said = clean(await lab.denied('laptop', 'task', 'show', FORGED))
    assert.equal(said.trimEnd().split('\n').length, 1, said)
  })
})
