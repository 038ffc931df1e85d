// A real headless browser for tests, spoken to over its own pipe (the DevTools protocol), with each request that
// its page makes on record, by the browser's own network domain.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { z } from 'zod'
import { until } from './kernel/lab.ts'

const messageSchema = z.object({
  id: z.number().optional(),
  method: z.string().optional(),
  params: z.record(z.string(), z.unknown()).optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ message: z.string() }).optional()
})
type Fields = Record<string, unknown>

/** One page of a browser of its own. Messages end with a zero byte, on descriptors 3 and 4. */
export class Browser {
  /** The address of everything that the page asked the network for. */
  readonly requests: string[] = []
  /** Called with what an event says, by the event's name. */
  readonly on: Map<string, (params: Fields) => void> = new Map()
  readonly #child: ChildProcess
  readonly #answers = new Map<number, PromiseWithResolvers<Fields>>()
  #session: string | undefined
  #last = 0
  #rest = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    const [, , , , output] = child.stdio
    ;(output as Readable).setEncoding('utf8').on('data', (text: string) => this.#read(text))
  }

  static async open(profile: string, more: readonly string[] = []): Promise<Browser> {
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
    const quiet = [
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update'
    ]
    const args = [
      ...flags,
      ...quiet,
      ...more,
      '--remote-debugging-pipe',
      `--user-data-dir=${profile}`
    ]
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] as const
    const browser = new Browser(spawn('chromium', args, { stdio: [...stdio] }))
    const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true })
    browser.#session = z.string().parse(sessionId)
    await browser.send('Network.enable', {})
    await browser.send('Page.enable', {})
    await browser.send('DOM.enable', {})
    return browser
  }

  send(method: string, params: Fields): Promise<Fields> {
    this.#last += 1
    const answer = Promise.withResolvers<Fields>()
    this.#answers.set(this.#last, answer)
    const session = this.#session === undefined ? {} : { sessionId: this.#session }
    const [, , , input] = this.#child.stdio
    ;(input as Writable).write(
      `${JSON.stringify({ id: this.#last, method, params, ...session })}\0`
    )
    return answer.promise
  }

  /** The value of an expression in the page. */
  async ask(expression: string): Promise<unknown> {
    const { result } = await this.send('Runtime.evaluate', { expression, awaitPromise: true })
    return z.object({ value: z.unknown().optional() }).parse(result).value
  }

  /** Chooses a file as a visitor would, and waits for the verdict. */
  async choose(file: string): Promise<string> {
    await this.ask("document.querySelector('#result').replaceChildren()")
    const { root } = await this.send('DOM.getDocument', {})
    const { nodeId } = z.object({ nodeId: z.number() }).parse(root)
    const input = await this.send('DOM.querySelector', { nodeId, selector: '#file' })
    await this.send('DOM.setFileInputFiles', { files: [file], nodeId: input['nodeId'] })
    await until(
      async () => (await this.ask("document.querySelector('#result h2') !== null")) === true
    )
    return z.string().parse(await this.ask("document.querySelector('#result').innerText"))
  }

  async close(): Promise<void> {
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  #read(text: string): void {
    const parts = (this.#rest + text).split('\0')
    this.#rest = parts.pop() ?? ''
    for (const part of parts) {
      const message = messageSchema.parse(JSON.parse(part))
      if (message.method === 'Network.requestWillBeSent') {
        const { url } = z.object({ url: z.string() }).parse(message.params?.['request'])
        this.requests.push(url)
      }
      this.on.get(message.method ?? '')?.(message.params ?? {})
      const answer = message.id === undefined ? undefined : this.#answers.get(message.id)
      if (answer === undefined) continue
      if (message.error === undefined) answer.resolve(message.result ?? {})
      else answer.reject(new Error(message.error.message))
    }
  }
}
