import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { GuestLink } from '../../../sandbox-wasm/ports.ts'
import { processLauncher } from '../../../sandbox-wasm/worker-process.ts'
import type { TranspiledFile } from '../../../sandbox-wasm/worker/protocol.ts'
import { endWallsOf, realWalls } from '../../doubles/sandboxes.ts'
import type { OpenWalls } from '../../doubles/sandboxes.ts'
import { silentLog } from '../../unit/sandbox-wasm/doubles.ts'
import { until } from '../kernel/lab.ts'
import { childrenOf, isRunning } from './processes.ts'

// Method: a worker is given not a translated component but JavaScript that tries to get out, as if the
// translator or the engine had a hole; and a kernel is killed while its guest spins.

const ESCAPE = `
const tried = {}
const attempt = async (name, escape) => {
  try { await escape(); tried[name] = 'done' } catch (error) { tried[name] = 'refused' }
}
for (const name of ['node:fs', 'node:child_process', 'node:net', 'node:worker_threads', 'node:os',
  'node:process', 'data:text/javascript,export{}', 'file:///etc/passwd']) {
  await attempt(name, () => import(name))
}
await attempt('process', () => process.pid)
await attempt('fetch', () => fetch('http://127.0.0.1:1'))
await attempt('eval', () => (0, eval)('1'))
await attempt('Function', () => (() => {}).constructor('return 1')())
export const instantiate = () => ({ describe: () => '1', call: () => JSON.stringify(tried) })
`

const SPIN = 'export const instantiate = () => ({ call: () => { for (;;); } })'

