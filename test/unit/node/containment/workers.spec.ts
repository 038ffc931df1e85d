import assert from 'node:assert/strict'
import { librariesListed, workerArguments } from '../../../../node/containment/workers.ts'

describe('containment/workers', () => {
  it('shows what it was told, read-only, and nothing else of the machine', () => {
    const args = workerArguments(['/opt/node', '/lib/libc.so.6', '/tool', '/lib/libc.so.6'])
    const shown = args.flatMap((text, index) => (text === '--ro-bind' ? [args[index + 1]] : []))
    assert.deepEqual(shown, ['/opt/node', '/lib/libc.so.6', '/tool'])
    const opening = ['--bind', '--dev-bind', '--dev', '--proc', '--tmpfs', '--share-net']
    assert.deepEqual(
      args.filter((text) => opening.includes(text)),
      []
    )
    assert.equal(args.includes('--unshare-net'), true)
    assert.equal(args.includes('--die-with-parent'), true)
    assert.equal(args.includes('--clearenv'), true)
    assert.ok(args.lastIndexOf('--ro-bind') < args.indexOf('--remount-ro'))
  })

  it('reads what a loader says of a program’s libraries', () => {
    const text = [
      '\tlinux-vdso.so.1 (0x00007ffc1f5c9000)',
      '\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f4c6c000000)',
      '\tlibgone.so.1 => not found',
      '\t/lib64/ld-linux-x86-64.so.2 (0x00007f4c6c3d6000)',
      ''
    ].join('\n')
    const found = ['/lib/x86_64-linux-gnu/libm.so.6', '/lib64/ld-linux-x86-64.so.2']
    assert.deepEqual(librariesListed(text), found)
    assert.deepEqual(librariesListed('v24.0.0\n'), [])
  })
})
