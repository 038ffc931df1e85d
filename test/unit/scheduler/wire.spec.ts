import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  channelPair,
  decodeCbor,
  DEFAULT_SANDBOX,
  encodeCbor,
  epoch,
  millis,
  pid,
  unixMillis,
  WeaverError
} from '../../../core/index.ts'
import type { Cbor, FrameChannel, NodeId } from '../../../core/index.ts'
import {
  parseGpuRequest,
  parseTaskSpec,
  remoteExecutors,
  remoteOrigins,
  routeExecutors,
  serveExecutor,
  serveOrigin
} from '../../../scheduler/index.ts'
import type { Executor, Offer, Origin, OfferAnswer, RunStatus } from '../../../scheduler/index.ts'
import { MemoryDirectory, testCandidate, testNode } from '../../doubles/peer-directory.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { aTask, settle, testResult, testSpec } from './fixtures.ts'

const self = testNode(1)
const peer = testNode(2)
const run = { taskId: aTask, epoch: epoch(3) }
const offer: Offer = {
  ...run,
  spec: testSpec({
    command: ['sh', '-c', 'true'],
    env: { A: 'ü' },
    cwd: '/tmp',
    gpu: parseGpuRequest('nvidia:1:24GB'),
    labels: { zone: 'eu' },
    node: peer,
    timeoutMs: millis(90_000),
    isAttached: true
  })
}

/** Both ends in one process, every message through its bytes. */
class Loop {
  readonly calls: unknown[][] = []
  answer: OfferAnswer = { kind: 'accepted', revision: 4, gpus: [0, 2] }
  runStatus: RunStatus = { kind: 'finished', result: testResult(), revision: 9 }
  readonly peers = new MemoryDirectory()
  failure: WeaverError | null = null

  readonly executor: Executor = {
    offer: async (...call) => {
      this.calls.push(['offer', ...call])
      return this.answer
    },
    attach: async (from, target, channel) => {
      this.calls.push(['attach', from, target])
      for await (const bytes of channel.frames) await channel.send(bytes)
      channel.end()
    },
    status: (...call) => {
      this.calls.push(['status', ...call])
      return this.runStatus
    },
    cancel: (...call) => void this.calls.push(['cancel', ...call]),
    signal: (...call) => void this.calls.push(['signal', ...call]),
    acknowledge: (...call) => void this.calls.push(['acknowledge', ...call]),
    disown: (...call) => void this.calls.push(['disown', ...call]),
    load: () => ({ revision: 1, runningTasks: 0, tasksMax: 1, gpus: [] }),
    onLoadChange: () => () => {},
    onEvent: () => () => {},
    resume: async () => {},
    stop: async () => {}
  }

  readonly origin: Pick<Origin, 'started' | 'finished'> = {
    started: (...call) => void this.calls.push(['started', ...call]),
    finished: async (...call) => {
      this.calls.push(['finished', ...call])
      return 'fenced'
    }
  }

  async serve(
    service: string,
    method: string,
    body: Cbor,
    channel: FrameChannel
  ): Promise<unknown> {
    if (this.failure !== null) throw this.failure
    const call = { peer: self, method, body: decodeCbor(encodeCbor(body)), channel }
    const result =
      service === 'executor'
        ? serveExecutor(this.executor, call)
        : serveOrigin(this.origin as Origin, call)
    return decodeCbor(encodeCbor(await result))
  }

  readonly rpc = {
    call: (_node: NodeId, service: string, method: string, body: Cbor) =>
      this.serve(service, method, body, channelPair()[0]),
    open: (_node: NodeId, service: string, method: string, body: Cbor) => {
      const [mine, theirs] = channelPair()
      this.serve(service, method, body, theirs).catch(() => {})
      return { channel: mine }
    },
    notify: (_node: NodeId, service: string, method: string, body: Cbor) => {
      this.serve(service, method, body, channelPair()[0]).catch(() => {})
    }
  }

  constructor() {
    this.peers.set(testCandidate(peer))
  }
}

