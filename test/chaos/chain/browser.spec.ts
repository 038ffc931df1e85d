// Goal: docs/verify.html judges real files in a real browser, from a file, and nothing leaves the page.
// Method: headless Chromium, spoken to over its own pipe (the DevTools protocol), with each request it makes on
// record, by the browser's own network domain.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import process from 'node:process'
import type { Readable, Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { Lab, until } from '../kernel/lab.ts'

const PAGE = pathToFileURL(resolve(import.meta.dirname, '../../../docs/verify.html')).href

const messageSchema = z.object({
  id: z.number().optional(),
  method: z.string().optional(),
  params: z.record(z.string(), z.unknown()).optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ message: z.string() }).optional()
})
type Fields = Record<string, unknown>

/** One page of a browser of its own. Messages end with a zero byte, on descriptors 3 and 4. */
class Browser {
  /** The address of everything that the page asked the network for. */
  readonly requests: string[] = []
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

  static async open(profile: string): Promise<Browser> {
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
    const quiet = [
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update'
    ]
    const args = [...flags, ...quiet, '--remote-debugging-pipe', `--user-data-dir=${profile}`]
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
      const answer = message.id === undefined ? undefined : this.#answers.get(message.id)
      if (answer === undefined) continue
      if (message.error === undefined) answer.resolve(message.result ?? {})
      else answer.reject(new Error(message.error.message))
    }
  }
}

describe('docs/verify.html in a real browser', function () {
  this.timeout(120_000)
  let lab: Lab
  let profile: string
  let browser: Browser

  before(async function () {
    if (spawnSync('chromium', ['--version']).status !== 0) {
      process.stderr.write('  skipped: chromium is not installed (npm run setup:debian)\n')
      this.skip()
    }
    lab = await Lab.open()
    profile = await mkdtemp(join(tmpdir(), 'weaver-browser-'))
    browser = await Browser.open(profile)
  })

  after(async () => {
    await browser?.close()
    await lab?.close()
    if (profile !== undefined) await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  })

  it('judges a real proof and a real export, good and tampered, and nothing leaves the page', async () => {
    await lab.start('laptop')
    const [proof, exported] = [join(lab.folder, 'proof.json'), join(lab.folder, 'all.weft')]
    const made = await lab.weaver('laptop', 'chain', 'prove', '1.0@laptop', '-o', proof)
    assert.equal(made.code, 0, made.stderr)
    assert.equal((await lab.weaver('laptop', 'chain', 'export', '-o', exported)).code, 0)
    await browser.send('Page.navigate', { url: PAGE })
    await until(async () => (await browser.ask('document.readyState')) === 'complete')

    const good = await browser.choose(proof)
    assert.match(good, /^Sound/)
    assert.match(good, /1\.0@12D3KooW/)
    assert.match(good, /laptop \(admin\)/)
    const shot = process.env['WEAVER_SCREENSHOT']
    if (shot !== undefined) {
      const { data } = await browser.send('Page.captureScreenshot', { captureBeyondViewport: true })
      await writeFile(shot, Buffer.from(z.string().parse(data), 'base64'))
    }
    assert.match(await browser.choose(exported), /^Sound/)

    const text = await readFile(proof, 'utf8')
    const forged = join(lab.folder, 'forged.json')
    // Another character in the middle of the note's signature.
    const at = text.indexOf('weft-lane/') + 150
    const other = text[at] === 'A' ? 'B' : 'A'
    await writeFile(forged, text.slice(0, at) + other + text.slice(at + 1))
    assert.match(await browser.choose(forged), /^Not sound[^]*CHAIN_/)
    const bytes = await readFile(exported)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    const flipped = join(lab.folder, 'flipped.weft')
    await writeFile(flipped, bytes)
    assert.match(await browser.choose(flipped), /^Not sound[^]*CHAIN_/)

    assert.deepEqual([...new Set(browser.requests)], [PAGE])
    // And it could not, if it wanted to: the page's own policy forbids every connection.
    const tried = "fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.name)"
    assert.equal(await browser.ask(tried), 'TypeError')
    const beacon =
      "new Promise((done) => { addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective)); fetch('https://example.org/').catch(() => undefined) })"
    assert.equal(await browser.ask(beacon), 'connect-src')
  })
})
