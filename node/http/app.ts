// The routes on Hono: reading a request, calling the kernel, writing the answer.

import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { z } from 'zod'
import { millis, unreachable, WeaverError } from '../../core/index.ts'
import type { Clock, Logger } from '../../core/index.ts'
import { apiError } from '../api/schemas/basics.ts'
import { health } from '../api/schemas/kernel.ts'
import type { ProcessService } from '../asking/index.ts'
import type { KernelService } from '../service.ts'
import { VERSION } from '../version.ts'
import { errorAnswer } from './answers.ts'
import { bodyTooLarge, clientLeft, deadlinePassed, invalidRequest, noSuchRoute } from './errors.ts'
import { eventStream } from './event-stream.ts'
import { downloaded, uploaded } from './bulk.ts'
import { BODY_BYTES_MAX, REQUEST_TIMEOUT_MS } from './limits.ts'
import { metricsText } from './metrics-text.ts'
import type { RawInput, Route } from './route.ts'
import { agentRoutes } from './routes/agents.ts'
import { blobRoutes } from './routes/blobs.ts'
import { processRoutes } from './routes/process.ts'
import { chainEntryRoutes, chainRoutes } from './routes/chain.ts'
import { kernelRoutes } from './routes/kernel.ts'
import { labelRoutes } from './routes/labels.ts'
import { membershipRoutes } from './routes/membership.ts'
import { meshRoutes } from './routes/mesh.ts'
import { taskRoutes } from './routes/tasks.ts'
import { approvalRoutes, policyRoutes } from './routes/policy.ts'
import { secretRoutes } from './routes/secrets.ts'
import { toolRoutes } from './routes/tools.ts'
import type { StreamSlots } from './stream-slots.ts'

export interface AppDeps {
  readonly service: KernelService
  readonly clock: Clock
  readonly log: Logger
  readonly slots: StreamSlots
  readonly version: string
}

type ServeDeps = Pick<AppDeps, 'clock' | 'log' | 'slots'> & {
  /** Of one request. */
  readonly bodyBytesMax?: number
}

/** Answers requests that have been admitted. */
export type App = (request: Request) => Response | Promise<Response>

export function createApp(deps: AppDeps): App {
  return served(deps, routesOf(deps.service), (app) => serveFixed(app, deps))
}

/** What one process may ask, and nothing else. */
export function createProcessApp(deps: ServeDeps, service: ProcessService): App {
  return served(deps, processRoutes(service), (app) => addDocument(app, VERSION))
}

function served(
  deps: ServeDeps,
  routes: readonly Route[],
  addFixed: (app: OpenAPIHono) => void
): App {
  const { log } = deps
  const app = new OpenAPIHono()
  for (const route of routes) {
    publish(app, route)
    app.on(route.method.toUpperCase(), honoPath(route.path), (context) =>
      serveRoute(context, route, deps)
    )
  }
  addFixed(app)
  app.notFound((context) => failed(noSuchRoute(context.req.method, context.req.path)))
  app.onError((error, context) => {
    if (!(error instanceof WeaverError) || error.code === 'INVARIANT_BROKEN') {
      log.error('a request failed by a defect', {
        path: context.req.path,
        reason: error.stack ?? String(error)
      })
    }
    return failed(error)
  })
  return (request) => app.fetch(request)
}

function serveRoute(context: Context, route: Route, deps: ServeDeps): Promise<Response> {
  switch (route.kind) {
    case 'answer':
      return answer(context, route, deps)
    case 'stream':
      return openStream(context, route, deps)
    case 'upload':
      return upload(context, route, deps)
    case 'download':
      return download(context, route, deps)
    default:
      return unreachable(route)
  }
}

export function routesOf(service: KernelService): readonly Route[] {
  return [
    ...kernelRoutes(service),
    ...meshRoutes(service),
    ...membershipRoutes(service),
    ...labelRoutes(service),
    ...taskRoutes(service),
    ...agentRoutes(service),
    ...toolRoutes(service),
    ...policyRoutes(service),
    ...approvalRoutes(service),
    ...secretRoutes(service),
    ...blobRoutes(service),
    ...chainRoutes(service),
    ...chainEntryRoutes(service)
  ]
}

function serveFixed(app: OpenAPIHono, { service, version }: AppDeps): void {
  app.get('/healthz', (context) => {
    const report = service.health()
    return context.json(health.parse(report), report.ok ? 200 : 503)
  })
  app.get('/metrics', (context) =>
    context.text(metricsText(service.metrics()), 200, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8'
    })
  )
  addDocument(app, version)
}

function addDocument(app: OpenAPIHono, version: string): void {
  app.doc31('/api/v1/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'WeftOS control API',
      version,
      description:
        'Errors are `{"error": {code, message, hint}}`. Streams are server-sent events: `item` with an id ' +
        'to resume from by `Last-Event-ID`, then `end` or `error`. `POST /api/v1/run` upgrades to ' +
        '`weft-io` and is not described here.'
    }
  })
}

const BYTES = 'application/octet-stream'
const CONTENT_TYPES: Readonly<Record<Route['kind'], string>> = {
  answer: 'application/json',
  stream: 'text/event-stream',
  upload: 'application/json',
  download: BYTES
}
const anyBytes = z.string().meta({ format: 'binary' })

