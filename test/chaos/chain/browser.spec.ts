// Goal: docs/verify.html judges real files in a real browser, from a file, and nothing leaves the page.
// Method: headless Chromium, spoken to over its own pipe (the DevTools protocol), with each request it makes on
// record, by the browser's own network domain.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { Browser } from '../browser.ts'
import { Lab, until } from '../kernel/lab.ts'

const PAGE = pathToFileURL(resolve(import.meta.dirname, '../../../docs/verify.html')).href

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
    await lab.done('laptop', 'chain', 'export', '-o', exported)
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
