// What a machine needs to be a good node, one finding each: pure judgements over what probe.ts saw.

import { formatBytes } from '../../core/index.ts'
import type { PolicySummary } from '../api/index.ts'
import type { GroupReport } from '../containment/cgroups.ts'
import type { Absent, Detected } from '../containment/detect.ts'
import type { FoundPodman } from '../containment/podman-detect.ts'

export interface Finding {
  readonly check: string
  /** `warn`: something is missing that a node can do without; `fail`: it cannot do its work like this. */
  readonly state: 'ok' | 'warn' | 'fail'
  readonly text: string
  /** The one command that mends it; null where nothing is to be mended, or no command can. */
  readonly fix: string | null
}

/** What was seen of this machine. */
export interface Seen {
  readonly nodeVersion: string
  readonly containment: Detected | Absent
  readonly podman: FoundPodman
  readonly groups: GroupReport
  readonly home: { readonly path: string; readonly mode: number | null }
  /** What carries the network of contained processes. */
  readonly carrier: { readonly program: string; readonly isThere: boolean }
  /** The file of the sealed secrets, and that of their key; null modes for what is not there. */
  readonly secrets: { readonly sealed: SeenFile; readonly key: SeenFile }
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number } | null
  /** Null: no kernel runs on this home. */
  readonly kernel: SeenKernel | null
}

export interface SeenFile {
  readonly path: string
  readonly mode: number | null
  readonly isOwn: boolean
}

export interface SeenKernel {
  readonly name: string
  /** Null: this kernel decides by its plain rules. */
  readonly policy: PolicySummary | null
  readonly version: string
  readonly members: number
  readonly connected: number
  /** Lanes whose clock is not as it should be, by the names of their nodes. */
  readonly oddClocks: readonly string[]
}

const NODE_MAJOR_MIN = 24
/** Below this the lane stops at the next busy hour; below the first, at the next busy minute. */
const DISK_FAIL_BYTES = 100e6
const DISK_WARN_BYTES = 2e9

export function findings(seen: Seen): readonly Finding[] {
  return [
    nodeFinding(seen.nodeVersion),
    containmentFinding(seen.containment),
    imagesFinding(seen.podman),
    groupsFinding(seen.groups),
    carrierFinding(seen.carrier),
    homeFinding(seen.home),
    secretsFinding(seen.secrets),
    diskFinding(seen.disk, seen.home.path),
    ...kernelFindings(seen.kernel)
  ]
}

function nodeFinding(version: string): Finding {
  const isFine = Number(version.replace(/^v/, '').split('.')[0]) >= NODE_MAJOR_MIN
  return {
    check: 'node',
    state: isFine ? 'ok' : 'fail',
    text: `Node ${version.replace(/^v/, '')}${isFine ? '' : `: weaver needs ${NODE_MAJOR_MIN} or newer`}`,
    fix: isFine ? null : `npm install --save-dev node@${NODE_MAJOR_MIN}`
  }
}

function containmentFinding(containment: Detected | Absent): Finding {
  if (containment.name === null) {
    const text = `no process can be contained, so none is started: ${containment.why}`
    return { check: 'containment', state: 'fail', text, fix: containment.fix }
  }
  const { name, version, canBindOpen } = containment
  const text = `${name} ${version}`.trim()
  if (name === 'sandbox-exec') {
    const limits = 'works; it is untried here, holds no limits and shows other processes'
    return { check: 'containment', state: 'warn', text: `${text} ${limits}`, fix: null }
  }
  if (canBindOpen) return { check: 'containment', state: 'ok', text: `${text} works`, fix: null }
  return {
    check: 'containment',
    state: 'warn',
    text: `${text} works, but cannot show open folders: a granted folder is looked up twice`,
    fix: 'sudo apt-get install --only-upgrade bubblewrap'
  }
}

function imagesFinding(podman: FoundPodman): Finding {
  if (podman.name === null) {
    const text = `no image can be run (--image): ${podman.why}`
    return { check: 'images', state: 'warn', text, fix: podman.fix }
  }
  const { version, global, controllers } = podman
  const how = global.length === 0 ? '' : ` with ${global.join(' ')} and fixed limits of open files`
  const missing = ['memory', 'cpu', 'pids'].filter((name) => !controllers.includes(name))
  const text = `podman ${version} runs images${how}`
  if (missing.length === 0) return { check: 'images', state: 'ok', text, fix: null }
  const limits = `a limit of ${missing.join(', ')} for one is refused: no control group for it`
  return { check: 'images', state: 'warn', text: `${text}; ${limits}`, fix: 'podman info' }
}

function groupsFinding({ controllers, canKill, why }: GroupReport): Finding {
  const held = Object.entries(controllers).map(([name, version]) => `${name} (v${version})`)
  const kill = canKill ? '' : '; uncontained processes are ended one by one'
  if (why === null) {
    const text = `control groups hold ${held.join(', ')}${kill}`
    return { check: 'limits', state: 'ok', text, fix: null }
  }
  const rest = held.length === 0 ? '' : `; ${held.join(', ')} can be limited`
  return {
    check: 'limits',
    state: 'warn',
    text: `${why}: a process that asks for such a limit is refused${rest}${kill}`,
    fix: 'systemd-run --user --scope -p Delegate=yes weaver kernel start'
  }
}

