// One Unix socket for each process that may ask its kernel. Whoever speaks through it is that process.
//
// Invariants
//   P1. Nothing that is said through a socket says who asks: there is one server, and one service, for each.
//   P2. What one process can make the kernel hold or do at one time is bounded, whatever it sends.
//   P3. After `close` no connection lives, whichever process holds its other end.

import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Clock, Logger } from '../../core/index.ts'
import { socketChannel } from '../api/socket-channel.ts'
import { fullBudget, isSpent, spend } from '../asking/index.ts'
import type { Budget, ProcessService, ProcessSocket, ProcessSockets } from '../asking/index.ts'
import { refusalOf } from './admission.ts'
import type { App } from './app.ts'
import type * as Answering from './loaded-late.ts'
import { serveRun } from './attached-run.ts'
import { ApiRefusal, cannotListen, socketPathTooLong } from './errors.ts'
import {
  HEAD_BYTES_MAX,
  HEAD_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  PROCESS_BODY_BYTES_MAX,
  PROCESS_CONNECTIONS_MAX,
  PROCESS_DENIAL_RATE,
  PROCESS_REQUEST_RATE,
  PROCESS_REQUESTS_MAX,
  REQUEST_TIMEOUT_MS,
  SOCKET_PATH_BYTES_MAX
} from './limits.ts'
import { notRun, refusalText, refuse } from './raw-answers.ts'
import { StreamSlots } from './stream-slots.ts'

export interface ProcessSocketsDeps {
  readonly clock: Clock
  readonly log: Logger
}

export interface ProcessSocketsOptions {
  /** Of this kernel alone: becomes 0700, and what an earlier kernel left in it is removed. */
  readonly directory: string
}

export function processSockets(
  deps: ProcessSocketsDeps,
  { directory }: ProcessSocketsOptions
): ProcessSockets {
  // At once: what an earlier kernel left must not lie there until the first process asks.
  const made = emptyFolder(directory)
  made.catch(() => undefined) // Heard by whoever opens one.
  let count = 0
  return {
    open: async (service) => {
      count += 1
      const path = join(directory, `${count}.sock`)
      await made
      const door = new Door(deps, service, { path, answering: await import('./loaded-late.ts') })
      await door.open()
      return { path, close: () => door.close() } satisfies ProcessSocket
    }
  }
}

/** The folder shuts everybody else out from before a socket exists. */
async function emptyFolder(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, 0o700)
}

interface DoorOptions {
  readonly path: string
  readonly answering: typeof Answering
}

class Door {
  readonly #deps: ProcessSocketsDeps
  readonly #service: ProcessService
  readonly #path: string
  readonly #slots = new StreamSlots(PROCESS_REQUESTS_MAX)
  readonly #app: App
  readonly #server: Server
  readonly #upgraded = new Set<Duplex>()
  #requests: Budget
  #denials: Budget
  #underWay = 0
  #closed: Promise<void> | null = null

  constructor(deps: ProcessSocketsDeps, service: ProcessService, { path, answering }: DoorOptions) {
    this.#deps = deps
    this.#service = service
    this.#path = path
    const now = deps.clock.now()
    this.#requests = fullBudget(PROCESS_REQUEST_RATE, now)
    this.#denials = fullBudget(PROCESS_DENIAL_RATE, now)
    const parts = { ...deps, slots: this.#slots, bodyBytesMax: PROCESS_BODY_BYTES_MAX }
    this.#app = answering.createProcessApp(parts, service)
    this.#server = createServer(
      {
        maxHeaderSize: HEAD_BYTES_MAX,
        headersTimeout: HEAD_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        shouldUpgradeCallback: (request) => request.headers.upgrade === 'weft-io'
      },
      this.#listener(answering)
    )
    this.#server.maxConnections = PROCESS_CONNECTIONS_MAX
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
  }

  async open(): Promise<void> {
    if (Buffer.byteLength(this.#path) > SOCKET_PATH_BYTES_MAX) {
      throw socketPathTooLong(this.#path, SOCKET_PATH_BYTES_MAX)
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', (error) => reject(cannotListen(this.#path, error)))
    this.#server.listen({ path: this.#path }, resolve)
    await promise
    this.#server.on('error', (error) => {
      this.#deps.log.warn('the socket of a process', { reason: String(error) })
    })
    await chmod(this.#path, 0o600)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#slots.stop()
    this.#server.close()
    this.#server.closeAllConnections()
    for (const socket of this.#upgraded) socket.destroy() // P3
    await rm(this.#path, { force: true })
  }

  #listener({
    getRequestListener
  }: typeof Answering): (request: IncomingMessage, response: ServerResponse) => void {
    const serve = getRequestListener(async (request) => await this.#counted(request), {
      overrideGlobalObjects: false
    })
    return (request, response) => {
      const refusal = refusalOf(request.headers, null) ?? this.#pushback()
      if (refusal !== null) {
        refuse(request, response, refusal)
        return
      }
      this.#underWay += 1
      response.once('close', () => (this.#underWay -= 1))
      void serve(request, response)
    }
  }

  async #counted(request: Request): Promise<Response> {
    const response = await this.#app(request)
    if (response.status === DENIED_STATUS) this.#countDenial()
    return response
  }

  #countDenial(): void {
    this.#denials =
      spend(this.#denials, PROCESS_DENIAL_RATE, this.#deps.clock.now()) ?? this.#denials
  }

  /** P2 */
  #pushback(): ApiRefusal | null {
    const now = this.#deps.clock.now()
    if (isSpent(this.#denials, PROCESS_DENIAL_RATE, now)) {
      return tooOften('it was denied too often')
    }
    const left = spend(this.#requests, PROCESS_REQUEST_RATE, now)
    if (left === null) return tooOften('it asks too often')
    this.#requests = left
    if (this.#underWay + this.#upgraded.size < PROCESS_REQUESTS_MAX) return null
    return tooOften(`${PROCESS_REQUESTS_MAX} of its requests are under way`)
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy())
    const refusal = refusalOf(request.headers, null) ?? notRun(request) ?? this.#pushback()
    if (refusal !== null) {
      socket.end(refusalText(refusal))
      return
    }
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket))
    socket.write(SWITCHED)
    const service: Pick<ProcessService, 'runTask'> = {
      runTask: async (submission, io) => {
        try {
          return await this.#service.runTask(submission, io)
        } catch (error) {
          if (isDenial(error)) this.#countDenial()
          throw error
        }
      }
    }
    void serveRun(socketChannel(socket, head), { ...this.#deps, service }) // It never rejects.
  }
}

const DENIED_STATUS = 403
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: weft-io\r\n\r\n'

function isDenial(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'GOVERNANCE_DENIED'
}

function tooOften(why: string): ApiRefusal {
  return new ApiRefusal('API_PROCESS_BUSY', `Cannot answer this process now: ${why}`, {
    retry: 'later',
    hint: 'wait a moment between requests'
  })
}