function publish(app: OpenAPIHono, route: Route): void {
  const type = CONTENT_TYPES[route.kind]
  const hasBody = route.method === 'post' && route.body.def.type !== 'unknown'
  app.openAPIRegistry.registerPath({
    method: route.method,
    path: route.path,
    tags: [route.tag],
    summary: route.summary,
    request: {
      ...(isObject(route.params) ? { params: route.params } : {}),
      ...(isObject(route.query) ? { query: route.query } : {}),
      ...(hasBody ? { body: { content: { 'application/json': { schema: route.body } } } } : {}),
      ...(route.kind === 'upload' ? { body: { content: { [BYTES]: { schema: anyBytes } } } } : {})
    },
    responses: {
      [route.kind === 'answer' ? route.status : 200]: {
        description: route.kind === 'stream' ? 'One item of the stream' : 'Done',
        content: { [type]: { schema: route.kind === 'download' ? anyBytes : route.gives } }
      },
      default: {
        description: 'Not done',
        content: { 'application/json': { schema: apiError } }
      }
    }
  })
}

type AnswerRoute = Extract<Route, { readonly kind: 'answer' }>
type StreamRoute = Extract<Route, { readonly kind: 'stream' }>
type UploadRoute = Extract<Route, { readonly kind: 'upload' }>
type DownloadRoute = Extract<Route, { readonly kind: 'download' }>

async function answer(context: Context, route: AnswerRoute, deps: ServeDeps): Promise<Response> {
  const input = await inputOf(context, deps)
  const left = context.req.raw.signal
  const result = await within(route.deadlineMs, { clock: deps.clock, left }, (signal) =>
    route.call(input, signal)
  )
  // Ages are told by this clock: a caller may have none, or another.
  const headers = { 'weft-time': String(deps.clock.wall()) }
  return Response.json(result, { status: route.status, headers })
}

async function openStream(
  context: Context,
  route: StreamRoute,
  deps: ServeDeps
): Promise<Response> {
  const { clock, log, slots } = deps
  const input = await inputOf(context, deps)
  const { abort, free } = slots.take()
  const { signal } = abort
  const left = context.req.raw.signal
  const onLeft = (): void => abort.abort(clientLeft())
  left.addEventListener('abort', onLeft, { once: true })
  const close = (): void => {
    left.removeEventListener('abort', onLeft)
    free()
  }
  try {
    const after = context.req.header('last-event-id') ?? null
    const source = await route.open(input, { after, signal })
    return new Response(eventStream(source, { clock, log, abort, onClose: close }), {
      headers: {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no'
      }
    })
  } catch (error) {
    close()
    throw error
  }
}

async function upload(context: Context, route: UploadRoute, deps: ServeDeps): Promise<Response> {
  const input = { params: context.req.param(), query: context.req.query(), body: null }
  const result = await uploaded(context.req.raw, deps, (chunks, signal) =>
    route.take(input, chunks, signal)
  )
  return Response.json(result)
}

async function download(
  context: Context,
  route: DownloadRoute,
  deps: ServeDeps
): Promise<Response> {
  const input = { params: context.req.param(), query: context.req.query(), body: null }
  return downloaded(await route.read(input), deps, context.req.raw.signal)
}

async function inputOf(context: Context, deps: ServeDeps): Promise<RawInput> {
  return {
    params: context.req.param(),
    query: context.req.query(),
    body: context.req.method === 'POST' ? await bodyOf(context, deps) : null
  }
}

async function bodyOf(
  context: Context,
  { clock, bodyBytesMax = BODY_BYTES_MAX }: ServeDeps
): Promise<unknown> {
  const left = context.req.raw.signal
  const text = await within(REQUEST_TIMEOUT_MS, { clock, left }, () =>
    limitedText(context.req.raw, bodyBytesMax)
  )
  if (text === '') return null
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    throw invalidRequest('body', 'is not JSON')
  }
}

/** Counted as it comes: what a length header claims proves nothing, and one may be missing. */
async function limitedText(request: Request, bytesMax: number): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw bodyTooLarge(bytesMax)
  if (request.body === null) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body) {
    chunks.push(chunk)
    size += chunk.length
    if (size > bytesMax) throw bodyTooLarge(bytesMax)
  }
  return Buffer.concat(chunks).toString('utf8')
}

interface DeadlineDeps {
  readonly clock: Clock
  /** Aborts when the client has left. */
  readonly left: AbortSignal
}

/** @throws ApiRefusal `API_TIMED_OUT`, and `API_CLIENT_LEFT` into a connection that nobody reads */
async function within<T>(
  deadlineMs: number,
  { clock, left }: DeadlineDeps,
  call: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  const settled = new AbortController()
  const gaveUp = new AbortController()
  const { promise, reject } = Promise.withResolvers<never>()
  const giveUp = (reason: WeaverError): void => {
    gaveUp.abort(reason)
    reject(reason)
  }
  const onLeft = (): void => giveUp(clientLeft())
  left.addEventListener('abort', onLeft, { once: true })
  clock.sleep(millis(deadlineMs), settled.signal).then(
    () => giveUp(deadlinePassed(deadlineMs)),
    () => undefined // Answered in time.
  )
  try {
    return await Promise.race([call(gaveUp.signal), promise])
  } finally {
    settled.abort()
    left.removeEventListener('abort', onLeft)
  }
}

function failed(error: unknown): Response {
  const { status, headers, body } = errorAnswer(error)
  return Response.json(body, { status, headers })
}

function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1')
}

function isObject(schema: z.ZodType): schema is z.ZodObject {
  return schema instanceof z.ZodObject
}
