// Goal: the gate holds at the running kernel. Two nodes, real policies, and whoever tries to get around them:
// by swapping what was approved (attack class 11), by saying yes for themselves (5), by editing or replaying
// policies (8, 9), by breaking them.

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { chmod, cp, mkdir, readFile, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Approval, PolicyView } from '../../../node/api/index.ts'
import { Lab, resultOf, until } from './lab.ts'
import type { CommandResult } from './lab.ts'

const ASK_PUBLISH =
  '@id("mine.publish") @ask("this publishes") forbid (principal, action == Weft::Action::"task.submit", resource)' +
  ' when { context.arguments.contains("publish") };'

describe('chaos: governance', function () {
  this.timeout(120_000)
  let lab: Lab

  before(async () => {
    lab = await Lab.open()
    await lab.pair()
    await lab.done('laptop', 'policy', 'add', ASK_PUBLISH)
  })
  after(() => lab.close())

  async function pending(name: string): Promise<Approval> {
    let found: Approval | undefined
    await until(async () => {
      const rows: Approval[] = JSON.parse(await lab.done(name, 'approvals', 'list', '--json'))
      found = rows.find(({ state }) => state === 'pending')
      return found !== undefined
    })
    assert.ok(found !== undefined)
    return found
  }

  async function policyOf(name: string): Promise<PolicyView> {
    const view: PolicyView = JSON.parse(await lab.done(name, 'policy', 'show', '--json'))
    return view
  }

  /** Starts a run that waits for an approval. */
  function waiting(
    name: string,
    ...command: readonly string[]
  ): [ChildProcess, Promise<CommandResult>] {
    const child = lab.spawn(name, ['run', '--', ...command])
    return [child, resultOf(child)]
  }

  it('what asks waits, says how to approve it, keeps its input, and runs once it is approved', async () => {
    const [child, ended] = waiting('laptop', 'sh', '-c', 'cat; echo done', 'publish')
    child.stdin?.end('the input\n')
    const { id, hash } = await pending('laptop')
    assert.match(
      await lab.done('laptop', 'approvals', 'show', id),
      /argv +\["sh","-c","cat; echo done","publish"\]/
    )
    const wrong = 'ab'.repeat(32)
    assert.match(
      await lab.denied('laptop', 'approvals', 'approve', id, '--hash', wrong),
      /something else/
    )
    await lab.done('laptop', 'approvals', 'approve', id, '--hash', hash)
    const { code, stdout, stderr } = await ended
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'the input\ndone\n' })
    assert.match(stderr, new RegExp(`waiting for approval ${id}: weaver approvals approve ${id}`))
    // Replayed: it is used.
    assert.match(await lab.denied('laptop', 'approvals', 'approve', id), /is used/)
    const [again, left] = waiting('laptop', 'sh', '-c', 'cat; echo done', 'publish')
    const next = await pending('laptop')
    assert.notEqual(next.id, id)
    again.kill('SIGINT')
    assert.equal((await left).code, 125)
    const after: Approval = JSON.parse(
      await lab.done('laptop', 'approvals', 'show', next.id, '--json')
    )
    assert.equal(after.state, 'denied', 'whoever asked has taken it back')
  })

  it('approve, then swap the script, the symlink, or the program: nothing of it runs (11)', async () => {
    const folder = join(lab.folder, 'swap')
    await mkdir(folder)
    const [script, other, link, ran] = ['a.sh', 'b.sh', 'link.sh', 'ran'].map((name) =>
      join(folder, name)
    )
    assert.ok(
      script !== undefined && other !== undefined && link !== undefined && ran !== undefined
    )
    await writeFile(script, '#!/bin/sh\necho good\n', { mode: 0o755 })
    await writeFile(other, `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 })
    await symlink(script, link)
    const swaps: readonly (readonly [string[], () => Promise<void>])[] = [
      [['sh', script, 'publish'], () => cp(other, script)],
      [
        [link, 'publish'],
        async () => {
          await unlink(link)
          await symlink(other, link)
        }
      ],
      [[script, 'publish'], () => writeFile(script, `#!/bin/sh\ntouch ${ran} # again\n`)]
    ]
    for (const [command, swap] of swaps) {
      const [child, ended] = waiting('laptop', ...command)
      const { id } = await pending('laptop')
      await swap()
      await lab.done('laptop', 'approvals', 'approve', id)
      // It is another question now: the old answer is not taken for it.
      const next = await pending('laptop')
      assert.notEqual(next.id, id)
      await lab.done('laptop', 'approvals', 'deny', next.id)
      assert.equal((await ended).code, 125)
      assert.equal(child.exitCode, 125)
      await assert.rejects(readFile(ran), { code: 'ENOENT' })
    }
  })

  it('approve what is seen under another name inside, then swap it: refused (11)', async () => {
    const ws = join(lab.folder, 'ws')
    const ran = join(lab.folder, 'renamed-ran')
    await mkdir(ws)
    const script = join(ws, 'run.sh')
    await writeFile(script, '#!/bin/sh\necho good\n', { mode: 0o755 })
    // A link that leads to the script inside, and nowhere on this machine.
    await symlink('/opt/ws/run.sh', join(ws, 'link'))
    for (const name of ['run.sh', 'link']) {
      await writeFile(script, '#!/bin/sh\necho good\n')
      const words = [
        'run',
        '--on',
        'laptop',
        '--grant',
        `fs.read:${ws}=/opt/ws`,
        '--',
        `/opt/ws/${name}`,
        'publish'
      ]
      const child = lab.spawn('laptop', words)
      const ended = resultOf(child)
      const { id, files } = await pending('laptop')
      assert.ok(
        files.some(({ path }) => path.includes(`/opt/ws/${name}`)),
        'the approver sees the file that would run'
      )
      await writeFile(script, `#!/bin/sh\ntouch ${ran}\necho evil\n`)
      await lab.done('laptop', 'approvals', 'approve', id)
      const next = await pending('laptop')
      assert.notEqual(next.id, id)
      await lab.done('laptop', 'approvals', 'deny', next.id)
      const { code, stdout } = await ended
      assert.deepEqual({ code, stdout }, { code: 125, stdout: '' })
    }
  })

  it('approve an agent, then swap its script: it does not start, and starts as it was approved (11)', async () => {
    const ask =
      '@id("mine.agents") @ask("look at it") forbid (principal, action == Weft::Action::"agent.spawn", resource)' +
      ' when { context.arguments.contains("publish") };'
    await lab.done('laptop', 'policy', 'add', ask)
    const script = join(lab.folder, 'agent.sh')
    const ran = join(lab.folder, 'agent-ran')
    await writeFile(script, '#!/bin/sh\nsleep 60\n', { mode: 0o755 })
    const command = ['--grant', `fs.read:${script}`, '--', 'sh', script, 'publish']
    const spawn = [
      'agent',
      'spawn',
      '--runtime',
      'custom',
      '--name',
      'asked',
      '--restart',
      'temporary',
      ...command
    ]
    const first = resultOf(lab.spawn('laptop', spawn))
    const { id } = await pending('laptop')
    await writeFile(script, `#!/bin/sh\ntouch ${ran}\n`)
    await lab.done('laptop', 'approvals', 'approve', id)
    const next = await pending('laptop')
    assert.notEqual(next.id, id)
    await lab.done('laptop', 'approvals', 'deny', next.id)
    assert.notEqual((await first).code, 0)
    await writeFile(script, '#!/bin/sh\nsleep 60\n')
    await lab.done('laptop', ...spawn)
    assert.match(await lab.done('laptop', 'agent', 'list'), /asked/)
    await lab.done('laptop', 'agent', 'stop', 'asked')
    const again = resultOf(lab.spawn('laptop', spawn))
    await lab.done('laptop', 'approvals', 'deny', (await pending('laptop')).id)
    assert.notEqual((await again).code, 0)
    await assert.rejects(readFile(ran), { code: 'ENOENT' })
  })

  it('a restart denies what waits, and the number is not used again', async () => {
    const [, ended] = waiting('laptop', 'echo', 'publish', 'restart')
    const { id } = await pending('laptop')
    await lab.done('laptop', 'kernel', 'restart')
    assert.equal((await ended).code, 125)
    assert.match(await lab.denied('laptop', 'approvals', 'approve', id), /find approval/)
    const log = await lab.done('laptop', 'chain', 'log', '-n', '200', '--kind', 'approval.decided')
    assert.match(log, new RegExp(`approval:${id}.*the kernel was restarted`))
    const [child, gone] = waiting('laptop', 'echo', 'publish', 'restart')
    assert.notEqual((await pending('laptop')).id, id)
    child.kill('SIGINT')
    await gone
  })

  it('a policy of the mesh comes from an admin alone, reaches who was away, and never gets older (8, 9)', async () => {
    const file = join(lab.folder, 'team.cedar')
    const rule = (word: string): string =>
      `@id("team.${word}") forbid (principal, action == Weft::Action::"task.submit", resource) when { context.line == "echo ${word}" };`
    await writeFile(file, rule('one'))
    assert.match(await lab.denied('server', 'policy', 'apply', file), /no admin/)
    await lab.done('laptop', 'policy', 'apply', file)
    await until(async () => (await policyOf('server')).mesh?.version === 1)
    assert.match(await lab.denied('server', 'run', '--', 'echo', 'one'), /team\.one/)
    // What locks every admin out is not taken.
    await writeFile(file, 'forbid (principal, action, resource);')
    assert.match(await lab.denied('laptop', 'policy', 'apply', file), /no admin could apply/)
    await writeFile(file, 'forbid (principal, action, rsource);')
    assert.match(await lab.denied('laptop', 'policy', 'validate', file), /^$/)
    assert.match(await lab.denied('laptop', 'policy', 'apply', file), /Cannot use/)
    // The server is away while the next one is applied, and comes back with the old one.
    await lab.done('server', 'kernel', 'stop')
    await writeFile(file, rule('two'))
    await lab.done('laptop', 'policy', 'apply', file)
    await lab.start('server', '--gpu', '1:24GB')
    await until(async () => (await policyOf('server')).mesh?.version === 2)
    assert.match(await lab.denied('server', 'run', '--', 'echo', 'two'), /team\.two/)
    await lab.done('server', 'run', '--', 'echo', 'one')
    assert.equal((await policyOf('laptop')).mesh?.version, 2, 'no older one came back')
  })

  it('who asks does not approve it: neither from its own node nor by a role that it has no more (5, 9)', async () => {
    const ask =
      '@id("mine.deploy") @ask("this deploys") forbid (principal is Weft::Node, action == Weft::Action::"task.accept", resource)' +
      ' when { context.arguments.contains("deploy") };'
    await lab.done('laptop', 'policy', 'add', ask)
    await lab.done('laptop', 'mesh', 'role', 'server', 'admin')
    const child = lab.spawn('server', ['run', '--on', 'laptop', '--', 'echo', 'deploy'])
    const ended = resultOf(child)
    const { id, principal } = await pending('laptop')
    assert.match(principal, /^node:/)
    assert.match(await lab.denied('server', 'approvals', 'approve', id), /find approval/)
    await lab.done('laptop', 'mesh', 'role', 'server', 'member')
    assert.match(await lab.denied('server', 'approvals', 'approve', id), /find approval|may not/)
    await lab.done('laptop', 'approvals', 'approve', id)
    const { code, stdout } = await ended
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'deploy\n' })
  })

  it('policies that drift from their lock, err, or that others may write, allow nothing', async () => {
    const solo = 'solo'
    await lab.start(solo)
    const folder = join(lab.homeOf(solo), 'policy')
    await lab.done(solo, 'policy', 'add', ASK_PUBLISH)
    await lab.done(solo, 'policy', 'lock')
    const file = join(folder, 'local.cedar')
    const good = await readFile(file, 'utf8')
    const cases: readonly (readonly [string, () => Promise<void>, RegExp])[] = [
      ['changed', () => writeFile(file, `${good}\n// more`), /lock-drifted/],
      ['gone', () => rm(file), /lock-drifted/],
      ['others may write it', () => chmod(file, 0o666), /policy\.unusable/],
      [
        'no policy, and the lock is gone with it',
        async () => {
          await rm(join(folder, 'weft.lock.json'))
          await writeFile(file, 'permit (everybody);')
        },
        /policy\.unusable/
      ]
    ]
    for (const [what, harm, rule] of cases) {
      await writeFile(file, good, { mode: 0o600 })
      await chmod(file, 0o600)
      await lab.done(solo, 'kernel', 'restart')
      await lab.done(solo, 'run', '--', 'true')
      await harm()
      await lab.done(solo, 'run', '--', 'true') // What was taken stays in force...
      await lab.done(solo, 'kernel', 'restart') // ...until the start that would have to take it anew.
      assert.match(await lab.denied(solo, 'run', '--', 'true'), rule, what)
      assert.match(await lab.denied(solo, 'mesh', 'invite'), rule, what)
    }
    await writeFile(file, good)
    await lab.done(solo, 'policy', 'lock')
    await lab.done(solo, 'run', '--', 'true')
  })
})
