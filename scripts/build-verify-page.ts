// Makes docs/verify.html: one file that holds the verifier and all it needs, and loads nothing.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'

const ROOT = resolve(import.meta.dirname, '..')
const SOURCE = resolve(import.meta.dirname, 'verify-page')

/** The page as its sources are now. The same sources always make the same page. */
export async function verifyPage(): Promise<string> {
  const bundle = await rolldown({
    input: resolve(SOURCE, 'page.js'),
    platform: 'browser',
    cwd: ROOT
  })
  const { output } = await bundle.generate({ format: 'es', minify: true })
  await bundle.close()
  const [chunk, ...more] = output
  if (more.length > 0) throw new Error('The verifier is more than one file')
  // A closing tag inside the script would end it.
  const script = `\n${chunk.code.trim().replaceAll('</script', String.raw`<\/script`)}\n`
  const hash = `sha256-${createHash('sha256').update(script).digest('base64')}`
  return readFileSync(resolve(SOURCE, 'page.html'), 'utf8')
    .replace('{{hash}}', () => hash)
    .replace('<!-- script -->', () => `<script type="module">${script}</script>`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(resolve(ROOT, 'docs/verify.html'), await verifyPage())
}
