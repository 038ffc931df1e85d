import assert from 'node:assert/strict'
import { createGate, DeniedError, ownerAndMembers } from '../../../governance/index.ts'
import type { EntryDraft, GateRequest } from '../../../governance/index.ts'
import { partsOf, spawnGate } from '../../../node/spawn-gate.ts'
import { testNode } from '../../doubles/peer-directory.ts'

const start = { argv: ['true'], cwd: null, envNames: [], epoch: 1 }
const owner = { kind: 'owner' } as const
const member = { kind: 'member', nodeId: testNode(1) } as const

function accept(
  principal: GateRequest['principal'],
  containment: string,
  ...grants: readonly string[]
): GateRequest {
  const context = { ...start, containment, grants }
  return { principal, action: 'task.accept', resource: 'task:x', context }
}

describe('node/spawn-gate', () => {
  const appends: (readonly EntryDraft[])[] = []
  const record = async (drafts: readonly EntryDraft[]): Promise<{ id: string }[]> => {
    appends.push(drafts)
    return drafts.map((_, index) => ({ id: String(index) }))
  }
  const gate = spawnGate(createGate({ ledger: { record }, policy: ownerAndMembers }))
  beforeEach(() => appends.splice(0))

  it('asks for each grant, and for a start that is not contained, as acts of their own', () => {
    const parts = partsOf(accept(owner, 'none', 'fs.read:/data', 'env:LANG'))
    assert.deepEqual(
      parts.map(({ action, resource }) => `${action} ${resource}`),
      ['process.uncontained task:x', 'fs.read path:/data', 'env.pass variable:LANG']
    )
    assert.deepEqual(partsOf(accept(owner, 'os')), [])
  })

  it('a start that says nothing of its containment asks for none', () => {
    const { context, ...rest } = accept(owner, 'os')
    const { containment: _, ...silent } = context
    assert.deepEqual(partsOf({ ...rest, context: silent })[0]?.action, 'process.uncontained')
  })

  it('asks for a tool without containment as it does for a process', () => {
    const request = { principal: owner, action: 'tool.call', resource: 'tool:hash' } as const
    assert.deepEqual(partsOf({ ...request, context: { containment: 'os' } }), [])
    const [part] = partsOf({ ...request, context: { containment: 'none' } })
    assert.equal(`${part?.action} ${part?.resource}`, 'process.uncontained tool:hash')
  })

  it('records all of it in one append, what goes with it last', async () => {
    const more = { kind: 'task.accepted', actor: 'a', subject: 's', payload: {} }
    const permit = await gate.authorizeWith(accept(owner, 'none', 'fs.write:/d'), [more])
    assert.equal(appends.length, 1)
    assert.equal(appends[0]?.length, 4)
    assert.equal(appends[0]?.at(-1)?.kind, 'task.accepted')
    assert.equal(permit.entries.length, 1)
  })

  for (const request of [accept(member, 'none'), accept(member, 'os', 'fs.read:/home/me')]) {
    const { containment, grants } = request.context
    it(`denies a member ${JSON.stringify({ containment, grants })}`, async () => {
      await assert.rejects(gate.authorizeWith(request, []), DeniedError)
    })
  }

  it('lets a member start what is contained and granted nothing', async () => {
    await gate.authorizeWith(accept(member, 'os'), [])
  })
})
