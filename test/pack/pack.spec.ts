// Goal: what npm would publish works where nothing of this repository exists.
// Method: build, pack, install the tarball into an empty folder, run the command as its users do.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const ROOT = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

describe('the published package', function () {
  this.timeout('5m')
  let folder = ''
  let tarball = ''

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weftos-pack-'))
    await run(process.execPath, [join(ROOT, 'scripts/build.ts')], { cwd: ROOT })
    const packed = await run('npm', ['pack', './dist', '--json', '--pack-destination', folder], {
      cwd: ROOT
    })
    assert.match(packed.stdout, /weftos-/)
    const [name, ...others] = (await readdir(folder)).filter((file) => file.endsWith('.tgz'))
    assert(name !== undefined && others.length === 0, 'npm pack must make one tarball')
    tarball = join(folder, name)
    await writeFile(join(folder, 'package.json'), '{ "private": true }\n')
    // From npm's cache where `npm ci` has filled it; what it lacks comes from the registry.
    await run('npm', ['install', '--prefer-offline', tarball], { cwd: folder })
  })

  after(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  it('brings a weaver command that says its version', async () => {
    const manifest: unknown = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    assert(typeof manifest === 'object' && manifest !== null && 'version' in manifest)
    const { stdout } = await run('npx', ['--no-install', 'weaver', 'version'], { cwd: folder })
    assert(stdout.includes(String(manifest.version)), stdout)
  })

  it('brings a weaver command that shows its help', async () => {
    const { stdout } = await run('npx', ['--no-install', 'weaver', '--help'], { cwd: folder })
    assert.match(stdout, /weaver/)
    assert.match(stdout, /kernel/)
  })

  it('brings a kernel that runs a command and a tool, without the sources', async () => {
    const env = { ...process.env, WEAVER_HOME: join(folder, 'home') }
    const weaver = async (...args: readonly string[]): Promise<string> => {
      const { stdout } = await run(join(folder, 'node_modules/.bin/weaver'), args, {
        cwd: folder,
        env
      })
      return stdout
    }
    const listen = '/ip4/127.0.0.1/tcp/0'
    await weaver('kernel', 'start', '--name', 'packed', '--listen', listen, '--gpu', 'none')
    try {
      assert.equal(await weaver('run', '--', 'echo', 'hello'), 'hello\n')
      const hashed = await weaver('tool', 'call', 'hash', '{"algorithm":"shake256","text":"hello"}')
      assert.match(hashed, /1234075ae4a1e77316cf2d8000974581a343b9ebbca7e3d1db83394c30f22162/)
    } finally {
      await weaver('kernel', 'stop')
    }
  })

  it('holds no sources, no tests and no tools of this repository', async () => {
    const { stdout } = await run('tar', ['-tzf', tarball])
    const files = stdout.trim().split('\n')
    assert(files.includes('package/LICENSE') && files.includes('package/README.md'))
    const strays = files.filter((file) =>
      /^package\/(?:test|bench|scripts)\/|(?<!\.d)\.ts$/.test(file)
    )
    assert.deepEqual(strays, [])
  })

  it('has nothing that publint calls an error or a warning', async () => {
    const { messages, pkg } = await publint({ pkgDir: join(ROOT, 'dist'), level: 'warning' })
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      []
    )
  })
})
