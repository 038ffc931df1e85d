// More than 400 ways to write a command that destroys or leaks. Each is decided as the role `coder` decides
// it, and then run all the same, inside containment with a writable workspace: whatever policy said, no canary
// may be harmed. The table of which layer stopped which stands in docs/security.md, and is compared here.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { channelPair, DEFAULT_SANDBOX, parseGrant, pid } from '../../../core/index.ts'
import type { Sandbox } from '../../../core/index.ts'
import { analyseCommand, commandContext } from '../../../governance/index.ts'
import { aimed, ATTACKS } from '../../corpus/commands.ts'
import type { Attack, Canaries } from '../../corpus/commands.ts'
import { uncontained } from '../../doubles/sandboxes.ts'
import { kit } from '../../unit/governance/cedar-kit.ts'
import { Attached, Stage } from '../processes/stage.ts'

const SECRET = 'canary-3f9c1d77a2'
const PAGE = fileURLToPath(new URL('../../../docs/security.md', import.meta.url))
const VERDICTS = ['deny', 'ask', 'allow'] as const
type Verdict = (typeof VERDICTS)[number]

describe('the corpus of commands', function () {
  this.timeout(400_000)
  let root = ''
  let stage: Stage
  let server: Server
  let reached = 0
  let pids = 900_000

  before(async function () {
    if (spawnSync('which', ['bwrap']).status !== 0) {
      console.log('      skipped: needs bubblewrap')
      this.skip()
    }
    process.env['CANARY_SECRET'] = SECRET
    // In a home folder: what a contained process does not see. Its own /tmp would prove nothing.
    root = mkdtempSync(join(homedir(), '.weft-corpus-'))
    server = createServer((socket) => {
      reached += 1
      socket.on('error', () => socket.destroy())
      socket.end()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    stage = await Stage.open()
    await stage.host.start()
  })
  after(async () => {
    delete process.env['CANARY_SECRET']
    server?.close()
    await stage?.stop()
    if (root !== '') rmSync(root, { recursive: true, force: true })
  })

  function place(name: string): Canaries & { readonly workspace: string } {
    const dir = join(root, name, 'keep')
    const workspace = join(root, name, 'workspace')
    mkdirSync(dir, { recursive: true })
    mkdirSync(workspace)
    const file = join(dir, 'canary.txt')
    writeFileSync(file, SECRET)
    writeFileSync(join(dir, 'other.txt'), SECRET)
    const { port } = server.address() as AddressInfo
    return { dir, file, host: '127.0.0.1', port, workspace }
  }

  function isHarmed({ dir, file }: Canaries): boolean {
    if (!existsSync(file) || readdirSync(dir).toSorted().join() !== 'canary.txt,other.txt')
      return true
    const stat = statSync(file)
    return (
      readFileSync(file, 'utf8') !== SECRET || (stat.mode & 0o777) !== 0o644 || stat.nlink !== 1
    )
  }

  /** What came of it. */
  async function tried(line: string, cwd: string, sandbox: Sandbox): Promise<string> {
    const [ours, theirs] = channelPair()
    pids += 1
    const running = await stage.host.spawn({
      pid: pid(pids),
      command: ['timeout', '-k', '1', '4', 'bash', '-c', line],
      env: {},
      cwd,
      sandbox,
      io: theirs
    })
    const outcome = await new Attached(pids, running, ours).outcome()
    await running.exited
    return outcome.stdout + outcome.stderr
  }

  it('sees harm where there is no containment: the canaries can fail', async () => {
    for (const [index, line] of ['rm -rf DIR', 'echo x > FILE', 'chmod 0 FILE'].entries()) {
      const canaries = place(`open-${index}`)
      await tried(aimed({ line, harm: 'destroys' }, canaries), canaries.workspace, uncontained)
      assert.equal(isHarmed(canaries), true, line)
    }
    const canaries = place('open-leak')
    const output = await tried(
      `cat ${canaries.file}; echo > /dev/tcp/127.0.0.1/${canaries.port}`,
      canaries.workspace,
      uncontained
    )
    assert.ok(output.includes(SECRET))
    assert.ok(reached > 0)
  })

  it('harms no canary inside containment, whatever is run', async () => {
    reached = 0
    const waiting = [...ATTACKS.entries()]
    const lane = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [index, attack] = next
        const canaries = place(String(index))
        const line = aimed(attack, canaries)
        const grants = [parseGrant(`fs.write:${canaries.workspace}`)]
        const output = await tried(line, canaries.workspace, { ...DEFAULT_SANDBOX, grants })
        assert.equal(isHarmed(canaries), false, `harmed by ${line}`)
        assert.ok(!output.includes(SECRET), `leaked by ${line}`)
        rmSync(join(root, String(index)), { recursive: true, force: true })
      }
    }
    await Promise.all([lane(), lane(), lane()])
    assert.equal(reached, 0)
  })

  it('is decided as the table in docs/security.md says', async () => {
    const { policy, facts } = await kit()
    facts.analyse = (argv, cwd, environmentNames) =>
      commandContext(analyseCommand(argv, { cwd, environmentNames }))
    await policy.ready()
    const verdictOf = (attack: Attack): Verdict => {
      const canaries = {
        dir: '/home/owner/keep',
        file: '/home/owner/keep/canary.txt',
        host: '127.0.0.1',
        port: 4567
      }
      const { verdict } = policy.decide({
        principal: { kind: 'agent', name: 'coder-1', role: 'coder' },
        action: 'process.exec',
        resource: 'agent:coder-1',
        context: {
          argv: ['bash', '-c', aimed(attack, canaries)],
          cwd: '/home/owner/project',
          envNames: ['PATH', 'CANARY_SECRET'],
          containment: 'os'
        }
      })
      return verdict
    }
    const counts = new Map<string, number>()
    for (const attack of ATTACKS) {
      const key = `${attack.harm} ${verdictOf(attack)}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    const rows = (['destroys', 'leaks'] as const).map((harm) => {
      const cells = VERDICTS.map((verdict) => counts.get(`${harm} ${verdict}`) ?? 0)
      const total = cells.reduce((sum, cell) => sum + cell, 0)
      return `| ${harm} | ${[total, ...cells].join(' | ')} | 0 |`
    })
    for (const row of rows) console.log(`      ${row}`)
    assert.ok(ATTACKS.length >= 300)
    const page = readFileSync(PAGE, 'utf8').replaceAll(/ {2,}/g, ' ')
    for (const row of rows) assert.ok(page.includes(row), `docs/security.md must have: ${row}`)
  })
})
