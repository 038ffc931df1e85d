// Goal: what a contained process writes into a granted workspace is not run later by its owner's tools without
// a word (attack 26).
// Method: a real repository with a real owner's git beside it. A contained shell tries to set each trap; then
// the owner's git runs outside, with a canary that any trap would touch.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_SANDBOX, parseGrant, pid } from '../../../core/index.ts'
import type { ProcessExit } from '../../../agents/index.ts'
import { detectContainment } from '../../../node/containment/detect.ts'
import { Stage } from '../processes/stage.ts'

describe('traps in a granted workspace (attack 26)', function () {
  this.timeout(60_000)
  let stage: Stage
  let root = ''
  let work = ''
  let pids = 7000

  before(async function () {
    const detected = await detectContainment(process.platform, process.arch)
    if (detected.name !== 'bubblewrap') {
      process.stderr.write('skipped: there is no bubblewrap here\n')
      this.skip()
    }
    stage = await Stage.open()
    await stage.host.start()
  })
  after(async () => await stage?.stop())

  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'weaver-traps-')))
    work = join(root, 'work')
    mkdirSync(work)
    owner('init', '-q')
    writeFileSync(join(work, 'file'), 'x')
    owner('add', 'file')
    commit('first')
    mkdirSync(join(work, '.vscode'))
    writeFileSync(join(work, '.vscode/tasks.json'), '{}')
    writeFileSync(join(work, '.envrc'), 'export A=1\n')
    writeFileSync(join(work, 'package.json'), '{}')
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  /** The owner's git, as the owner has it: it obeys what lies in the folder. */
  function owner(...args: readonly string[]): string {
    const env = { PATH: process.env['PATH'] ?? '', HOME: root, CANARY: join(root, 'harmed') }
    return execFileSync('git', args, { cwd: work, env, encoding: 'utf8', stdio: 'pipe' })
  }

  function commit(text: string): void {
    owner('-c', 'user.name=o', '-c', 'user.email=o@o', 'commit', '-qm', text)
  }

  async function contained(script: string, ...grants: readonly string[]): Promise<ProcessExit> {
    pids += 1
    const running = await stage.host.spawn({
      pid: pid(pids),
      command: ['sh', '-c', script],
      env: {},
      cwd: work,
      sandbox: {
        ...DEFAULT_SANDBOX,
        grants: [`fs.write:${work}`, ...grants].map(parseGrant)
      },
      io: null
    })
    return await running.exited
  }

  const TRAPS: readonly (readonly [what: string, script: string])[] = [
    ['core.fsmonitor', `git config core.fsmonitor 'touch "$CANARY"; false'`],
    ['core.fsmonitor, written', `printf '[core]\\nfsmonitor = touch "$CANARY"\\n' >>.git/config`],
    ['a hook', `printf '#!/bin/sh\\ntouch "$CANARY"\\n' >.git/hooks/pre-commit`],
    ['hooks elsewhere', `mkdir h; git config core.hooksPath h`],
    ['other hooks', `rm -rf .git/hooks; mkdir .git/hooks && echo x >.git/hooks/pre-commit`],
    ['another configuration', `rm -f .git/config; echo '[core]' >.git/config`],
    ['a configuration in its place', `echo x >new; mv -f new .git/config`],
    ['a repository in its place', `mv .git old && cp -r old .git && echo x >>.git/config`],
    ['a repository in its place, by parts', `cp -r .git new; rm -rf .git; mv -T new .git`],
    ['a file in its place', `rm -rf .git; echo 'gitdir: evil' >.git`],
    ['an editor’s task', `echo evil >.vscode/tasks.json`],
    ['another editor’s folder', `mv .vscode old; mkdir .vscode; echo evil >.vscode/tasks.json`],
    ['a shell’s start', `echo 'touch "$CANARY"' >>.envrc`],
    ['a link in its place', `ln -sf /etc/passwd .envrc`]
  ]
  for (const [what, script] of TRAPS) {
    it(`is not set where something is already: ${what}`, async () => {
      const kept = ['.git/config', '.vscode/tasks.json', '.envrc'].map((name) => join(work, name))
      const before = kept.map((path) => readFileSync(path, 'utf8'))
      await contained(`${script} 2>/dev/null`)
      assert.deepEqual(
        kept.map((path) => readFileSync(path, 'utf8')),
        before
      )
      writeFileSync(join(work, 'file'), 'y')
      for (const use of [['status'], ['add', 'file'], ['commit', '-qm', 'second']]) {
        try {
          owner('-c', 'user.name=o', '-c', 'user.email=o@o', ...use)
        } catch {
          // What it may write it may also destroy: then git says so, and obeys nothing.
        }
      }
      assert.equal(existsSync(join(root, 'harmed')), false)
    })
  }

  it('lets git work in it: stage, commit, branch', async () => {
    const identity = '-c user.name=a -c user.email=a@a'
    const exit = await contained(
      `echo z >file && git add file && git ${identity} commit -qm inside && git checkout -q -b b`
    )
    assert.deepEqual(exit, { code: 0, signal: null })
    assert.match(owner('log', '--oneline'), /inside/)
  })

  it('is told where it is new: a file, a repository, a link, and what runs on demand', async () => {
    stage.traps.splice(0)
    const { note, code } = await contained(
      'echo x >.npmrc; mkdir sub; git init -q sub; ln -s /etc out; echo {} >>package.json; echo x >y'
    )
    assert.equal(code, 0)
    for (const told of ['.npmrc (new)', 'sub/.git (new)', 'out (new link out of it)']) {
      assert.ok(note?.includes(told), `${note}: ${told}`)
    }
    assert.ok(note?.includes('package.json (changed)'), note)
    assert.ok(!note?.includes('/y'))
    assert.deepEqual(
      stage.traps.map(({ path }) => path.slice(work.length)),
      ['/.npmrc', '/out', '/package.json', '/sub/.git']
    )
  })

  it('can be granted, each by its own name', async () => {
    const script = 'echo export B=2 >.envrc && ! echo x >>.git/config'
    const exit = await contained(`${script} 2>/dev/null`, `fs.write:${work}/.envrc`)
    assert.equal(exit.code, 0)
    assert.equal(readFileSync(join(work, '.envrc'), 'utf8'), 'export B=2\n')
    assert.match(exit.note ?? '', /\.envrc \(changed\)/)
  })
})
