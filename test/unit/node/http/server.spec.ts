import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { millis, WeaverError } from '../../../../core/index.ts'
import { systemEntropy } from '../../../../core/system.ts'
import { REQUEST_DEADLINE_MS } from '../../../../node/api/limits.ts'
import { HttpServer } from '../../../../node/http/index.ts'
import { STREAMS_MAX } from '../../../../node/http/limits.ts'
import { ENTRY, FakeKernelService, STATUS, TASK_ID } from '../../../doubles/kernel-service.ts'
import { ROW } from '../../../doubles/rows.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { ask, errorCode, startFixture } from './fixture.ts'
import type { Fixture } from './fixture.ts'
import { containedSpec } from '../../../doubles/sandboxes.ts'

describe('HttpServer on the Unix socket', () => {
  let fixture: Fixture
  beforeEach(async () => {
    fixture = await startFixture()
  })
  afterEach(() => fixture.stop())

  it('lets nobody else near: the socket is 0600 in a folder of 0700', async () => {
    assert.equal((await stat(fixture.socketPath)).mode & 0o777, 0o600)
    assert.equal((await stat(dirname(fixture.socketPath))).mode & 0o777, 0o700)
  })

  it('answers what the kernel says', async () => {
    assert.deepEqual(await fixture.client.status(), STATUS)
    assert.deepEqual(await fixture.client.processes({ node: null, all: false }), [ROW])
    assert.deepEqual(await fixture.client.chainEntry(ENTRY.entry), ENTRY)
    assert.equal(fixture.client.answeredAt, fixture.clock.wall())
  })

  it('passes checked input on, with its defaults', async () => {
    await fixture.client.processes({ node: 'server', all: false })
    const body = JSON.stringify({ command: ['true'], gpu: '1:24GB' })
    await ask({ socketPath: fixture.socketPath, method: 'POST', path: '/api/v1/tasks', body })
    assert.deepEqual(fixture.service.calls, [
      ['processes', { node: 'server', all: false }],
      [
        'submitTask',
        {
          command: ['true'],
          env: {},
          cwd: null,
          gpu: '1:24GB',
          labels: {},
          node: null,
          timeoutMs: null,
          sandbox: containedSpec
        }
      ]
    ])
  })

  const bad: readonly (readonly [
    what: string,
    method: string,
    path: string,
    body: string | null
  ])[] = [
    ['an unknown query', 'GET', '/api/v1/processes?everything=true', null],
    ['a flag that is neither true nor false', 'GET', '/api/v1/processes?all=yes', null],
    ['a body that is not JSON', 'POST', '/api/v1/tasks', '{'],
    ['a missing body', 'POST', '/api/v1/tasks', null],
    ['an empty command', 'POST', '/api/v1/tasks', '{"command":[]}'],
    ['an unknown field', 'POST', '/api/v1/tasks', '{"command":["a"],"shell":true}'],
    ['a NUL in an argument', 'POST', '/api/v1/tasks', String.raw`{"command":["a\u0000"]}`],
    ['an invite for nobody', 'POST', '/api/v1/mesh/invites', '{"uses":0}']
  ]
  for (const [what, method, path, body] of bad) {
    it(`refuses ${what} as 400, before the kernel hears of it`, async () => {
      const { socketPath } = fixture
      const answer = await ask({ socketPath, method, path, ...(body === null ? {} : { body }) })
      assert.equal(answer.status, 400)
      assert.equal(errorCode(answer.text), 'API_INVALID_REQUEST')
      assert.deepEqual(fixture.service.calls, [])
    })
  }

  it('says what is wrong with a request in words of its own, not of a schema', async () => {
    const { socketPath } = fixture
    for (const [path, body, words] of [
      ['mesh/invites', '{"uses":0}', "body field 'uses' must be at least 1, is 0"],
      ['mesh/invites', '{"uses":1.5}', "body field 'uses' must be a whole number, is 1.5"],
      ['mesh/invites', '{"ttlMs":1e12}', "body field 'ttlMs' must be at most 30 days"],
      ['mesh/invites', '{"role":"king"}', "body field 'role' must be one of member, admin"],
      ['tasks', '{"command":[]}', "body field 'command' must have at least 1 entry, has 0"],
      ['tasks', '{"command":["a"],"shell":true}', "body has unknown fields: 'shell'"],
      ['tasks', '{}', "body field 'command' is missing"]
    ] as const) {
      const { text } = await ask({ socketPath, method: 'POST', path: `/api/v1/${path}`, body })
      assert(text.includes(`"Cannot read the request: ${words}"`), text)
    }
  })

  it('refuses a body above the limit as 413, also when it does not say its length', async () => {
    const { socketPath } = fixture
    const body = JSON.stringify({ command: ['x'.repeat(2 * 1024 * 1024)] })
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await ask({ socketPath, method: 'POST', path: '/api/v1/tasks', body, headers })
      assert.equal(answer.status, 413)
    }
  })

  it('answers 404 to a route that does not exist', async () => {
    const answer = await ask({ socketPath: fixture.socketPath, path: '/api/v2/status' })
    assert.equal(answer.status, 404)
    assert.equal(errorCode(answer.text), 'API_NOT_FOUND')
  })

  it('maps the code of a failure to a status, and hands its hint on', async () => {
    const denied = new WeaverError('GOVERNANCE_DENIED', 'No', { detail: { hint: 'ask' } })
    fixture.service.failure = denied
    const answer = await ask({ socketPath: fixture.socketPath, path: '/api/v1/tasks' })
    assert.equal(answer.status, 403)
    const error = { code: 'GOVERNANCE_DENIED', message: 'No', hint: 'ask' }
    assert.deepEqual(JSON.parse(answer.text), { error })
  })

  it('says when to come back under pushback', async () => {
    fixture.service.failure = new WeaverError('SCHEDULER_FULL', 'Full', { retry: 'later' })
    const answer = await ask({ socketPath: fixture.socketPath, path: '/api/v1/tasks' })
    assert.equal(answer.status, 503)
    assert.equal(answer.headers['retry-after'], '1')
  })

  it('tells nothing of a defect but that it is one', async () => {
    fixture.service.failure = new Error('secret path /home/ada')
    const answer = await ask({ socketPath: fixture.socketPath, path: '/api/v1/tasks' })
    assert.equal(answer.status, 500)
    assert.doesNotMatch(answer.text, /secret/)
  })

  it('gives up at the deadline, and tells the kernel so', async () => {
    fixture.service.gate = new Promise(() => undefined)
    const asked = ask({ socketPath: fixture.socketPath, path: '/api/v1/chain/verify' })
    while (fixture.service.lastSignal === null) await fixture.client.status()
    fixture.clock.advanceTo(millis(20 * REQUEST_DEADLINE_MS))
    const answer = await asked
    assert.equal(answer.status, 504)
    assert.equal(errorCode(answer.text), 'API_TIMED_OUT')
    assert.equal(fixture.service.lastSignal.aborted, true)
  })

  it('tells the kernel when the caller leaves', async () => {
    fixture.service.gate = new Promise(() => undefined)
    const socket = connect(fixture.socketPath)
    socket.write('GET /api/v1/chain/verify HTTP/1.1\r\nhost: x\r\n\r\n')
    while (fixture.service.lastSignal === null) await fixture.client.status()
    const { signal } = { signal: fixture.service.lastSignal }
    socket.destroy()
    await once(signal, 'abort')
  })

  it('refuses a page of the web, which always sends its origin', async () => {
    const headers = { origin: 'https://evil.example' }
    const answer = await ask({ socketPath: fixture.socketPath, path: '/api/v1/status', headers })
    assert.equal(answer.status, 403)
    assert.equal(errorCode(answer.text), 'API_FORBIDDEN_ORIGIN')
  })

  it('serves health and Prometheus metrics', async () => {
    const { socketPath } = fixture
    assert.equal((await ask({ socketPath, path: '/healthz' })).text, '{"ok":true,"problems":[]}')
    const metrics = await ask({ socketPath, path: '/metrics' })
    assert.match(metrics.headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/)
    assert.match(metrics.text, /^weft_processes\{state="a \\"quoted\\" one"\} 3$/m)
  })

  it('takes the place of a socket that a dead kernel left', async () => {
    const home = await mkdtemp(join(tmpdir(), 'weaver-stale-'))
    const socketPath = join(home, 'kernel.sock')
    await writeFile(socketPath, '')
    const server = serverAt(socketPath)
    await server.start()
    assert.equal((await ask({ socketPath, path: '/healthz' })).status, 200)
    await server.stop()
    await server.stop()
    await rm(home, { recursive: true })
  })

  it('says what to do when the path of its socket is too long', async () => {
    await assert.rejects(serverAt(`/tmp/${'x'.repeat(120)}/kernel.sock`).start(), {
      code: 'API_SOCKET_PATH_TOO_LONG'
    })
  })
})

