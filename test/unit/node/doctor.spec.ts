import assert from 'node:assert/strict'
import type { PolicySummary } from '../../../node/api/index.ts'
import { findings } from '../../../node/doctor/index.ts'
import type { Finding, Seen, SeenFile } from '../../../node/doctor/index.ts'

const POLICY = { state: 'in-force', lock: 'ok', drift: [], meshVersion: null } as const

function closed(name: string, mode: number | null = 0o100_600, isOwn = true): SeenFile {
  return { path: `/home/me/.weaver/${name}`, mode, isOwn }
}

const WELL: Seen = {
  nodeVersion: 'v24.21.0',
  containment: {
    name: 'bubblewrap',
    program: '/usr/bin/bwrap',
    version: '0.8.0',
    canBindOpen: true
  },
  podman: {
    name: 'podman',
    program: '/usr/bin/podman',
    version: '5.0.0',
    global: [],
    ulimits: [],
    controllers: ['cpu', 'memory', 'pids']
  },
  groups: { controllers: { memory: 2, cpu: 2, pids: 2 }, canKill: true, why: null },
  home: { path: '/home/me/.weaver', mode: 0o40700 },
  disk: { freeBytes: 50e9, totalBytes: 100e9 },
  carrier: { program: '/usr/bin/perl', isThere: true },
  secrets: { sealed: closed('sealed'), key: closed('key') },
  kernel: {
    name: 'laptop',
    version: '0.1.0',
    policy: POLICY,
    members: 2,
    connected: 1,
    oddClocks: []
  }
}

function finding(check: string, seen: Partial<Seen>): Finding {
  const found = findings({ ...WELL, ...seen }).find((one) => one.check === check)
  assert(found !== undefined)
  return found
}

describe('node/doctor', () => {
  it('finds nothing to mend where all is well', () => {
    for (const { state, fix } of findings(WELL)) assert.deepEqual([state, fix], ['ok', null])
  })

  const kernel = {
    name: 'laptop',
    version: '0.1.0',
    policy: null,
    members: 3,
    connected: 0,
    oddClocks: ['pi']
  }
  const governed = (policy: Partial<PolicySummary>): Seen['kernel'] => ({
    ...kernel,
    policy: { ...POLICY, ...policy }
  })
  const bubblewrap = { name: 'bubblewrap', program: '/b', version: '0.8.0' } as const
  const cases: readonly (readonly [
    check: string,
    seen: Partial<Seen>,
    state: Finding['state'],
    fix: string | null
  ])[] = [
    ['node', { nodeVersion: 'v20.1.0' }, 'fail', 'npm install --save-dev node@24'],
    [
      'containment',
      { containment: { name: null, why: 'not there', fix: 'sudo apt-get install bubblewrap' } },
      'fail',
      'sudo apt-get install bubblewrap'
    ],
    [
      'containment',
      { containment: { ...bubblewrap, canBindOpen: false } },
      'warn',
      'sudo apt-get install --only-upgrade bubblewrap'
    ],
    [
      'images',
      { podman: { name: null, why: 'not there', fix: 'sudo apt-get install podman' } },
      'warn',
      'sudo apt-get install podman'
    ],
    [
      'images',
      { podman: { ...WELL.podman, controllers: ['pids'] } as Seen['podman'] },
      'warn',
      'podman info'
    ],
    [
      'limits',
      { groups: { controllers: { pids: 1 }, canKill: false, why: 'none for memory' } },
      'warn',
      'systemd-run --user --scope -p Delegate=yes weaver kernel start'
    ],
    ['home', { home: { path: '/home/me/it', mode: 0o40755 } }, 'fail', 'chmod 700 /home/me/it'],
    ['home', { home: { path: "/a b'c", mode: 0o40777 } }, 'fail', "chmod 700 '/a b'\\''c'"],
    ['home', { home: { path: '/new', mode: null } }, 'ok', null],
    ['disk', { disk: { freeBytes: 1e9, totalBytes: 2e9 } }, 'warn', 'weaver blob gc'],
    ['disk', { disk: { freeBytes: 1e6, totalBytes: 2e9 } }, 'fail', 'weaver blob gc'],
    ['disk', { disk: null }, 'warn', null],
    [
      'network',
      { carrier: { program: '/usr/bin/perl', isThere: false } },
      'warn',
      'sudo apt-get install perl-base'
    ],
    ['secrets', { secrets: { sealed: closed('s', null), key: closed('k', null) } }, 'ok', null],
    [
      'secrets',
      { secrets: { sealed: closed('s', 0o100_644), key: closed('k', 0o100_640) } },
      'fail',
      'chmod 600 /home/me/.weaver/s /home/me/.weaver/k'
    ],
    [
      'secrets',
      { secrets: { sealed: closed('s'), key: closed('k', 0o100_600, false) } },
      'fail',
      'sudo chown "$(id -un)" /home/me/.weaver/k'
    ],
    [
      'secrets',
      { secrets: { sealed: closed('s'), key: closed('k', null) } },
      'fail',
      'mv /home/me/.weaver/s /home/me/.weaver/s.lost'
    ],
    [
      'policy',
      { kernel: governed({ state: 'refused', lock: 'drifted', drift: ['home/a.cedar changed'] }) },
      'fail',
      'weaver policy lock'
    ],
    ['policy', { kernel: governed({ state: 'refused' }) }, 'fail', 'weaver policy show'],
    [
      'policy',
      { kernel: governed({ lock: 'none', drift: ['home/a.cedar has changed'] }) },
      'warn',
      'weaver policy reload'
    ],
    ['policy', { kernel: governed({ lock: 'none' }) }, 'ok', null],
    ['kernel', { kernel: null }, 'warn', 'weaver kernel start'],
    ['mesh', { kernel }, 'warn', 'weaver mesh netcheck'],
    ['clock', { kernel }, 'warn', 'sudo timedatectl set-ntp true']
  ]
  for (const [check, seen, state, fix] of cases) {
    it(`${check}: ${JSON.stringify(seen).slice(0, 90)} is ${state}`, () => {
      const found = finding(check, seen)
      assert.deepEqual([found.state, found.fix], [state, fix])
      assert.notEqual(found.text, '')
    })
  }
})
