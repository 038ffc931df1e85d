import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { JsonValue } from '../../../mesh/index.ts'
import {
  checkChange,
  effectiveLabels,
  givenLabels,
  labelViews,
  parseLabels,
  rowKeysOf,
  rowsOf
} from '../../../node/labels.ts'
import { GIVEN_LABELS_MAX, START_LABELS_MAX } from '../../../node/limits.ts'
import { NODE_KEY, NODE_SECTION, parseNodeInfo } from '../../../node/node-info.ts'
import { OwnLabels } from '../../../node/own-labels.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { MemorySharedRows } from '../../doubles/shared-rows.ts'
import { silentLog } from '../../doubles/silent-log.ts'

const [node, older, other] = [testNode(1), testNode(2), testNode(3)]

function tableOf(rows: readonly (readonly [string, JsonValue])[]): Record<string, JsonValue> {
  return Object.assign(Object.create(null), Object.fromEntries(rows))
}

describe('node/labels', () => {
  const bad = ['', 'a', '=b', 'a b=c', 'a=b=c', `a=${'x'.repeat(64)}`, `${'k'.repeat(64)}=v`]
  it('refuses labels that are not KEY=VALUE, and too many', () => {
    for (const text of [...bad, '__proto__=x', '-a=b']) {
      assert.throws(() => parseLabels([text]), { code: 'NODE_LABEL_INVALID' }, text)
    }
    assert.throws(() => parseLabels(['a=b', 'c=d', 'a=b']), {
      code: 'NODE_LABEL_INVALID',
      message: /label 'a' twice/
    })
    const many = Array.from({ length: START_LABELS_MAX + 1 }, (_, n) => `k${n}=v`)
    assert.throws(() => parseLabels(many), { code: 'NODE_LABEL_INVALID' })
    assert.deepEqual(parseLabels(['a=', 'b/c.d-e=f:g']), { a: '', 'b/c.d-e': 'f:g' })
  })

  it('refuses a change that says two things of one key, or has what is no key', () => {
    const check = (labels: Record<string, string>, removed: readonly string[]) => () =>
      checkChange({ labels, removed })
    assert.throws(check({ tier: 'fast' }, ['tier']), {
      code: 'NODE_LABEL_INVALID',
      message: /both set label 'tier'/
    })
    assert.throws(check({ 'a b': 'c' }, []), { code: 'NODE_LABEL_INVALID', message: /a b=c/ })
    assert.throws(check({}, ['a b']), { code: 'NODE_LABEL_INVALID', message: /a b-/ })
    assert.doesNotThrow(check({ tier: 'fast' }, ['site']))
  })

  it('the label of the mesh wins over that of the start; taken away, the other counts again (L1)', () => {
    const start = { site: 'home', zone: 'a' }
    const given = givenLabels(tableOf([[`${node}/site`, { value: 'attic' }]]), [node])
    assert.deepEqual(effectiveLabels(start, given), { site: 'attic', zone: 'a' })
    assert.deepEqual(effectiveLabels(start, givenLabels({}, [node])), start)
  })

  it('takes a row for a label of this node only where it is one (L2)', () => {
    const rows: [string, JsonValue][] = [
      [`${node}/good`, { value: 'yes', since: 3 }],
      [`${other}/theirs`, { value: 'no' }],
      [`${node}/`, { value: 'x' }],
      [node, { value: 'x' }],
      [`${node}/__proto__`, { value: 'x' }],
      [`${node}/a b`, { value: 'x' }],
      [`${node}/long`, { value: 'x'.repeat(64) }],
      [`${node}/number`, { value: 3 }],
      [`${node}/list`, ['x']],
      [`${node}/text`, 'x'],
      [`${node}/none`, null]
    ]
    assert.deepEqual(givenLabels(tableOf(rows), [node]), { good: 'yes' })
  })

  it('takes the same labels of too many, in whatever order their rows are (L2)', () => {
    const rows = Array.from(
      { length: GIVEN_LABELS_MAX + 8 },
      (_, n) => [`${node}/k${String(n).padStart(2, '0')}`, { value: 'v' }] as const
    )
    const given = givenLabels(tableOf(rows), [node])
    assert.equal(Object.keys(given).length, GIVEN_LABELS_MAX)
    assert.deepEqual(givenLabels(tableOf(rows.toReversed()), [node]), given)
  })

  it('never throws at what others wrote', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (rows) => {
        const table = tableOf(
          Object.entries(rows).map(([key, row]) => [`${node}/${key}`, row as JsonValue])
        )
        for (const [key, value] of Object.entries(givenLabels(table, [node]))) {
          assert.deepEqual(parseLabels([`${key}=${value}`]), { [key]: value })
        }
      })
    )
  })

  it('labels follow a node to its next key, and what is written then is that of the new key', () => {
    const table = tableOf([
      [`${older}/site`, { value: 'attic' }],
      [`${older}/tier`, { value: 'slow' }],
      [`${node}/tier`, { value: 'fast' }]
    ])
    const owners = [node, older]
    const given = givenLabels(table, owners)
    assert.deepEqual(given, { site: 'attic', tier: 'fast' })
    const rows = rowsOf({ labels: { site: 'cellar' }, removed: ['tier'] }, { owners, given })
    assert.deepEqual(Object.fromEntries(rows), {
      [`${node}/site`]: { value: 'cellar' },
      [`${older}/site`]: null,
      [`${node}/tier`]: null,
      [`${older}/tier`]: null
    })
    assert.deepEqual(rowKeysOf(table, [older]), [`${older}/site`, `${older}/tier`])
  })

  it('refuses to give a node more than it would take on, unless others go', () => {
    const owners = [node]
    const given = Object.fromEntries(
      Array.from({ length: GIVEN_LABELS_MAX }, (_, n) => [`k${n}`, 'v'])
    )
    const give = (removed: readonly string[]) => () =>
      rowsOf({ labels: { one: 'more' }, removed }, { owners, given })
    assert.throws(give([]), { code: 'NODE_LABEL_INVALID', message: /33 labels: at most 32/ })
    assert.doesNotThrow(give(['k0']))
  })

  it('shows where each label comes from, and what its node has not heard yet', () => {
    const said = {
      labels: { zone: 'a', old: 'x', site: 'home' },
      startLabels: { zone: 'a', site: 'home' }
    }
    const views = labelViews(said, { site: 'attic', tier: 'fast' })
    assert.deepEqual(
      views.map(({ key, value, from, startValue, state }) => [key, value, from, startValue, state]),
      [
        ['old', 'x', 'mesh', null, 'leaving'],
        ['site', 'attic', 'mesh', 'home', 'waiting'],
        ['tier', 'fast', 'mesh', null, 'waiting'],
        ['zone', 'a', 'start', 'a', 'in-force']
      ]
    )
    const taken = labelViews(
      { ...said, labels: { zone: 'a', site: 'attic', tier: 'fast' } },
      { site: 'attic', tier: 'fast' }
    )
    assert(taken.every(({ state }) => state === 'in-force'))
  })

  it('shows those of a node that was never heard, and of one whose version knows of no others', () => {
    assert.deepEqual(
      labelViews(null, { tier: 'fast' }).map(({ key, state }) => [key, state]),
      [['tier', 'waiting']]
    )
    const views = labelViews({ labels: { zone: 'a' }, startLabels: null }, { tier: 'fast' })
    assert.deepEqual(
      views.map(({ key, from, state }) => [key, from, state]),
      [
        ['tier', 'mesh', 'waiting'],
        ['zone', 'start', 'in-force']
      ]
    )
  })
})