describe('HttpServer streams', () => {
  let fixture: Fixture
  beforeEach(async () => {
    fixture = await startFixture()
  })
  afterEach(() => fixture.stop())

  it('sends what there is, then the end', async () => {
    const lines: string[] = []
    for await (const { id, item } of fixture.client.logs({ lines: 2, follow: false })) {
      lines.push(`${id} ${item.message}`)
    }
    assert.deepEqual(lines, ['1 line 1', '2 line 2'])
  })

  it('resumes behind the last item seen', async () => {
    const ids: string[] = []
    const stream = fixture.client.taskOutput(TASK_ID, { follow: false }, { after: '2' })
    for await (const { id } of stream) ids.push(id)
    assert.deepEqual(ids, ['3'])
  })

  it('asks the kernel only as fast as its client reads', async () => {
    fixture.service.eventsMax = 1_000_000
    const stream = fixture.client.events()[Symbol.asyncIterator]()
    await stream.next()
    for (let turn = 0; turn < 50; turn += 1) await fixture.client.status()
    const before = fixture.service.itemsGiven
    for (let turn = 0; turn < 50; turn += 1) await fixture.client.status()
    assert.equal(fixture.service.itemsGiven, before)
    assert(before < 50_000, `${before} items were made for a client that read one`)
    await stream.return?.()
  })

  it('answers a stream about nothing with a status, not with an empty stream', async () => {
    const stream = fixture.client.taskEvents('nope')[Symbol.asyncIterator]()
    await assert.rejects(stream.next(), { code: 'TASK_NOT_FOUND' })
  })

  it('frees its place when the client leaves', async () => {
    for (let round = 0; round < STREAMS_MAX + 10; round += 1) {
      const stream = fixture.client.events()[Symbol.asyncIterator]()
      await stream.next()
      await stream.return?.()
    }
  })

  it('refuses one stream too many as 503', async () => {
    const open = []
    for (let count = 0; count < STREAMS_MAX; count += 1) {
      const stream = fixture.client.events()[Symbol.asyncIterator]()
      await stream.next()
      open.push(stream)
    }
    const last = fixture.client.events()[Symbol.asyncIterator]()
    await assert.rejects(last.next(), { code: 'API_BUSY' })
    for (const stream of open) await stream.return?.()
  })

  it('tells its clients when the kernel stops', async () => {
    const stream = fixture.client.events()[Symbol.asyncIterator]()
    for (let count = 0; count < 3; count += 1) await stream.next()
    const next = stream.next()
    void fixture.server.stop()
    await assert.rejects(next, { code: 'API_KERNEL_STOPPING' })
  })
})

