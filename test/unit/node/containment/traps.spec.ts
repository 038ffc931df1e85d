import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseGrant } from '../../../../core/index.ts'
import { GUARDS_MAX } from '../../../../node/containment/limits.ts'
import { isGitFolder, trapChanges, trapKind, trapNote } from '../../../../node/containment/traps.ts'
import type { Place } from '../../../../node/containment/traps.ts'
import { grantedView, guardedView } from '../../../../node/containment/view.ts'
import { checkGuards, lookAtWorkspaces } from '../../../../node/containment/workspace-look.ts'

const plain = { name: 'src', isGit: false }
const git = { name: '.git', isGit: true }

describe('containment/traps', () => {
  it('knows what tools obey by themselves, and what they obey when somebody runs them', () => {
    for (const name of ['.git', '.envrc', '.ENVRC', '.vscode', '.bashrc', '.npmrc', '.husky']) {
      assert.equal(trapKind(name, plain), 'closed', name)
    }
    for (const name of ['package.json', 'Makefile', 'conftest.py', '.github', '.gitmodules']) {
      assert.equal(trapKind(name, plain), 'shown', name)
    }
    for (const name of ['main.c', 'README.md', 'config', 'hooks', '.gitignore']) {
      assert.equal(trapKind(name, plain), null, name)
    }
    for (const name of ['config', 'hooks', 'config.worktree', 'commondir', 'gitdir']) {
      assert.equal(trapKind(name, git), 'closed', name)
    }
    for (const name of ['index', 'HEAD', 'objects', 'refs', 'package.json']) {
      assert.equal(trapKind(name, git), null, name)
    }
    assert.equal(trapKind('fish', { name: '.config', isGit: false }), 'closed')
    assert.equal(trapKind('build.yml', { name: 'workflows', isGit: false }), 'shown')
  })

  it('knows a git folder by what is in it: also a bare one, a submodule’s and a worktree’s', () => {
    assert.equal(isGitFolder(new Set(['HEAD', 'objects', 'refs', 'config'])), true)
    assert.equal(isGitFolder(new Set(['HEAD', 'commondir', 'gitdir'])), true)
    assert.equal(isGitFolder(new Set(['HEAD', 'objects'])), false)
    assert.equal(isGitFolder(new Set(['package.json'])), false)
  })

  it('tells what is new, changed or gone, and nothing else', () => {
    const place = (mark: string, kind: Place['kind'] = 'closed'): Place => ({ kind, mark })
    const before = new Map([
      ['/w/.envrc', place('1')],
      ['/w/.vscode', place('2')],
      ['/w/package.json', place('3', 'shown')],
      ['/w/setup.py', place('4', 'shown')]
    ])
    const after = new Map([
      ['/w/.envrc', place('1')],
      ['/w/package.json', place('3b', 'shown')],
      ['/w/up', place('/etc', 'link')]
    ])
    assert.deepEqual(trapChanges(before, after), [
      { path: '/w/.vscode', what: 'gone', kind: 'closed' },
      { path: '/w/package.json', what: 'changed', kind: 'shown' },
      { path: '/w/up', what: 'new', kind: 'link' }
    ])
    assert.deepEqual(trapChanges(before, before), [])
  })

  it('says so in one sentence that fits and steers no terminal, the worst first', () => {
    assert.equal(trapNote([], 300), null)
    const many = Array.from({ length: 50 }, (_, index) => ({
      path: `/w/${index}/package.json`,
      what: 'changed' as const,
      kind: 'shown' as const
    }))
    const worst = { path: '/w/\u001B[2J.envrc', what: 'new', kind: 'closed' } as const
    const note = trapNote([...many, worst], 300) ?? ''
    assert.match(
      note,
      /^tools obey what it changed in \/w; .*there: \?\[2J\.envrc \(new\), 0\/package/
    )
    assert.match(note, / and \d+ more$/)
    assert.ok(note.length <= 300)
    assert.ok(!note.includes('\u001B'))
  })
})

describe('containment/workspace-look', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'weaver-look-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  function file(path: string, text = ''): string {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
    return join(root, path)
  }

  function repository(path: string): void {
    for (const name of ['HEAD', 'config', 'hooks/pre-commit', 'objects/x', 'refs/x']) {
      file(join(path, name))
    }
  }

  async function closed(...grants: readonly string[]): Promise<readonly string[]> {
    const { guards } = await lookAtWorkspaces(grants.map(parseGrant))
    return guards
      .map(({ path, isWritable }) => `${isWritable ? 'keeps ' : ''}${path.slice(root.length)}`)
      .toSorted()
  }

  it('closes a repository’s configuration and hooks, and keeps it in its place', async () => {
    repository('.git')
    repository('.git/modules/sub')
    repository('lib/part/.git')
    repository('mirror.git')
    file('.git/modules/sub/modules/deep/HEAD')
    assert.deepEqual(await closed(`fs.write:${root}`), [
      '/.git/config',
      '/.git/hooks',
      '/.git/modules/sub/config',
      '/.git/modules/sub/hooks',
      '/lib/part/.git/config',
      '/lib/part/.git/hooks',
      '/mirror.git/config',
      '/mirror.git/hooks',
      'keeps /.git',
      'keeps /lib/part/.git'
    ])
  })

  it('closes them also where the git folder itself is what was granted', async () => {
    repository('.git')
    file('.git/worktrees/one/HEAD')
    file('.git/worktrees/one/commondir', '../..')
    file('.git/worktrees/one/gitdir', '/elsewhere/.git')
    assert.deepEqual(await closed(`fs.write:${root}/.git`), [
      '/.git/config',
      '/.git/hooks',
      '/.git/worktrees/one/commondir',
      '/.git/worktrees/one/gitdir'
    ])
  })

  it('leaves open what was granted by its own name, and what is only read', async () => {
    file('.envrc')
    file('.vscode/settings.json')
    assert.deepEqual(await closed(`fs.write:${root}`), ['/.envrc', '/.vscode'])
    assert.deepEqual(await closed(`fs.write:${root}`, `fs.write:${root}/.envrc`), ['/.vscode'])
    assert.deepEqual(await closed(`fs.read:${root}`), [])
  })

  it('shows a guard wherever its folder is writable, before what was granted in it', () => {
    const grants = ['fs.write:/w', 'fs.write:/w=/again', 'fs.write:/w/.vscode/a.json', 'fs.read:/r']
    const granted = grantedView(grants.map(parseGrant), [])
    const guards = [
      { path: '/w/.vscode', isWritable: false },
      { path: '/r/.envrc', isWritable: false }
    ]
    assert.deepEqual(
      guardedView(granted, guards).map(({ inside, isWritable }) => [inside, isWritable]),
      [
        ['/w', true],
        ['/r', false],
        ['/again', true],
        ['/w/.vscode', false],
        ['/again/.vscode', false],
        ['/w/.vscode/a.json', true]
      ]
    )
  })

  it('notices what is new, replaced by a rename, or a link that leads out, and follows none', async () => {
    file('.envrc', 'a')
    file('src/package.json', '{}')
    file('deep/er/still/too-deep/.envrc')
    const grants = [parseGrant(`fs.write:${root}`)]
    const before = await lookAtWorkspaces(grants)
    assert.deepEqual([...before.places.keys()].map((path) => path.slice(root.length)).toSorted(), [
      '/.envrc',
      '/src/package.json'
    ])
    renameSync(file('src/other.json', '{}'), join(root, 'src/package.json'))
    renameSync(file('other', 'a'), join(root, '.envrc'))
    symlinkSync('/etc', join(root, 'out'))
    symlinkSync('src', join(root, 'in'))
    symlinkSync('/etc', join(root, '.vscode'))
    const after = await lookAtWorkspaces(grants)
    const changes = trapChanges(before.places, after.places)
    assert.deepEqual(
      changes.map(({ path, what, kind }) => `${path.slice(root.length)} ${what} ${kind}`),
      [
        '/.envrc changed closed',
        '/.vscode new closed',
        '/out new link',
        '/src/package.json changed shown'
      ]
    )
  })

  it('refuses a folder in which more would have to be closed than can be', async () => {
    for (let index = 0; index <= GUARDS_MAX; index++) file(`p${index}/.envrc`)
    const grants = [parseGrant(`fs.write:${root}`)]
    const look = await lookAtWorkspaces(grants)
    assert.throws(() => checkGuards(look, grants), { code: 'CONTAINMENT_GRANT_REFUSED' })
  })
})
