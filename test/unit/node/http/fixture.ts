import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { millis } from '../../../../core/index.ts'
import { systemEntropy } from '../../../../core/system.ts'
import { ControlClient } from '../../../../node/api/index.ts'
import { HttpServer } from '../../../../node/http/index.ts'
import { STOP_GRACE_MS } from '../../../../node/http/limits.ts'
import { FakeKernelService } from '../../../doubles/kernel-service.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'

export interface Fixture {
  readonly home: string
  readonly socketPath: string
  readonly tokenFile: string
  readonly service: FakeKernelService
  readonly clock: VirtualClock
  readonly client: ControlClient
  readonly server: HttpServer
  stop(): Promise<void>
}

/** A server over a fake kernel, in a temporary home. */
export async function startFixture(options: { readonly hasTcp?: boolean } = {}): Promise<Fixture> {
  const home = await mkdtemp(join(tmpdir(), 'weaver-http-'))
  await chmod(home, 0o755)
  const socketPath = join(home, 'run', 'kernel.sock')
  const tokenFile = join(home, 'run', 'http-token')
  const service = new FakeKernelService()
  const clock = new VirtualClock()
  const server = new HttpServer(
    { service, clock, entropy: systemEntropy, log: silentLog },
    {
      socketPath,
      version: '0.1.0',
      tcp: options.hasTcp === true ? { host: '127.0.0.1', port: 0, tokenFile } : null
    }
  )
  await server.start()
  const stop = async (): Promise<void> => {
    const stopped = server.stop()
    clock.advanceTo(millis(clock.now() + STOP_GRACE_MS))
    await stopped
    await rm(home, { recursive: true, force: true })
  }
  const client = new ControlClient({ socketPath })
  return { home, socketPath, tokenFile, service, clock, client, server, stop }
}

export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface RawRequest {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly socketPath?: string
  readonly port?: number
}

/** Any request at all, by Node's own client. */
export function ask(spec: RawRequest): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
  const where =
    spec.socketPath === undefined
      ? { host: '127.0.0.1', port: spec.port }
      : { socketPath: spec.socketPath }
  const outgoing = request(
    { ...where, method: spec.method ?? 'GET', path: spec.path, headers: { ...spec.headers } },
    (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text })
      })
    }
  )
  outgoing.on('error', reject)
  outgoing.end(spec.body)
  return promise
}

export function errorCode(text: string): string {
  const { error }: { readonly error: { readonly code: string } } = JSON.parse(text)
  return error.code
}
