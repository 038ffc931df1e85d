import assert from 'node:assert/strict'
import fc from 'fast-check'
import { DEFAULT_SANDBOX } from '../../../core/index.ts'
import { parseGpuRequest, place } from '../../../scheduler/index.ts'
import type { Candidate, Needs } from '../../../scheduler/index.ts'
import { testCandidate, testGpu, testNode } from '../../doubles/peer-directory.ts'

const UNCONTAINED = { ...DEFAULT_SANDBOX, containment: 'none' } as const
const none: Needs = { gpu: null, labels: {}, node: null, sandbox: DEFAULT_SANDBOX }
const laptop = testCandidate(testNode(1), { name: 'laptop' })
const server = testCandidate(testNode(2), { name: 'server', gpus: [testGpu(0)] })

function waitingFor(needs: Partial<Needs>, candidates: readonly Candidate[]): string {
  const placement = place({ ...none, ...needs }, candidates)
  assert.equal(placement.kind, 'waiting')
  return placement.why
}

function load(candidate: Candidate): number {
  return candidate.runningTasks / candidate.cpus
}

function placedOn(needs: Partial<Needs>, candidates: readonly Candidate[]): string {
  const placement = place({ ...none, ...needs }, candidates)
  assert.equal(placement.kind, 'placed')
  return placement.node
}

describe('scheduler/placement', () => {
  it('place() picks by running tasks for each core, then busy cores, then name', () => {
    const busy = { ...laptop, runningTasks: 1, cpus: 4 }
    assert.equal(placedOn({}, [busy, server]), server.nodeId)
    const large = { ...server, runningTasks: 4, cpus: 64 }
    assert.equal(placedOn({}, [busy, large]), large.nodeId)
    assert.equal(placedOn({}, [{ ...laptop, cpuLoad: 0.5 }, server]), server.nodeId)
    assert.equal(placedOn({}, [server, laptop]), laptop.nodeId)
  })

  it('place() filters by node, label and GPU', () => {
    const labelled = { ...server, labels: { zone: 'eu' } }
    assert.equal(placedOn({ node: server.nodeId }, [laptop, server]), server.nodeId)
    assert.equal(placedOn({ labels: { zone: 'eu' } }, [laptop, labelled]), server.nodeId)
    assert.equal(placedOn({ gpu: parseGpuRequest('1') }, [laptop, server]), server.nodeId)
  })

  it('place() says in one sentence what it waits for', () => {
    const taken = { ...server, gpus: [testGpu(0, { isFree: false })] }
    const two = parseGpuRequest('2')
    assert.equal(
      waitingFor({ gpu: two }, [laptop, taken]),
      'no member has 2 free GPUs: server has 1 (0 free)'
    )
    assert.equal(
      waitingFor({ gpu: two, node: taken.nodeId }, [laptop, taken]),
      "node 'server' has not 2 free GPUs: server has 1 (0 free)"
    )
    assert.equal(
      waitingFor({ gpu: parseGpuRequest('amd:1') }, [laptop, server]),
      'no member has 1 free amd GPU: none has any that fits'
    )
    assert.equal(
      waitingFor({ node: server.nodeId }, [{ ...server, isReachable: false }]),
      "node 'server' is not reachable"
    )
    assert.equal(waitingFor({ labels: { a: 'b' } }, [laptop]), 'no member has label a=b')
    assert.equal(
      waitingFor({ labels: { a: 'b' }, node: laptop.nodeId }, [laptop]),
      "node 'laptop' has not label a=b"
    )
    assert.equal(
      waitingFor({}, [{ ...laptop, runningTasks: 64 }]),
      'laptop runs 64 tasks, as many as it takes'
    )
    assert.equal(waitingFor({}, []), 'no member is reachable')
    assert.match(waitingFor({ node: server.nodeId }, [laptop]), /is not known here$/)
  })

  it('place() names a few members only', () => {
    const many = Array.from({ length: 9 }, (_, index) =>
      testCandidate(testNode(index + 1), {
        name: `m${index}`,
        gpus: [testGpu(0, { isFree: false })]
      })
    )
    assert.match(waitingFor({ gpu: parseGpuRequest('1') }, many), /m3 has 1 \(0 free\), 5 more$/)
  })

  it('place() is not fooled by a label called like a property of every object', () => {
    assert.equal(
      waitingFor({ labels: { constructor: 'x' } }, [laptop]),
      'no member has label constructor=x'
    )
  })

  const candidates = fc
    .array(
      fc.record({
        isReachable: fc.boolean(),
        runningTasks: fc.integer({ min: 0, max: 5 }),
        tasksMax: fc.integer({ min: 1, max: 5 }),
        cpus: fc.integer({ min: 1, max: 8 }),
        cpuLoad: fc.constantFrom(0, 0.25, 0.5),
        canContain: fc.boolean(),
        labels: fc.constantFrom({}, { zone: 'eu' }),
        gpus: fc
          .array(fc.boolean(), { maxLength: 3 })
          .map((free) => free.map((isFree, index) => testGpu(index, { isFree })))
      }),
      { maxLength: 8 }
    )
    .map((drawn) => drawn.map((more, index) => testCandidate(testNode(index + 1), more)))
  const needs = fc.record({
    gpu: fc.constantFrom(null, parseGpuRequest('1'), parseGpuRequest('2')),
    labels: fc.constantFrom({}, { zone: 'eu' }),
    node: fc.constantFrom(null, testNode(1), testNode(2)),
    sandbox: fc.constantFrom(DEFAULT_SANDBOX, UNCONTAINED)
  })

  it('place() chooses a member that fits and that none is less loaded than, in any order', () => {
    fc.assert(
      fc.property(needs, candidates, (asked, all) => {
        const placement = place(asked, all)
        assert.deepEqual(place(asked, all.toReversed()), placement)
        const fits = all.filter(
          (candidate) =>
            candidate.isReachable &&
            (asked.sandbox.containment === 'none' || candidate.canContain) &&
            candidate.runningTasks < candidate.tasksMax &&
            (asked.node === null || candidate.nodeId === asked.node) &&
            (Object.keys(asked.labels).length === 0 || candidate.labels['zone'] === 'eu') &&
            candidate.gpus.filter((gpu) => gpu.isFree).length >= (asked.gpu?.count ?? 0)
        )
        assert.equal(placement.kind, fits.length === 0 ? 'waiting' : 'placed')
        if (placement.kind === 'waiting') {
          assert.match(placement.why, /^[^\n]{5,300}$/)
          return
        }
        const best = fits.find((candidate) => candidate.nodeId === placement.node)
        assert.ok(best)
        assert.ok(fits.every((candidate) => load(candidate) >= load(best)))
      })
    )
  })
})
