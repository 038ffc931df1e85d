// Programs that run the program in their arguments. What is left after their own options is judged as a
// command of its own.

import { has, UNKNOWN, valuesOf } from './call.ts'
import type { Call, Flow } from './call.ts'
import { exact } from './field.ts'
import type { Field } from './field.ts'

interface Wrapper {
  /** Options whose value is the next argument. */
  readonly values: readonly string[]
  /** Operands of its own before the command, as in `timeout 5 rm`. */
  readonly operands: number
}

const WRAPPERS: Readonly<Record<string, Wrapper>> = {
  nice: { values: ['-n', '--adjustment'], operands: 0 },
  nohup: { values: [], operands: 0 },
  setsid: { values: [], operands: 0 },
  stdbuf: { values: ['-i', '-o', '-e', '--input', '--output', '--error'], operands: 0 },
  ionice: { values: ['-c', '-n', '--class', '--classdata'], operands: 0 },
  chrt: { values: ['-T', '-P', '-D'], operands: 1 },
  taskset: { values: [], operands: 1 },
  timeout: { values: ['-s', '-k', '--signal', '--kill-after'], operands: 1 },
  time: { values: ['-f', '-o', '--format', '--output'], operands: 0 },
  exec: { values: ['-a'], operands: 0 },
  command: { values: [], operands: 0 },
  builtin: { values: [], operands: 0 },
  doas: { values: ['-u', '-C'], operands: 0 },
  sudo: {
    values: ['-u', '-g', '-h', '-p', '-C', '-D', '-R', '-T', '-r', '-t', '-U', '--user', '--group'],
    operands: 0
  },
  pkexec: { values: ['--user'], operands: 0 },
  busybox: { values: [], operands: 0 },
  toybox: { values: [], operands: 0 },
  unbuffer: { values: [], operands: 0 },
  catchsegv: { values: [], operands: 0 },
  fakeroot: { values: ['-l', '-s', '-i'], operands: 0 },
  proot: { values: ['-r', '-b', '-w'], operands: 0 },
  chroot: { values: [], operands: 1 },
  unshare: { values: ['--map-user', '--map-group', '-S', '-G', '-R', '-w'], operands: 0 },
  nsenter: { values: ['-t', '-S', '-G', '-W', '--target'], operands: 0 },
  setpriv: {
    values: ['--reuid', '--regid', '--groups', '--bounding-set', '--inh-caps'],
    operands: 0
  },
  strace: {
    values: ['-e', '-o', '-p', '-s', '-u', '-E', '-a', '-P', '-S', '-I', '-O'],
    operands: 0
  },
  ltrace: { values: ['-e', '-o', '-p', '-s', '-u', '-a', '-n'], operands: 0 },
  watch: { values: ['-n', '--interval'], operands: 0 },
  flock: { values: ['-w', '-E', '--timeout'], operands: 1 },
  prlimit: { values: ['-p', '--pid'], operands: 0 },
  'systemd-run': { values: ['-p', '-u', '--unit', '--uid', '--gid', '-t', '-E'], operands: 0 },
  'dbus-run-session': { values: [], operands: 0 },
  'xvfb-run': { values: ['-n', '-s', '-e', '-f'], operands: 0 },
  linux32: { values: [], operands: 0 },
  linux64: { values: [], operands: 0 },
  setarch: { values: [], operands: 1 },
  torsocks: { values: ['-a', '-P'], operands: 0 },
  proxychains: { values: ['-f'], operands: 0 },
  proxychains4: { values: ['-f'], operands: 0 },
  bwrap: { values: [], operands: 0 },
  'ld.so': { values: ['--library-path', '--preload', '--argv0'], operands: 0 },
  'ld-linux-x86-64.so.2': { values: ['--library-path', '--preload', '--argv0'], operands: 0 },
  'ld-linux-aarch64.so.1': { values: ['--library-path', '--preload', '--argv0'], operands: 0 },
  parallel: { values: ['-j', '-a', '-I', '-n', '-N'], operands: 0 },
  entr: { values: [], operands: 0 }
}

const ESCALATING: ReadonlySet<string> = new Set([
  'sudo',
  'doas',
  'pkexec',
  'chroot',
  'unshare',
  'nsenter',
  'setpriv',
  'bwrap',
  'proot',
  'systemd-run'
])

/** Judges the command inside, if this program is a wrapper. Null when it is none. */
export function judgeWrapper(call: Call): Flow | null {
  if (ESCALATING.has(call.name)) call.findings.risk('escalates', `${call.name} changes rights`)
  switch (call.name) {
    case 'env':
      return environment(call)
    case 'xargs':
      return manyArguments(call)
    case 'find':
    case 'fd':
    case 'fdfind':
      return found(call)
    default:
  }
  const wrapper = WRAPPERS[call.name]
  if (!Object.hasOwn(WRAPPERS, call.name) || wrapper === undefined) return null
  // A loop file of another program is no command: `flock file -c 'text'` and `watch 'text'` are texts.
  const isText = (call.name === 'flock' || call.name === 'watch') && !has(call, 'x', 'exec')
  const inner = afterOptions(call.fields, wrapper)
  if (inner.length === 0) return call.input
  if (!inner.every((field) => field.isExact || field !== inner[0])) {
    call.findings.unresolved(`which program ${call.name} runs is not known`)
  }
  if (call.name === 'parallel' || call.name === 'entr') {
    call.findings.unresolved(`${call.name} adds arguments while it runs`)
  }
  if (isText && (inner[0]?.text === '-c' || inner.length === 1 || call.name === 'watch')) {
    const words = inner[0]?.text === '-c' ? inner.slice(1, 2) : inner
    return shellText(call, words)
  }
  return call.place.judge(inner, call.input, deeper(call))
}

