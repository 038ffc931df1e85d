import assert from 'node:assert/strict'
import { meshId, millis } from '../../../../core/index.ts'
import type { Clock } from '../../../../core/index.ts'
import { Documents } from '../../../../mesh/documents/documents.ts'
import { publishPause, smoothTurn } from '../../../../mesh/documents/pace.ts'
import {
  DELTA_INTERVAL_LOADED_MS,
  DELTA_INTERVAL_MAX_MS,
  DELTA_INTERVAL_MS,
  DELTA_INTERVAL_TURNS,
  DELTA_INTERVAL_TURNS_MIN
} from '../../../../mesh/limits.ts'
import { Tasks } from '../../../../mesh/tasks.ts'
import { MemoryStore } from '../../../doubles/memory-store.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { testSigner } from '../lab.ts'

describe('mesh/documents: how often a document is published', () => {
  it('is by the turns of the event loop, within bounds', () => {
    assert.equal(publishPause(millis(0)), DELTA_INTERVAL_MS)
    assert.equal(publishPause(millis(10)), DELTA_INTERVAL_TURNS * 10)
    assert.equal(publishPause(millis(20)), DELTA_INTERVAL_LOADED_MS)
    assert.equal(publishPause(millis(200)), DELTA_INTERVAL_TURNS_MIN * 200)
    assert.equal(publishPause(millis(60_000)), DELTA_INTERVAL_MAX_MS)
  })

  it('does not change much for one long turn, and comes back after a few short ones', () => {
    let turn = smoothTurn(millis(1), millis(100))
    assert.ok(turn < 30)
    turn = millis(100)
    for (let count = 0; count < 20; count++) turn = smoothTurn(turn, millis(1))
    assert.ok(publishPause(turn) < 2 * DELTA_INTERVAL_MS, String(turn))
  })

  for (const [what, turnMs, least, most] of [
    ['many changes make many steps on a node that has time', 0, 90, 100],
    ['many changes make fewer on a node that is busy', 50, 10, 25],
    ['many changes make few on a node that has no time at all', 200, 5, 15]
  ] as const) {
    it(what, async () => {
      const time = new VirtualClock()
      const clock: Clock = {
        now: () => time.now(),
        wall: () => time.wall(),
        sleep: (delay, signal) => time.sleep(millis(delay + turnMs), signal)
      }
      let steps = 0
      const deps = {
        signer: testSigner('a'),
        clock,
        log: silentLog,
        tasks: new Tasks(silentLog),
        store: new MemoryStore(),
        isMember: isNobody,
        onPublished: () => void steps++
      }
      const documents = new Documents(deps, { generation: 1 })
      documents.open(meshId('ab'.repeat(32)))
      for (let change = 0; change < 100; change++) {
        documents.put('processes', '1', change)
        await untilQuiet()
        const until = time.now() + 20
        for (let at = time.nextAt(); at !== null && at <= until; at = time.nextAt()) {
          time.step()
          await untilQuiet()
        }
        time.advanceTo(millis(until))
      }
      assert.ok(steps >= least && steps <= most, `${steps} steps`)
      documents.close()
    })
  }
})

function isNobody(id: string): id is never {
  return id === ''
}
