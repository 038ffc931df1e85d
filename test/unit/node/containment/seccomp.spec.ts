import assert from 'node:assert/strict'
import fc from 'fast-check'
import { seccompFilter, workerFilter } from '../../../../node/containment/seccomp.ts'
import { answerOf } from './bpf.ts'

const ALLOW = 0x7fff_0000
const KILL = 0x8000_0000
const X64 = 0xc000_003e
const ARM64 = 0xc000_00b7
const errno = (number: number): number => 0x5_0000 + number
const NEWNET = 0x4000_0000
const SIGCHLD = 17

function filter(arch: string): Uint8Array {
  const bytes = seccompFilter(arch)
  assert(bytes !== null)
  return bytes
}

describe('containment/seccomp', () => {
  const x64 = (number: number, ...args: readonly number[]): number =>
    answerOf(filter('x64'), { architecture: X64, number, args })
  const arm64 = (number: number, ...args: readonly number[]): number =>
    answerOf(filter('arm64'), { architecture: ARM64, number, args })

  it('lets a program read, write, fork, thread and map memory', () => {
    for (const number of [0, 1, 9, 57, 59, 202, 257, 318]) assert.equal(x64(number), ALLOW)
    for (const number of [56, 63, 64, 98, 221, 222]) assert.equal(arm64(number), ALLOW)
  })

  for (const [name, onX64, onArm64] of [
    ['unshare', 272, 97],
    ['setns', 308, 268],
    ['mount', 165, 40],
    ['ptrace', 101, 117],
    ['process_vm_writev', 311, 271],
    ['bpf', 321, 280],
    ['perf_event_open', 298, 241],
    ['userfaultfd', 323, 282],
    ['io_uring_setup', 425, 425],
    ['keyctl', 250, 219],
    ['add_key', 248, 217],
    ['kexec_load', 246, 104],
    ['init_module', 175, 105],
    ['open_by_handle_at', 304, 265],
    ['move_mount', 429, 429]
  ] as const) {
    it(`refuses ${name} on both machines`, () => {
      assert.equal(x64(onX64), errno(1))
      assert.equal(arm64(onArm64), errno(1))
    })
  }

  it('refuses clone with any flag of a namespace, and no other clone', () => {
    const flags = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, NEWNET]
    for (const flag of flags) {
      assert.equal(x64(56, flag + SIGCHLD), errno(1))
      assert.equal(arm64(220, flag + SIGCHLD), errno(1))
    }
    assert.equal(x64(56, SIGCHLD), ALLOW)
    assert.equal(x64(56, 0x3d_0f00), ALLOW, 'a thread')
    assert.equal(x64(435), errno(38), 'clone3 sends C libraries back to clone')
  })

  it('refuses input typed for a terminal, and no other ioctl', () => {
    assert.equal(x64(16, 0, 0x5412), errno(1))
    assert.equal(x64(16, 0, 0x1_0000_5412), errno(1), 'the kernel reads the low half alone')
    assert.equal(x64(16, 0, 0x5413), ALLOW)
    assert.equal(arm64(29, 0, 0x5412), errno(1))
  })

  it('gives sockets of the unix, inet and inet6 families, and routing of netlink', () => {
    for (const family of [1, 2, 10]) assert.equal(x64(41, family, 1, 0), ALLOW)
    assert.equal(x64(41, 16, 3, 0), ALLOW)
    assert.equal(x64(41, 16, 3, 12), errno(97), 'netfilter')
    for (const family of [0, 4, 17, 29, 38, 40, 44]) assert.equal(x64(41, family, 3, 0), errno(97))
    assert.equal(x64(53, 1, 1, 0), ALLOW)
    assert.equal(arm64(198, 38, 5, 0), errno(97), 'the kernel’s own cryptography')
  })

  it('ends a process that calls by the ways of another machine', () => {
    assert.equal(answerOf(filter('x64'), { architecture: 0x4000_0003, number: 1, args: [] }), KILL)
    assert.equal(answerOf(filter('arm64'), { architecture: X64, number: 1, args: [] }), KILL)
    assert.equal(x64(0x4000_0000 + 1), errno(1), 'x32')
  })

  it('answers every call there can be', () => {
    const any = fc.integer({ min: 0, max: 0xffff_ffff })
    fc.assert(
      fc.property(any, fc.array(any, { minLength: 6, maxLength: 6 }), (number, args) => {
        assert.equal(typeof x64(number, ...args), 'number')
        assert.equal(typeof arm64(number, ...args), 'number')
      })
    )
  })

  it('gives a tool’s worker threads, and no process, socket or program from memory', () => {
    const worker = (arch: 'x64' | 'arm64', number: number, ...args: readonly number[]): number => {
      const bytes = workerFilter(arch)
      assert(bytes !== null)
      return answerOf(bytes, { architecture: arch === 'x64' ? X64 : ARM64, number, args })
    }
    const thread = 0x3d_0f00
    for (const [arch, clone] of [
      ['x64', 56],
      ['arm64', 220]
    ] as const) {
      assert.equal(worker(arch, clone, thread), ALLOW)
      assert.equal(worker(arch, clone, SIGCHLD), errno(1))
      assert.equal(worker(arch, clone, thread + NEWNET), errno(1))
      assert.equal(worker(arch, 435), errno(38))
    }
    for (const number of [41, 53, 57, 58, 272, 319, 322]) {
      assert.equal(worker('x64', number, 1), errno(1))
    }
    for (const number of [97, 198, 199, 279, 281])
      assert.equal(worker('arm64', number, 1), errno(1))
    for (const number of [0, 1, 9, 59, 202, 257, 318]) assert.equal(worker('x64', number), ALLOW)
  })

  it('has none for a machine whose numbers are not known', () => {
    assert.equal(seccompFilter('riscv64'), null)
    assert.equal(workerFilter('riscv64'), null)
  })
})