describe('scheduler/wire', () => {
  it('every call reaches the executor as it was made, and every answer comes back', async () => {
    const loop = new Loop()
    const client = remoteExecutors(loop)
    assert.deepEqual(await client.offer(peer, offer), loop.answer)
    assert.deepEqual(await client.status(peer, run), loop.runStatus)
    for (const answer of [
      { kind: 'declined', reason: 'busy', revision: 4 },
      { kind: 'refused', code: 'X', reason: 'no' }
    ] as const) {
      loop.answer = answer
      assert.deepEqual(await client.offer(peer, offer), answer)
    }
    loop.runStatus = { kind: 'running', startedAt: null }
    assert.deepEqual(await client.status(peer, Object.assign({ more: 1 }, run)), loop.runStatus)
    loop.runStatus = { kind: 'unknown' }
    assert.deepEqual(await client.status(peer, run), loop.runStatus)
    loop.calls.length = 0
    await client.offer(peer, offer)
    await client.cancel(peer, run)
    await client.signal(peer, run, 'SIGINT')
    await client.acknowledge(peer, run)
    assert.deepEqual(loop.calls, [
      ['offer', self, offer],
      ['cancel', self, run],
      ['signal', self, run, 'SIGINT'],
      ['acknowledge', self, run]
    ])
  })

  it('attach() streams both ways', async () => {
    const channel = remoteExecutors(new Loop()).attach(peer, run)
    await channel.send(Uint8Array.of(1, 2))
    channel.end()
    for await (const bytes of channel.frames) assert.deepEqual([...bytes], [1, 2])
  })

  it('reports reach the origin as they were made', async () => {
    const loop = new Loop()
    const client = remoteOrigins(loop)
    const started = { ...run, pid: pid(4), startedAt: unixMillis(5) }
    const finished = {
      ...run,
      result: testResult({ exit: { code: null, signal: 'SIGKILL' } }),
      revision: 9
    }
    client.started(peer, started)
    assert.equal(await client.finished(peer, finished), 'fenced')
    assert.deepEqual(loop.calls, [
      ['started', self, started],
      ['finished', self, finished]
    ])
  })

  it('a call that surely was not sent says so by its retry class', async () => {
    const loop = new Loop()
    const client = remoteExecutors(loop)
    loop.failure = new WeaverError('MESH_PEER_BUSY', 'busy', { retry: 'later' })
    await assert.rejects(client.offer(peer, offer), { retry: 'elsewhere' })
    loop.failure = new WeaverError('MESH_PEER_UNREACHABLE', 'broke', { retry: 'later' })
    await assert.rejects(client.offer(peer, offer), { retry: 'later' })
    loop.peers.change(peer, { isReachable: false })
    await assert.rejects(client.offer(peer, offer), {
      code: 'SCHEDULER_EXECUTOR_UNREACHABLE',
      retry: 'elsewhere'
    })
  })

  const bad: readonly (readonly [string, string, Cbor])[] = [
    ['executor', 'offer', null],
    ['executor', 'offer', { ...run }],
    ['executor', 'status', { taskId: '../../etc', epoch: 1 }],
    ['executor', 'status', { ...run, epoch: 0 }],
    ['executor', 'status', { ...run, more: 1 }],
    ['executor', 'signal', { ...run, name: 'SIGINT; rm' }],
    ['executor', 'reboot', { ...run }],
    ['origin', 'finished', { ...run, result: { outcome: 'perfect' }, revision: 1 }],
    ['origin', 'started', { ...run, pid: 0, startedAt: 1 }],
    ['origin', 'submit', { ...run }]
  ]
  for (const [service, method, body] of bad) {
    it(`a call of ${service}.${method} with ${JSON.stringify(body)} is refused unread`, async () => {
      const loop = new Loop()
      await assert.rejects(loop.serve(service, method, body, channelPair()[0]), {
        code: 'SCHEDULER_INVALID_MESSAGE'
      })
      assert.deepEqual(loop.calls, [])
    })
  }

  it('no CBOR from a peer does anything but be served or be refused', async () => {
    const loop = new Loop()
    const methods = fc.constantFrom(
      'offer',
      'status',
      'cancel',
      'signal',
      'acknowledge',
      'started',
      'finished'
    )
    const bodies = fc.oneof(
      fc.jsonValue(),
      fc.record({
        taskId: fc.oneof(fc.constant(aTask), fc.string()),
        epoch: fc.integer(),
        spec: fc.jsonValue()
      })
    )
    await fc.assert(
      fc.asyncProperty(
        methods,
        bodies,
        fc.constantFrom('executor', 'origin'),
        async (method, body, service) => {
          const call = { peer: self, method, body, channel: channelPair()[0] }
          const served =
            service === 'executor'
              ? serveExecutor(loop.executor, call)
              : serveOrigin(loop.origin as Origin, call)
          await served.catch((error: unknown) => {
            assert.ok(error instanceof WeaverError)
            assert.equal(error.code, 'SCHEDULER_INVALID_MESSAGE')
          })
        }
      ),
      { numRuns: 500 }
    )
  })

  it('an answer that no executor would give is a failure', async () => {
    const loop = new Loop()
    loop.answer = { kind: 'accepted', revision: -1, gpus: [] }
    await assert.rejects(remoteExecutors(loop).offer(peer, offer), {
      code: 'SCHEDULER_INVALID_MESSAGE'
    })
  })

  it('routeExecutors() calls this node’s executor directly, and others over the mesh', async () => {
    const loop = new Loop()
    const remote = remoteExecutors(loop)
    const client = routeExecutors({ self, local: () => loop.executor, remote, log: silentLog })
    await client.offer(self, offer)
    await client.offer(peer, offer)
    assert.equal(loop.calls.length, 2)
    assert.equal(loop.calls[0]?.[2], offer) // The object itself: nothing was encoded.
    const channel = client.attach(self, run)
    await channel.send(Uint8Array.of(7))
    channel.end()
    for await (const bytes of channel.frames) assert.deepEqual([...bytes], [7])
  })

  it('routeExecutors() fails the channel when this node’s executor will not attach', async () => {
    const loop = new Loop()
    const no = new WeaverError('SCHEDULER_NOT_ATTACHABLE', 'no')
    const executor: Executor = { ...loop.executor, attach: () => Promise.reject(no) }
    const remote = remoteExecutors(loop)
    const client = routeExecutors({ self, local: () => executor, remote, log: silentLog })
    const channel = client.attach(self, run)
    await settle()
    assert.equal(await channel.closed, no)
  })
})

