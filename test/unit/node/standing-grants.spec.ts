import assert from 'node:assert/strict'
import type { ProcessHost, RunningProcess, SpawnRequest } from '../../../agents/index.ts'
import { epoch, formatGrant, parseGrant, pid, taskId } from '../../../core/index.ts'
import type { Grant, Pid } from '../../../core/index.ts'
import type { Decision, EntryDraft, GateRequest } from '../../../governance/index.ts'
import { StandingGrants } from '../../../node/standing-grants.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { contained } from '../../doubles/sandboxes.ts'
import { silentLog } from '../../doubles/silent-log.ts'

const ALLOW: Decision = { verdict: 'allow', rule: 'r.allow', hint: '' }

describe('StandingGrants', () => {
  let denied: (request: GateRequest) => boolean
  let asked: GateRequest[]
  let recorded: EntryDraft[]
  let isLaneBroken: boolean
  let ends: () => void
  let granted: Map<Pid, readonly Grant[]>
  let standing: StandingGrants
  const submitted = taskId('b'.repeat(16))
  const self = testNode(1)
  const other = testNode(2)

  beforeEach(() => {
    denied = () => false
    asked = []
    recorded = []
    isLaneBroken = false
    granted = new Map()
    standing = new StandingGrants(
      {
        log: silentLog,
        ledger: {
          record: async (drafts) => {
            if (isLaneBroken) throw new Error('disk full')
            recorded.push(...drafts)
            return drafts.map(() => ({ id: '1' }))
          }
        },
        submitterOf: (task) => (task === submitted ? pid(9) : null),
        policy: {
          isLoaded: () => true,
          decide: (request) => {
            asked.push(request)
            return denied(request) ? { verdict: 'deny', rule: 'r.deny', hint: '' } : ALLOW
          }
        },
        ways: {
          granted: () => granted,
          narrow: (of, kept) => {
            granted.set(of, (granted.get(of) ?? []).filter(kept))
            return true
          }
        }
      },
      { self }
    )
  })

  async function start(number: number, from: Partial<SpawnRequest>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<{ code: number; signal: null }>()
    ends = () => resolve({ code: 0, signal: null })
    const running: RunningProcess = {
      osPid: 1,
      exited: promise,
      signal: () => {},
      stop: () => promise,
      detachIo: () => {}
    }
    const host: ProcessHost = { spawn: async () => running }
    granted.set(pid(number), [parseGrant('net:a.example:443'), parseGrant('net:b.example:443')])
    await standing.remembering(host).spawn({
      pid: pid(number),
      command: ['true'],
      env: {},
      cwd: null,
      io: null,
      sandbox: contained,
      ...from
    })
    await standing.reviewed()
  }

  function left(number: number): readonly string[] {
    return (granted.get(pid(number)) ?? []).map((grant) => formatGrant(grant))
  }

  it('asks for whom the process runs, whoever that is', async () => {
    await start(1, { requester: 'user:local' })
    await start(2, { requester: `node:${other}` })
    const run = { taskId: taskId('a'.repeat(16)), epoch: epoch(1) }
    await start(3, { secretsOf: { ...run, node: other } })
    await start(4, { secretsOf: { ...run, node: self } })
    const child = { taskId: submitted, epoch: epoch(1), node: self }
    await start(5, { secretsOf: child, sandbox: { ...contained, role: 'reader' } })
    assert.deepEqual(
      asked.filter((_, place) => place % 2 === 0).map(({ principal }) => principal),
      [
        { kind: 'owner' },
        { kind: 'member', nodeId: other },
        { kind: 'member', nodeId: other },
        { kind: 'owner' },
        { kind: 'owner' },
        { kind: 'process', pid: 9 },
        { kind: 'agent', name: submitted, role: 'reader' }
      ]
    )
  })

  it('takes back what would be denied now, and only that, and says so in the lane (G1)', async () => {
    await start(1, { requester: 'user:local' })
    await start(2, { requester: `node:${other}` })
    denied = ({ principal, resource }) =>
      principal.kind === 'member' && resource === 'host:a.example:443'
    standing.review()
    standing.review()
    await standing.reviewed()
    assert.deepEqual(left(1), ['net:a.example:443', 'net:b.example:443'])
    assert.deepEqual(left(2), ['net:b.example:443'])
    assert.deepEqual(
      recorded.map(({ kind, subject, payload }) => ({ kind, subject, payload })),
      [
        {
          kind: 'grant.revoked',
          subject: 'process:2',
          payload: { grant: 'net:a.example:443', rule: 'r.deny' }
        }
      ]
    )
  })

  it('takes back what was denied between the permission of a start and the start', async () => {
    denied = ({ resource }) => resource === 'host:b.example:443'
    await start(1, { requester: 'user:local' })
    assert.deepEqual(left(1), ['net:a.example:443'])
  })

  it('takes back also what it cannot record, and where the policy fails', async () => {
    await start(1, { requester: 'user:local' })
    isLaneBroken = true
    denied = () => {
      throw new Error('the engine broke off')
    }
    standing.review()
    await standing.reviewed()
    assert.deepEqual(left(1), [])
  })

  it('forgets a process that has ended', async () => {
    await start(1, { requester: 'user:local' })
    ends()
    await standing.reviewed()
    await standing.reviewed()
    asked = []
    standing.review()
    await standing.reviewed()
    assert.deepEqual(asked, [])
  })
})