function homeFinding({ path, mode }: Seen['home']): Finding {
  if (mode === null) {
    const text = `${path} does not exist yet: the first start makes it`
    return { check: 'home', state: 'ok', text, fix: null }
  }
  if ((mode & 0o077) === 0)
    return { check: 'home', state: 'ok', text: `${path} is closed`, fix: null }
  const text = `${path} is open to other users of this machine (mode ${(mode & 0o777).toString(8)})`
  return { check: 'home', state: 'fail', text, fix: `chmod 700 ${quoted(path)}` }
}

function carrierFinding({ program, isThere }: Seen['carrier']): Finding {
  if (isThere) {
    return { check: 'network', state: 'ok', text: `${program} carries granted network`, fix: null }
  }
  const text = `${program} is not there: a process that is granted network is refused`
  return { check: 'network', state: 'warn', text, fix: 'sudo apt-get install perl-base' }
}

function secretsFinding({ sealed, key }: Seen['secrets']): Finding {
  const check = 'secrets'
  if (sealed.mode === null) {
    return { check, state: 'ok', text: 'there are no secrets in this home', fix: null }
  }
  if (key.mode === null) {
    const text = `${key.path} is gone: the secrets cannot be opened; restore it, or set them anew`
    return {
      check,
      state: 'fail',
      text,
      fix: `mv ${quoted(sealed.path)} ${quoted(`${sealed.path}.lost`)}`
    }
  }
  const open = [sealed, key].filter(({ mode }) => mode !== null && (mode & 0o077) !== 0)
  const foreign = [sealed, key].find(({ isOwn }) => !isOwn)
  if (foreign !== undefined) {
    const text = `${foreign.path} belongs to another user of this machine`
    return { check, state: 'fail', text, fix: `sudo chown "$(id -un)" ${quoted(foreign.path)}` }
  }
  if (open.length === 0) return { check, state: 'ok', text: 'the secrets are closed', fix: null }
  const paths = open.map(({ path }) => quoted(path)).join(' ')
  const text = `open to other users of this machine: ${paths}`
  return { check, state: 'fail', text, fix: `chmod 600 ${paths}` }
}

/** Of a kernel that runs: it alone knows what it has taken. */
function policyFindings({ policy }: SeenKernel): readonly Finding[] {
  if (policy === null) return []
  const { state, lock, drift } = policy
  const check = 'policy'
  const what = drift.join('; ')
  if (lock === 'drifted') {
    const text = `the policies are not as they were locked: ${what}; look at them, then lock them`
    return [{ check, state: 'fail', text, fix: 'weaver policy lock' }]
  }
  if (state === 'refused') {
    const text = `the policies cannot be used, so nearly everything is denied${what === '' ? '' : `: ${what}`}`
    return [{ check, state: 'fail', text, fix: 'weaver policy show' }]
  }
  if (drift.length > 0) {
    const text = `the policy files are not those in force: ${what}`
    const fix = lock === 'none' ? 'weaver policy reload' : 'weaver policy lock'
    return [{ check, state: 'warn', text, fix }]
  }
  const text =
    lock === 'none'
      ? 'the policies are in force, not locked'
      : 'the policies are in force, as locked'
  return [{ check, state: 'ok', text, fix: null }]
}

function diskFinding(disk: Seen['disk'], home: string): Finding {
  if (disk === null) {
    return { check: 'disk', state: 'warn', text: 'cannot see the disk of the home', fix: null }
  }
  const text = `${formatBytes(disk.freeBytes)} of ${formatBytes(disk.totalBytes)} are free at ${home}`
  if (disk.freeBytes >= DISK_WARN_BYTES) return { check: 'disk', state: 'ok', text, fix: null }
  const state = disk.freeBytes < DISK_FAIL_BYTES ? 'fail' : 'warn'
  return { check: 'disk', state, text, fix: 'weaver blob gc' }
}

function kernelFindings(kernel: SeenKernel | null): readonly Finding[] {
  if (kernel === null) {
    const text = 'no kernel runs on this home, so clock and mesh were not looked at'
    return [{ check: 'kernel', state: 'warn', text, fix: 'weaver kernel start' }]
  }
  const { name, version, members, connected, oddClocks } = kernel
  const isAlone = members > 1 && connected === 0
  const reached = `${connected} of ${members - 1} other members are connected`
  return [
    { check: 'kernel', state: 'ok', text: `kernel ${name} runs, version ${version}`, fix: null },
    ...policyFindings(kernel),
    {
      check: 'mesh',
      state: isAlone ? 'warn' : 'ok',
      text: members <= 1 ? 'this node is alone in its mesh' : reached,
      fix: isAlone ? 'weaver mesh netcheck' : null
    },
    {
      check: 'clock',
      state: oddClocks.length > 0 ? 'warn' : 'ok',
      text:
        oddClocks.length > 0
          ? `clocks that differ from the others: ${oddClocks.join(', ')}`
          : 'no clock in the mesh is far off',
      fix: oddClocks.length > 0 ? 'sudo timedatectl set-ntp true' : null
    }
  ]
}

/** As a shell reads it back. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
