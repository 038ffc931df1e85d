import assert from 'node:assert/strict'
import { z } from 'zod'
import { routesOf } from '../../../../node/http/app.ts'
import { statusOf } from '../../../../node/http/answers.ts'
import { WeaverError } from '../../../../core/index.ts'
import { BLOB } from '../../../doubles/kernel-blobs.ts'
import { FakeKernelService, ENTRY, TASK_ID } from '../../../doubles/kernel-service.ts'
import { ask, startFixture } from './fixture.ts'

const documentSchema = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) })
})

// What each parameter and body needs so that the fake kernel says yes.
const PARAMS: Readonly<Record<string, string>> = {
  process: 'ticker',
  node: 'server',
  name: 'hash',
  id: TASK_ID,
  blob: BLOB.id
}
const BODIES: Readonly<Record<string, unknown>> = {
  '/api/v1/mesh/invites': {},
  '/api/v1/mesh/join': { invite: 'weft1abc' },
  '/api/v1/mesh/signatures': { signatures: 2 },
  '/api/v1/mesh/approve': {},
  '/api/v1/mesh/leave': {},
  '/api/v1/nodes/{node}/role': { role: 'admin' },
  '/api/v1/nodes/{node}/labels': { labels: { tier: 'fast' }, removed: ['site'] },
  '/api/v1/chain/redact': { entry: ENTRY.entry, reason: 'a name' },
  '/api/v1/blobs/{blob}/pin': { pinned: true },
  '/api/v1/blobs/collect': { bytesMax: null },
  '/api/v1/tasks': { command: ['true'] },
  '/api/v1/agents': { runtime: 'custom', name: 'ticker' },
  '/api/v1/chain/keep': { lanes: null },
  '/api/v1/policy/check': { principal: 'agent:a', action: 'exec', argv: ['ls'] },
  '/api/v1/policy/validate': { text: '' },
  '/api/v1/policy/apply': { text: '' },
  '/api/v1/policy/add': { text: '' },
  '/api/v1/approvals/{id}': { approve: false },
  '/api/v1/secrets/{name}': { base64: 'czNjcmV0LXZhbHVl' },
  '/api/v1/tools/{name}/call': { input: { text: 'x' } }
}

describe('the OpenAPI document', () => {
  it('has every route, with references to named schemas', async () => {
    const fixture = await startFixture()
    const answer = await ask({ socketPath: fixture.socketPath, path: '/api/v1/openapi.json' })
    await fixture.stop()
    const document = documentSchema.parse(JSON.parse(answer.text))
    const published = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`)
    )
    const routes = routesOf(new FakeKernelService()).map(({ method, path }) => `${method} ${path}`)
    assert.deepEqual(published.toSorted(), routes.toSorted())
    for (const name of ['KernelStatus', 'Process', 'Task', 'Peer', 'ChainReport', 'Error']) {
      assert(name in document.components.schemas, `${name} is a schema`)
    }
  })

  for (const route of routesOf(new FakeKernelService())) {
    if (route.kind !== 'answer') continue
    it(`is true of what ${route.method.toUpperCase()} ${route.path} answers`, async () => {
      const fixture = await startFixture()
      const path = route.path
        .replace('entries/{id}', `entries/${encodeURIComponent(ENTRY.entry)}`)
        .replaceAll(/\{(\w+)\}/g, (_, name: string) => PARAMS[name] ?? '')
      const body = route.method === 'post' ? BODIES[route.path] : undefined
      const answer = await ask({
        socketPath: fixture.socketPath,
        method: route.method.toUpperCase(),
        path,
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      await fixture.stop()
      assert.equal(answer.status, route.status, answer.text)
      const value: unknown = JSON.parse(answer.text)
      route.gives.parse(value)
    })
  }
})

describe('statusOf()', () => {
  const cases: readonly (readonly [code: string, status: number])[] = [
    ['GOVERNANCE_DENIED', 403],
    ['GOVERNANCE_UNRECORDED', 503],
    ['TASK_NOT_FOUND', 404],
    ['MESH_NODE_AMBIGUOUS', 409],
    ['MESH_NAME_TAKEN', 409],
    ['CORE_INVALID_TASK_ID', 400],
    ['NODE_LABEL_INVALID', 400],
    ['MESH_CALL_TIMED_OUT', 504],
    ['API_UNAUTHORIZED', 401],
    ['API_FORBIDDEN_HOST', 403],
    ['INVARIANT_BROKEN', 500],
    ['MESH_INVITE_EXPIRED', 422]
  ]
  for (const [code, status] of cases) {
    it(`makes ${code} a ${status}`, () => {
      assert.equal(statusOf(new WeaverError(code, 'x')), status)
    })
  }

  it('makes whatever may be tried again a 503', () => {
    assert.equal(statusOf(new WeaverError('MESH_PEER_UNREACHABLE', 'x', { retry: 'later' })), 503)
    assert.equal(statusOf(new WeaverError('TOOL_BUSY', 'x', { retry: 'elsewhere' })), 503)
  })
})