describe('scheduler/spec', () => {
  it('parseTaskSpec() says how to write a grant that it cannot read', () => {
    const sandbox = { containment: 'os', grants: ['files:/x'], limits: DEFAULT_SANDBOX.limits }
    assert.throws(
      () => parseTaskSpec({ ...testSpec(), sandbox }),
      (error) =>
        error instanceof WeaverError &&
        error.code === 'SCHEDULER_INVALID_SPEC' &&
        String(error.detail['hint']).startsWith('write fs.read:/path')
    )
  })

  it('parseTaskSpec() takes a whole spec', () => {
    assert.deepEqual(parseTaskSpec(offer.spec), offer.spec)
  })

  const wrong: readonly (readonly [string, object])[] = [
    ['no command', { command: [] }],
    ['an empty command', { command: [''] }],
    ['NUL in an argument', { command: ['a', 'b\0c'] }],
    ['too many arguments', { command: Array.from({ length: 5000 }, () => 'x') }],
    ['too long a command', { command: ['x', 'y'.repeat(200_000)] }],
    ['too long a command in all', { command: ['x', 'y'.repeat(70_000), 'z'.repeat(70_000)] }],
    ['a variable with =', { env: { 'A=B': 'c' } }],
    ['too large an environment', { env: { A: 'x'.repeat(70_000) } }],
    [
      'too many variables',
      { env: Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`V${n}`, ''])) }
    ],
    [
      'too many labels',
      { labels: Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`l${n}`, ''])) }
    ],
    ['a node that is none', { node: 'server' }],
    ['a time limit of nothing', { timeoutMs: 0 }],
    ['no GPU at all', { gpu: { vendor: null, count: 0, memoryBytes: null } }],
    ['something more', { priority: 3 }]
  ]
  for (const [what, more] of wrong) {
    it(`parseTaskSpec() refuses ${what}`, () => {
      assert.throws(() => parseTaskSpec({ ...testSpec(), ...more }), {
        code: 'SCHEDULER_INVALID_SPEC'
      })
    })
  }
})
