import assert from 'node:assert/strict'
import type { Chain, EntryDraft } from '../../../chain/index.ts'
import { nodeLedger } from '../../../node/ledger.ts'
import { testNode } from '../../doubles/peer-directory.ts'

describe('node/ledger', () => {
  it('records no secret, wherever in an entry it stands', async () => {
    const appended: EntryDraft[] = []
    const chain: Pick<Chain, 'append' | 'log'> = {
      append: async (drafts) => {
        appended.push(...drafts)
        return []
      },
      log: async function* log() {}
    }
    const redacted = (text: string): string => text.replaceAll('s3cret-value', '[redacted]')
    const ledger = nodeLedger({
      chain,
      self: testNode(1),
      onFailed: () => assert.fail('nothing failed'),
      redacted
    })
    const payload = {
      argv: ['curl', '-H', 'token: s3cret-value'],
      deep: { list: [{ text: 's3cret-value' }] },
      labels: { 'a s3cret-value': 'yes' },
      bytes: new Uint8Array(3),
      count: 7,
      nothing: null
    }
    await ledger.record([{ kind: 'a.b', actor: 'user:local', subject: 'x:s3cret-value', payload }])
    assert.deepEqual(appended, [
      {
        kind: 'a.b',
        actor: 'user:local',
        subject: 'x:[redacted]',
        payload: {
          ...payload,
          argv: ['curl', '-H', 'token: [redacted]'],
          deep: { list: [{ text: '[redacted]' }] },
          labels: { 'a [redacted]': 'yes' }
        }
      }
    ])
  })
})
