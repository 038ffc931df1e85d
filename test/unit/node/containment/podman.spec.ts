import assert from 'node:assert/strict'
import { DEFAULT_SANDBOX, parseGrant } from '../../../../core/index.ts'
import {
  checkImageWish,
  CLOSED,
  containerArguments,
  environmentText
} from '../../../../node/containment/podman-arguments.ts'
import type { ContainerWish } from '../../../../node/containment/podman-arguments.ts'
import { detectPodman, podmanEnvironment } from '../../../../node/containment/podman-detect.ts'
import { isCode } from '../../../chaos/processes/stage.ts'

const WISH: ContainerWish = {
  name: 'weaver-a-b-7',
  home: 'a',
  image: 'localhost/tools:1',
  command: ['sh', '-c', '--privileged'],
  shown: [
    { path: '/srv/read', inside: '/data', isWritable: false },
    { path: '/home/me/work', inside: '/home/me/work', isWritable: true }
  ],
  workDirectory: '/task',
  hasTaskFolder: true,
  limits: DEFAULT_SANDBOX.limits,
  environmentFile: '/dev/fd/3',
  pidFile: '/run/7.pid',
  hasInput: true
}
const WAY = {
  program: '/usr/bin/podman',
  version: '5.0.0',
  global: ['--runtime=runc'],
  ulimits: ['--ulimit=nproc=4096:4096'],
  controllers: ['cpu', 'memory', 'pids']
}

describe('containment/podman', () => {
  const args = containerArguments(WISH, WAY)

  it('names every wall before the image, and the command after it', () => {
    const at = args.indexOf(WISH.image)
    assert.deepEqual(args.slice(at + 1), [...WISH.command])
    assert.deepEqual(args.slice(0, 2), ['--runtime=runc', 'run'])
    const before = args.slice(0, at)
    for (const wall of [...CLOSED, '--ulimit=nproc=4096:4096', '--pids-limit=4096']) {
      assert.ok(before.includes(wall), wall)
    }
    for (const wall of ['--network=none', '--cap-drop=all', '--read-only', '--pull=never']) {
      assert.ok(CLOSED.includes(wall), wall)
    }
    assert.ok(before.every((word) => !word.includes('privileged') || word.includes('no-new')))
  })

  it('shows what was granted, to be written only where it may be', () => {
    const mounts = args.filter((word) => word.startsWith('--mount='))
    assert.deepEqual(mounts, [
      '--mount=type=bind,source=/srv/read,destination=/data,ro=true',
      '--mount=type=bind,source=/home/me/work,destination=/home/me/work'
    ])
    for (const path of ['/a,ro=false', '/a"b', '/a\nb']) {
      const shown = [{ path, inside: '/a', isWritable: false }]
      const refused = isCode('CONTAINMENT_GRANT_REFUSED')
      assert.throws(() => containerArguments({ ...WISH, shown }, WAY), refused)
    }
  })

  it('holds the limits, or refuses them where podman would only warn', () => {
    const limits = { memoryBytes: 64e6, cpus: 0.5, pids: 10 }
    const said = containerArguments({ ...WISH, limits }, WAY)
    for (const word of ['--memory=64000000', '--memory-swap=64000000', '--cpus=0.5']) {
      assert.ok(said.includes(word), word)
    }
    assert.ok(said.includes('--pids-limit=10'))
    const without = { ...WAY, controllers: ['pids'] }
    const refused = isCode('CONTAINMENT_LIMIT_MISSING')
    assert.throws(() => containerArguments({ ...WISH, limits }, without), refused)
  })

  it('gives no stdin to one without input, and a /task of memory to one without a folder', () => {
    const other = containerArguments({ ...WISH, hasInput: false, hasTaskFolder: false }, WAY)
    assert.ok(args.includes('--interactive') && !other.includes('--interactive'))
    const isTask = (word: string): boolean => word.startsWith('--tmpfs=/task:')
    assert.ok(other.some(isTask) && !args.some(isTask))
  })

  it('writes variables a line each, and refuses what would be another line', () => {
    assert.equal(environmentText({ A: 'b c="d"', E: '' }), 'A=b c="d"\nE=\n')
    const refused = isCode('CONTAINMENT_GRANT_REFUSED')
    for (const bad of [{ A: 'b\nC=d' }, { 'A*': 'b' }, { '#A': 'b' }, { 'A B': 'c' }]) {
      assert.throws(() => environmentText(bad), refused)
    }
  })

  it('refuses the grants that a container cannot have', () => {
    const refused = isCode('CONTAINMENT_GRANT_REFUSED')
    for (const text of [
      'net:example.com:443',
      'tool:hash',
      'exec:git',
      'spawn',
      'delegate:x',
      'secret:d'
    ]) {
      assert.throws(() => checkImageWish([parseGrant(text)], [], 'i'), refused, text)
    }
    checkImageWish(['fs.read:/a', 'fs.write:/b', 'env:C'].map(parseGrant), [], 'i')
    assert.throws(() => checkImageWish([], [{ vendor: 'nvidia', vendorIndex: 0 }], 'i'), refused)
  })

  it('hands podman of the kernel’s environment only what finds its own files', () => {
    const given = podmanEnvironment({ HOME: '/home/me', TOKEN: 'x', LD_PRELOAD: '/x.so' })
    assert.deepEqual(Object.keys(given).toSorted(), ['HOME', 'PATH'])
  })

  it('is not there on other systems', async () => {
    assert.equal((await detectPodman('darwin', {})).name, null)
  })
})