describe('OwnLabels', () => {
  const basic = { version: '1', cpus: 2, memoryBytes: 1, gpus: [], containment: null, startedAt: 1 }

  function setup(): {
    readonly shared: MemorySharedRows
    readonly own: OwnLabels
    readonly told: JsonValue[]
  } {
    const shared = new MemorySharedRows()
    const told: JsonValue[] = []
    const put = (section: string, key: string, row: JsonValue): void => {
      assert.deepEqual([section, key], [NODE_SECTION, NODE_KEY])
      told.push(row)
    }
    const own = new OwnLabels(
      { shared, rows: { put }, owners: () => [node, older], log: silentLog },
      { start: { site: 'home' } }
    )
    return { shared, own, told }
  }

  it('tells nothing before the node has said what it is, and then the labels that count', async () => {
    const { shared, own, told } = setup()
    await shared.edit('labels', new Map([[`${node}/tier`, { value: 'fast' }]]))
    assert.deepEqual(told, [])
    own.publish(basic)
    const info = parseNodeInfo(told[0])
    assert.deepEqual(info?.labels, { site: 'home', tier: 'fast' })
    assert.deepEqual(info?.startLabels, { site: 'home' })
  })

  it('tells each change of its own labels once, and none of another node', async () => {
    const { shared, own, told } = setup()
    own.publish(basic)
    await shared.edit('labels', new Map([[`${other}/tier`, { value: 'fast' }]]))
    assert.equal(told.length, 1)
    await shared.edit('labels', new Map([[`${node}/site`, { value: 'attic' }]]))
    assert.deepEqual(parseNodeInfo(told.at(-1))?.labels, { site: 'attic' })
    await shared.edit('labels', new Map([[`${node}/site`, null]]))
    assert.deepEqual(parseNodeInfo(told.at(-1))?.labels, { site: 'home' })
    assert.equal(told.length, 3)
    assert.deepEqual(own.effective, { site: 'home' })
  })

  it('a node that says more labels than there may be is not believed', () => {
    const labels = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, 'v']))
    assert.equal(parseNodeInfo({ ...basic, labels }), null)
  })
})
