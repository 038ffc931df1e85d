import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readComponent, readManifest } from '../../../sandbox-wasm/builtin-tools.ts'
import type { ToolEntry } from '../../../sandbox-wasm/builtin-tools.ts'
import { buildTools } from '../../../scripts/build-tools.ts'

const BUILTIN = fileURLToPath(new URL('../../../sandbox-wasm/builtin/', import.meta.url))

describe('builtin tools', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-builtin-'))
    await cp(BUILTIN, folder, { recursive: true })
  })
  afterEach(() => rm(folder, { recursive: true }))

  async function hash(): Promise<ToolEntry> {
    const tool = (await readManifest(folder)).get('hash')
    assert.ok(tool)
    return tool
  }

  it('are, byte for byte, what their sources give', async function () {
    this.timeout(30_000)
    for (const [name, content] of await buildTools()) {
      assert.deepEqual(new Uint8Array(await readFile(join(BUILTIN, name))), new Uint8Array(content))
    }
  })

  it('are read when they are what the manifest says', async () => {
    const tool = await hash()
    assert.equal((await readComponent(tool)).length, tool.sizeBytes)
  })

  it('are refused when one bit differs (B1)', async () => {
    const tool = await hash()
    const bytes = await readFile(tool.path)
    bytes.writeUInt8(bytes.readUInt8(5000) ^ 1, 5000)
    await writeFile(tool.path, bytes)
    await assert.rejects(readComponent(tool), { code: 'SANDBOX_DIGEST_MISMATCH' })
  })

  it('are refused when a file is missing or the manifest is damaged', async () => {
    const tool = await hash()
    await rm(tool.path)
    await assert.rejects(readComponent(tool), { code: 'SANDBOX_MANIFEST_BROKEN' })
    for (const text of ['', '{}', '{"format":2,"tools":[]}', manifestNaming('../../etc/passwd')]) {
      await writeFile(join(folder, 'manifest.json'), text)
      await assert.rejects(readManifest(folder), { code: 'SANDBOX_MANIFEST_BROKEN' })
    }
  })
})

function manifestNaming(file: string): string {
  const tool = { name: 'x', file, sha256: '0'.repeat(64), sizeBytes: 1 }
  return JSON.stringify({ format: 1, tools: [tool] })
}