describe('HttpServer on TCP', () => {
  let fixture: Fixture
  let token = ''
  let port = 0

  beforeEach(async () => {
    fixture = await startFixture({ hasTcp: true })
    token = (await readFile(fixture.tokenFile, 'utf8')).trim()
    port = Number(new URL(fixture.server.url ?? '').port)
  })
  afterEach(() => fixture.stop())

  const authorization = (): Record<string, string> => ({ authorization: `Bearer ${token}` })

  it('keeps its token in a file of 0600, and from one start to the next', async () => {
    assert.equal((await stat(fixture.tokenFile)).mode & 0o777, 0o600)
    assert.match(token, /^[A-Za-z0-9_-]{43}$/)
    const again = serverAt(join(fixture.home, 'run', 'second.sock'), fixture.tokenFile)
    await again.start()
    await again.stop()
    assert.equal((await readFile(fixture.tokenFile, 'utf8')).trim(), token)
  })

  it('serves whoever has the token', async () => {
    const answer = await ask({ port, path: '/api/v1/status', headers: authorization() })
    assert.equal(answer.status, 200)
  })

  for (const [what, header] of [
    ['no token', null],
    ['a wrong token', 'Bearer wrong'],
    ['an empty token', 'Bearer '],
    ['another scheme', 'Basic YTpi']
  ] as const) {
    it(`refuses ${what} as 401, health and metrics too`, async () => {
      for (const path of ['/api/v1/status', '/healthz', '/metrics', '/nope']) {
        const headers: Record<string, string> = header === null ? {} : { authorization: header }
        const answer = await ask({ port, path, headers })
        assert.equal(answer.status, 401)
        assert.equal(answer.headers['www-authenticate'], 'Bearer')
      }
      assert.deepEqual(fixture.service.calls, [])
    })
  }

  it('refuses a foreign host before it looks at the token (A2)', async () => {
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1', 'localhost:1']) {
      const headers = { ...authorization(), host }
      const answer = await ask({ port, path: '/api/v1/status', headers })
      assert.equal(answer.status, 403)
      assert.equal(errorCode(answer.text), 'API_FORBIDDEN_HOST')
    }
  })

  it('refuses a foreign origin, with the token too (A1)', async () => {
    for (const origin of ['https://evil.example', 'null', `https://127.0.0.1:${port}`]) {
      const headers = { ...authorization(), origin }
      const answer = await ask({ port, path: '/api/v1/status', headers })
      assert.equal(answer.status, 403)
      assert.equal(errorCode(answer.text), 'API_FORBIDDEN_ORIGIN')
    }
  })

  it('refuses to upgrade without the token', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write(
      `POST /api/v1/run HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: upgrade\r\n` +
        'upgrade: weft-io\r\n\r\n'
    )
    const [chunk]: Buffer[] = await once(socket, 'data')
    assert.match(String(chunk), /^HTTP\/1\.1 401 /)
    socket.destroy()
  })

  it('says that its port is in use, and leaves nothing listening', async () => {
    const socketPath = join(fixture.home, 'run', 'second.sock')
    const second = serverAt(socketPath, fixture.tokenFile, port)
    await assert.rejects(second.start(), { code: 'API_ADDRESS_IN_USE' })
    await assert.rejects(ask({ socketPath, path: '/healthz' }))
  })
})

function serverAt(socketPath: string, tokenFile: string | null = null, port = 0): HttpServer {
  return new HttpServer(
    {
      service: new FakeKernelService(),
      clock: new VirtualClock(),
      entropy: systemEntropy,
      log: silentLog
    },
    {
      socketPath,
      version: '0.1.0',
      tcp: tokenFile === null ? null : { host: '127.0.0.1', port, tokenFile }
    }
  )
}