for (const containment of ['os', 'none'] as const) {
  describe(`a worker process, containment ${containment}`, function () {
    this.timeout(30_000)
    let open: OpenWalls
    before(async function () {
      open = await realWalls()
      if (open.containment === 'none' && containment === 'os') {
        process.stderr.write('skipped: there is no bubblewrap here\n')
        this.skip()
      }
    })
    after(() => open.close())

    function started(execPath = process.execPath): Promise<GuestLink> {
      const launcher = processLauncher({ log: silentLog, walls: open.walls }, { execPath })
      return launcher.guest(folder, containment)
    }

    let folder: string
    let link: GuestLink
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'weft-worker-'))
      link = await started()
    })
    afterEach(async () => {
      link.kill()
      await link.ended
      await rm(folder, { recursive: true })
    })

    async function load(source: string): Promise<{ readonly type: string }> {
      await writeFile(join(folder, 'tool.js'), source)
      const sha256 = createHash('sha256').update(source).digest('hex')
      const files: TranspiledFile[] = [{ name: 'tool.js', sha256, sizeBytes: source.length }]
      const bounds = { outputBytesMax: 1e6, memoriesMax: 4 }
      return await link.request({ type: 'load', folder, files, ...bounds })
    }

    it('has given up the world when code of the guest runs (W2)', async () => {
      assert.deepEqual(await load(ESCAPE), { type: 'loaded' })
      const reply = await link.request({ type: 'call', method: 'call', input: '' })
      assert.equal(reply.type, 'returned')
      const tried: unknown = JSON.parse('text' in reply ? reply.text : '')
      assert.ok(typeof tried === 'object' && tried !== null)
      assert.deepEqual(
        Object.entries(tried).filter(([, outcome]) => outcome !== 'refused'),
        []
      )
      assert.equal(Object.keys(tried).length, 12)
    })

    it('inherits nothing of the kernel: environment, folder, terminal, descriptors (P1)', async function () {
      if (process.platform !== 'linux') {
        process.stderr.write('skipped: other systems have no /proc\n')
        this.skip()
      }
      assert.deepEqual(await load(SPIN), { type: 'loaded' })
      const [outer] = await childrenOf(process.pid)
      assert.ok(outer !== undefined)
      const pid = await innermost(outer)
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8')
      assert.equal(environment, containment === 'os' ? 'PWD=/\0' : '')
      assert.equal(await readlink(`/proc/${pid}/cwd`), '/')
      const found = await Promise.all(
        (await readdir(`/proc/${pid}/fd`)).map((name) => readlink(`/proc/${pid}/fd/${name}`))
      )
      // Inside, its root is the empty machine that it sees.
      const nothing = containment === 'os' ? ['/dev/null', '/'] : ['/dev/null']
      const files = found.filter((path) => path.startsWith('/') && !nothing.includes(path))
      assert.deepEqual(files, [])
    })

    it('refuses files that are not what was noted (W1)', async () => {
      const files = [{ name: 'tool.js', sha256: '0'.repeat(64), sizeBytes: 1 }]
      const bounds = { outputBytesMax: 1e6, memoriesMax: 4 }
      const reply = await link.request({ type: 'load', folder, files, ...bounds })
      assert.deepEqual(reply, { type: 'corrupt', file: 'tool.js' })
    })

    it('says why it cannot use what it loaded', async () => {
      const replies: object[] = []
      for (const source of ['x', 'export const a = 1', 'import "./b.js"']) {
        replies.push(await load(source))
        link.kill()
        await link.ended
        link = await started()
      }
      assert.deepEqual(replies, [
        { type: 'unusable', why: 'ReferenceError: x is not defined' },
        { type: 'unusable', why: 'TypeError: It cannot be instantiated' },
        { type: 'unusable', why: 'Error: This process loads no further modules' }
      ])
    })

    it('is ended when it says more than it may (P3)', async () => {
      await load("export const instantiate = () => ({ call: () => 'x'.repeat(40e6) })")
      const asked = link.request({ type: 'call', method: 'call', input: '' })
      await assert.rejects(asked, { code: 'SANDBOX_WORKER_DIED' })
      assert.match((await link.ended).message, /broke the protocol/)
      const again = link.request({ type: 'call', method: 'call', input: '' })
      await assert.rejects(again, { code: 'SANDBOX_WORKER_DIED' })
    })

    it('that cannot be started is a failure of its own', async () => {
      const missing = join(folder, 'no-node')
      if (containment === 'none') {
        await assert.rejects(started(missing), { code: 'SANDBOX_WORKER_FAILED' })
      } else {
        // What confines it starts, and ends when it finds nothing to confine.
        const { message } = await (await started(missing)).ended
        assert.match(message, /exited with code/)
      }
    })

    it('cannot read outside its folder, and takes what it cannot read for damaged (P2)', async () => {
      const files = [{ name: 'passwd', sha256: '0'.repeat(64), sizeBytes: 1 }]
      const bounds = { outputBytesMax: 1e6, memoriesMax: 4 }
      const reply = await link.request({ type: 'load', folder: '/etc', files, ...bounds })
      assert.deepEqual(reply, { type: 'corrupt', file: 'passwd' })
    })

    it('dies with its kernel, also while its guest spins and the kernel is killed', async () => {
      await load(SPIN) // Leaves the file for the kernel below.
      const kernel = spawn(
        process.execPath,
        [fileURLToPath(new URL('kernel.ts', import.meta.url)), folder, containment],
        {
          stdio: ['ignore', 'pipe', 'inherit']
        }
      )
      await said(kernel)
      const workers = await childrenOf(kernel.pid ?? 0)
      assert.equal(workers.length, 1)
      const inner = await innermost(workers[0] ?? 0)
      kernel.kill('SIGKILL')
      await once(kernel, 'exit')
      await until(async () => !(await isRunning(inner)))
      await endWallsOf(kernel.pid ?? 0)
    })
  })
}

/** What confines a worker has one child at a time, and the last of them is the worker. */
async function innermost(osPid: number): Promise<number> {
  const [child] = await childrenOf(osPid)
  return child === undefined ? osPid : await innermost(child)
}

async function said(kernel: ChildProcess): Promise<void> {
  assert.ok(kernel.stdout)
  await once(kernel.stdout, 'data')
}
