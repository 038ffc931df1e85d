import assert from 'node:assert/strict'
import { meshId, millis } from '../../../../core/index.ts'
import { lanTag } from '../../../../mesh/discovery/lan-tag.ts'
import { Attempts } from '../../../../mesh/paths/attempts.ts'
import {
  dialEnded,
  HEALTHY_HOST,
  restarted,
  restartReason
} from '../../../../mesh/paths/host-health.ts'
import {
  FAULTS_BEFORE_RESTART,
  FAULTY_BEFORE_RESTART_MS,
  RESTART_INTERVAL_MS
} from '../../../../mesh/paths/limits.ts'

describe('Attempts', () => {
  it('are due at once, then after doubling waits up to a bound, and anew after a reset', () => {
    const attempts = new Attempts<object>({ minMs: millis(1000), maxMs: millis(3000) })
    const key = {}
    let now = millis(5)
    for (const wait of [1000, 2000, 3000, 3000]) {
      assert.ok(attempts.isDue(key, now))
      attempts.begin(key, now)
      assert.ok(!attempts.isDue(key, millis(now + wait - 1)))
      now = millis(now + wait)
    }
    attempts.postpone(key, millis(now + 50_000))
    assert.ok(!attempts.isDue(key, millis(now + 49_999)))
    attempts.reset()
    assert.ok(attempts.isDue(key, now))
  })
})

function failing(times: number): typeof HEALTHY_HOST {
  let health = HEALTHY_HOST
  for (let i = 0; i < times; i++) health = dialEnded(health, false, millis(0))
  return health
}

describe('restartReason()', () => {
  const quiet = { connections: 0, isDeaf: false }

  it('restarts a host without connections whose dials have failed for long', () => {
    const late = FAULTY_BEFORE_RESTART_MS
    const health = failing(FAULTS_BEFORE_RESTART)
    assert.match(restartReason(health, quiet, late) ?? '', /dials have failed/)
    assert.equal(restartReason(health, quiet, millis(late - 1)), null)
    assert.equal(restartReason(failing(FAULTS_BEFORE_RESTART - 1), quiet, late), null)
    assert.equal(restartReason(dialEnded(health, true, late), quiet, late), null)
  })

  it('leaves a host with a connection alone (O1)', () => {
    const signs = { connections: 1, isDeaf: false }
    assert.equal(restartReason(failing(1000), signs, millis(1e9)), null)
  })

  it('restarts a deaf host, but not twice in a row (O2)', () => {
    const deaf = { connections: 3, isDeaf: true }
    assert.match(restartReason(HEALTHY_HOST, deaf, millis(0)) ?? '', /listen/)
    const health = restarted(millis(0))
    assert.equal(restartReason(health, deaf, millis(RESTART_INTERVAL_MS - 1)), null)
    assert.notEqual(restartReason(health, deaf, RESTART_INTERVAL_MS), null)
  })
})

describe('lanTag()', () => {
  it('differs between meshes, tells nothing of their ids, and is a DNS service', () => {
    const [one, other] = ['a', 'b'].map((digit) => meshId(digit.repeat(64)))
    assert.ok(one !== undefined && other !== undefined)
    assert.match(lanTag(one), /^_weft-[0-9a-f]{12}\._udp\.local$/)
    assert.notEqual(lanTag(one), lanTag(other))
    assert.ok(!lanTag(one).includes('aaaa'))
  })
})