export function deeper(call: Call): Call['place'] {
  return { ...call.place, depth: call.place.depth + 1 }
}

/** Words joined by blanks and read by a shell, as `ssh` and `watch` do. */
export function shellText(call: Call, words: readonly Field[]): Flow {
  const text = {
    text: words.map((word) => word.text).join(' '),
    isExact: words.every((word) => word.isExact)
  }
  return call.place.shell(
    text,
    { reading: 'posix', isDoubtful: true, positional: [''], input: call.input },
    call.place
  )
}

function afterOptions(fields: readonly Field[], wrapper: Wrapper): readonly Field[] {
  let index = 1
  for (; index < fields.length; index += 1) {
    const text = fields[index]?.text ?? ''
    if (text === '--') {
      index += 1
      break
    }
    if (!text.startsWith('-') || text === '-') break
    if (wrapper.values.includes(text)) index += 1
  }
  // `sudo A=1 rm`, and the time of `timeout`.
  index += wrapper.operands
  while (/^[A-Za-z_]\w*=/.test(fields[index]?.text ?? '')) index += 1
  return fields.slice(index)
}

/** `env -i A=1 -u B -S 'rm -rf' x`. Without a command it prints the environment. */
function environment(call: Call): Flow {
  const rest = call.fields.slice(1)
  let field = rest.shift()
  for (; field !== undefined; field = rest.shift()) {
    const { text } = field
    const split = /^(?:-\w*S|--split-string=)([^]*)$/.exec(text)
    if (split !== null || text === '--split-string') {
      const inner = split?.[1] === '' || split === null ? rest.shift()?.text : split[1]
      return splitString(call, inner ?? '', rest)
    }
    if (['-u', '-C', '--unset', '--chdir'].includes(text)) rest.shift()
    else if (/^[A-Za-z_]\w*=/.test(text)) {
      const name = text.slice(0, text.indexOf('='))
      // What the variable does is judged as in a shell.
      const words = [
        `${name}='${text.slice(name.length + 1).replaceAll("'", String.raw`'\''`)}'`,
        ':'
      ]
      const shell = { text: words.join(' '), isExact: field.isExact }
      const options = { reading: 'posix', isDoubtful: false, positional: [''] } as const
      call.place.shell(shell, { ...options, input: UNKNOWN }, deeper(call))
    } else if (text !== '--' && (!text.startsWith('-') || text === '')) break
  }
  if (field === undefined) {
    call.findings.risk('reads-secrets', 'env prints the environment')
    return { text: null, from: new Set(['secrets']) }
  }
  return call.place.judge([field, ...rest], call.input, deeper(call))
}

/** `env -S` has quoting rules of its own; only plain words are certain. */
function splitString(call: Call, text: string, rest: readonly Field[]): Flow {
  if (/[\\'"$#]/.test(text)) call.findings.unresolved('env -S has quoting of its own')
  const words = text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => exact(word.replaceAll(/["'\\]/g, '')))
  return environment({ ...call, fields: [exact('env'), ...words, ...rest] })
}

function manyArguments(call: Call): Flow {
  const values = ['-I', '-n', '-P', '-L', '-s', '-d', '-a', '-E', '--max-args', '--max-procs']
  const inner = afterOptions(call.fields, { values: [...values, '--delimiter'], operands: 0 })
  const program = inner.length === 0 ? [exact('echo')] : inner
  const replaced = valuesOf(call.args, '-I', '--replace')[0]
  const isKnown = call.input.text !== null && /^[\w./ \n-]*$/.test(call.input.text)
  const hasPlainOptions = call.flags.size === 0
  call.findings.unresolved('xargs takes arguments from its input')
  const added = isKnown ? (call.input.text ?? '').split(/\s+/).filter((word) => word !== '') : []
  const fields =
    replaced === undefined || replaced === ''
      ? [...program, ...added.map((text) => ({ text, isExact: hasPlainOptions }))]
      : program.map((field) => ({
          text: field.text.replaceAll(replaced, added.join(' ')),
          isExact: !field.text.includes(replaced)
        }))
  const input = { text: null, from: call.input.from }
  if (added.length === 0) fields.push({ text: '', isExact: false })
  return call.place.judge(fields, input, deeper(call))
}

/** `find DIR -exec rm {} +`, `fd x -x rm`. */
function found(call: Call): Flow | null {
  const starts = ['-exec', '-execdir', '-ok', '-okdir', '-x', '-X', '--exec', '--exec-batch']
  const roots = call.operands.filter((text) => !/^[({!;+,]|^\)$/.test(text)).slice(0, 1)
  const root = roots[0] ?? '.'
  let isRunning = false
  for (const [index, field] of call.fields.entries()) {
    if (!starts.includes(field.text) || index === 0) continue
    isRunning = true
    const rest = call.fields.slice(index + 1)
    const end = rest.findIndex(({ text }) => text === ';' || text === '+')
    const command = (end < 0 ? rest : rest.slice(0, end)).map((word) =>
      word.text.includes('{}')
        ? { text: word.text.replaceAll('{}', `${root}/x`), isExact: false }
        : word
    )
    if (command.length > 0) call.place.judge(command, UNKNOWN, deeper(call))
    call.findings.unresolved('find passes names of files on')
  }
  if (call.args.includes('-delete')) {
    call.findings.risk('destroys', 'find deletes what it finds')
    call.findings.write(root)
  }
  return isRunning ? { text: null, from: new Set(['files']) } : null
}
