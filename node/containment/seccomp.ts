// Which system calls a contained process may not make, on both machines that we know. What is denied is
// what makes namespaces, mounts, other processes' memory or the Linux kernel's less guarded corners reachable; the rest
// of Linux is there. A machine that is not in the table gets no filter, and no containment.

import { assemble } from './bpf.ts'
import type { Rule } from './bpf.ts'

const EPERM = 1
const ENOSYS = 38
const EAFNOSUPPORT = 97

type Machine = 'x64' | 'arm64'

/** Call numbers: [x64, arm64]; null where the machine has no such call. Always refused. */
const DENIED: Readonly<Record<string, readonly [number | null, number | null]>> = {
  // Namespaces and mounts: the walls themselves.
  unshare: [272, 97],
  setns: [308, 268],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_tree_attr: [467, 467],
  // Files by handle: around every mount.
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  // Other processes.
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  // Large interfaces of the kernel with a history of holes.
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  fanotify_init: [300, 262],
  vhangup: [153, 58],
  modify_ldt: [154, null],
  // Keys are not in any namespace.
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  // The machine.
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  create_module: [174, null],
  query_module: [178, null],
  get_kernel_syms: [177, null],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  syslog: [103, 116],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  ioperm: [173, null],
  iopl: [172, null],
  lookup_dcookie: [212, 18],
  nfsservctl: [180, 42],
  uselib: [134, null],
  sysctl: [156, null]
}

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const NAMESPACE_FLAGS = 0x7e02_0000
const CLONE_THREAD = 0x1_0000
/** Input typed for the owner's terminal; TIOCLINUX does the same on a console. */
const TIOCSTI = 0x5412
const TIOCLINUX = 0x541c
const AF_UNIX = 1
const AF_INET = 2
const AF_INET6 = 10
const AF_NETLINK = 16
const NETLINK_ROUTE = 0

interface MachineFacts {
  readonly architecture: number
  readonly foreignFrom: number | null
  readonly column: 0 | 1
  readonly clone: number
  readonly clone3: number
  readonly ioctl: number
  readonly socket: number
  readonly socketpair: number
}

const MACHINES: Readonly<Record<Machine, MachineFacts>> = {
  x64: {
    architecture: 0xc000_003e,
    foreignFrom: 0x4000_0000, // The x32 ABI: the same calls under other numbers.
    column: 0,
    clone: 56,
    clone3: 435,
    ioctl: 16,
    socket: 41,
    socketpair: 53
  },
  arm64: {
    architecture: 0xc000_00b7,
    foreignFrom: null,
    column: 1,
    clone: 220,
    clone3: 435,
    ioctl: 29,
    socket: 198,
    socketpair: 199
  }
}

/** What a tool's worker, of which only threads are asked, does not get beside that: [x64, arm64]. */
const DENIED_TO_WORKERS: Readonly<Record<string, readonly [number | null, number | null]>> = {
  fork: [57, null],
  vfork: [58, null],
  // execve itself is what makes the worker; nothing that could be executed is there, or can be made.
  execveat: [322, 281],
  memfd_create: [319, 279],
  memfd_secret: [447, 447],
  socket: [41, 198],
  socketpair: [53, 199]
}

/** The filter for a machine as `process.arch` names it; null for one that we have no numbers of. */
export function seccompFilter(arch: string): Uint8Array | null {
  const machine = machineOf(arch)
  if (machine === null) return null
  // Routing alone of netlink: without it a program cannot list its own (loopback) interfaces.
  const families = {
    kind: 'errno-unless' as const,
    errno: EAFNOSUPPORT,
    allowed: [
      { first: AF_UNIX, third: null },
      { first: AF_INET, third: null },
      { first: AF_INET6, third: null },
      { first: AF_NETLINK, third: NETLINK_ROUTE }
    ]
  }
  return assembled(machine, [
    {
      number: machine.clone,
      kind: 'errno-if-bits',
      argument: 0,
      bits: NAMESPACE_FLAGS,
      errno: EPERM
    },
    { number: machine.socket, ...families },
    { number: machine.socketpair, ...families }
  ])
}

/** The same for a tool's worker: threads, and neither processes nor sockets. */
export function workerFilter(arch: string): Uint8Array | null {
  const machine = machineOf(arch)
  if (machine === null) return null
  return assembled(machine, [
    {
      number: machine.clone,
      kind: 'errno-unless-masked',
      argument: 0,
      mask: NAMESPACE_FLAGS | CLONE_THREAD,
      value: CLONE_THREAD,
      errno: EPERM
    },
    ...refusals(DENIED_TO_WORKERS, machine)
  ])
}

function machineOf(arch: string): MachineFacts | null {
  return arch === 'x64' || arch === 'arm64' ? MACHINES[arch] : null
}

function assembled(machine: MachineFacts, own: readonly Rule[]): Uint8Array {
  const { architecture, foreignFrom } = machine
  const rules: readonly Rule[] = [
    ...own,
    // Its flags lie in memory, where a filter cannot look: C libraries fall back to clone.
    { number: machine.clone3, kind: 'errno', errno: ENOSYS },
    {
      number: machine.ioctl,
      kind: 'errno-if-equal',
      argument: 1,
      values: [TIOCSTI, TIOCLINUX],
      errno: EPERM
    },
    ...refusals(DENIED, machine)
  ]
  return assemble({ architecture, foreignFrom, rules })
}

function refusals(
  calls: Readonly<Record<string, readonly [number | null, number | null]>>,
  { column }: MachineFacts
): readonly Rule[] {
  return Object.values(calls).flatMap((numbers): readonly Rule[] => {
    const number = numbers[column]
    return number === null ? [] : [{ number, kind: 'errno', errno: EPERM }]
  })
}
