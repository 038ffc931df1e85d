// Shells, and interpreters of other languages. A shell's code is parsed and judged; code in another
// language is named as code, and searched for what is well known to destroy or to send away.

import { has, risk, UNKNOWN, valuesOf } from './call.ts'
import type { Call, Flow } from './call.ts'
import { exact } from './field.ts'
import { absolute, isSecretPath, reads } from './paths.ts'
import { deeper } from './wrappers.ts'

const SHELLS: Readonly<Record<string, 'bash' | 'posix' | 'other'>> = {
  bash: 'bash',
  rbash: 'bash',
  sh: 'posix',
  dash: 'posix',
  ash: 'posix',
  ksh: 'posix',
  mksh: 'posix',
  zsh: 'other',
  fish: 'other',
  csh: 'other',
  tcsh: 'other',
  yash: 'other',
  rc: 'other',
  nu: 'other',
  pwsh: 'other'
}

const SHELL_VALUES = ['-o', '+o', '-O', '+O', '--rcfile', '--init-file']

/** Judges what a shell would run. Null when this is no shell. */
export function judgeShellProgram(call: Call): Flow | null {
  if (!Object.hasOwn(SHELLS, call.name)) return null
  const kind = SHELLS[call.name] ?? 'other'
  const options = {
    reading: kind === 'posix' ? ('posix' as const) : ('bash' as const),
    isDoubtful: kind !== 'bash',
    input: call.input
  }
  if (kind === 'other') call.findings.unresolved(`${call.name} is read as if it were bash`)
  const found = shellArguments(call)
  if (found.isStartup) {
    call.findings.unresolved('a start-up file runs before')
    call.findings.risk('interprets-code', `${call.name} reads start-up files`)
  }
  const [first, ...rest] = found.operands
  if (found.isText) {
    if (first === undefined) return UNKNOWN
    const name = rest[0]?.text ?? call.name
    const areKnown = rest.every((field) => field.isExact)
    const positional = areKnown ? [name, ...rest.slice(1).map((field) => field.text)] : null
    return call.place.shell(first, { ...options, positional }, call.place)
  }
  if (first === undefined || found.isInput) return standardInput(call, options)
  if (first.text === '/dev/stdin' || first.text === '/proc/self/fd/0') {
    return standardInput(call, options)
  }
  return scriptFile(call, first.text, options)
}

interface ShellArguments {
  readonly operands: Call['fields']
  readonly isText: boolean
  readonly isInput: boolean
  readonly isStartup: boolean
}

function shellArguments(call: Call): ShellArguments {
  let isText = false
  let isInput = false
  let isStartup = false
  let index = 1
  for (; index < call.fields.length; index += 1) {
    const text = call.fields[index]?.text ?? ''
    if (text === '--' || text === '-') {
      index += 1
      break
    }
    if (!/^[-+]./.test(text)) break
    if (/^--(rcfile|init-file)/.test(text)) isStartup = true
    if (text === '--login') isStartup = true
    if (/^-[a-zA-Z]/.test(text)) {
      isText ||= text.includes('c')
      isInput ||= text.includes('s')
      isStartup ||= /[li]/.test(text)
      // `-eo pipefail`, also within a cluster.
      if (/^-\w*[oO]$/.test(text)) index += 1
    } else if (SHELL_VALUES.includes(text)) index += 1
  }
  return { operands: call.fields.slice(index), isText, isInput, isStartup }
}

type TextOptions = Pick<Parameters<Call['place']['shell']>[1], 'reading' | 'isDoubtful' | 'input'>

function standardInput(call: Call, options: TextOptions): Flow {
  const { text, from } = call.input
  if (from.has('network')) risk(call, 'runs-fetched-code', `${call.name} runs what was fetched`)
  if (from.has('decoded')) risk(call, 'hides', `${call.name} runs what was decoded`)
  if (text === null) {
    call.findings.unresolved(`${call.name} runs its standard input`)
    risk(call, 'interprets-code', `${call.name} runs its standard input`)
    return UNKNOWN
  }
  if (text === '') return { text: '', from }
  const field = { text, isExact: true }
  return call.place.shell(
    field,
    { ...options, positional: [call.name], input: UNKNOWN },
    call.place
  )
}

function scriptFile(call: Call, path: string, options: TextOptions): Flow {
  reads(call, path)
  risk(call, 'interprets-code', `${call.name} runs ${path}`)
  const isFetched = call.place.made.get(path) === 'fetched' || call.place.substituted.has('network')
  if (isFetched) risk(call, 'runs-fetched-code', `${call.name} runs ${path}, which was fetched`)
  const isMade = call.place.made.has(path) || path.startsWith('/dev/fd/')
  const text = isMade ? null : (call.place.readFile?.(absolute(path, call.place.cwd)) ?? null)
  if (text === null) {
    call.findings.unresolved(`what ${path} has in it is not known`)
    return UNKNOWN
  }
  const positional = null
  return call.place.shell(exact(text), { ...options, positional }, call.place)
}

interface Interpreter {
  /** Options whose value is code. */
  readonly code: readonly string[]
  /** Whether the first operand is code itself. */
  readonly isFirstCode: boolean
  /** Options whose value is something else: the next argument is no script. */
  readonly values: readonly string[]
}

const INTERPRETERS: Readonly<Record<string, Interpreter>> = {
  python: { code: ['-c'], isFirstCode: false, values: ['-W', '-X'] },
  python2: { code: ['-c'], isFirstCode: false, values: ['-W'] },
  python3: { code: ['-c'], isFirstCode: false, values: ['-W', '-X'] },
  pypy3: { code: ['-c'], isFirstCode: false, values: [] },
  ipython: { code: ['-c'], isFirstCode: false, values: [] },
  perl: { code: ['-e', '-E', '-ne', '-pe', '-ane', '-lne', '-pi'], isFirstCode: false, values: [] },
  ruby: { code: ['-e', '-ne', '-pe'], isFirstCode: false, values: ['-r', '-I'] },
  node: { code: ['-e', '-p', '-pe', '--eval', '--print'], isFirstCode: false, values: ['-r'] },
  nodejs: { code: ['-e', '-p', '--eval'], isFirstCode: false, values: ['-r'] },
  bun: { code: ['-e', '--eval'], isFirstCode: false, values: [] },
  deno: { code: ['eval'], isFirstCode: false, values: [] },
  tsx: { code: ['-e'], isFirstCode: false, values: [] },
  php: { code: ['-r', '-B', '-R', '-E'], isFirstCode: false, values: ['-d', '-c'] },
  lua: { code: ['-e'], isFirstCode: false, values: ['-l'] },
  luajit: { code: ['-e'], isFirstCode: false, values: [] },
  tclsh: { code: [], isFirstCode: false, values: [] },
  expect: { code: ['-c'], isFirstCode: false, values: [] },
  osascript: { code: ['-e'], isFirstCode: false, values: ['-l'] },
  Rscript: { code: ['-e'], isFirstCode: false, values: [] },
  R: { code: ['-e'], isFirstCode: false, values: [] },
  julia: { code: ['-e', '-E'], isFirstCode: false, values: [] },
  guile: { code: ['-c'], isFirstCode: false, values: [] },
  emacs: { code: ['--eval', '-eval'], isFirstCode: false, values: [] },
  awk: { code: [], isFirstCode: true, values: ['-F', '-v', '-f'] },
  gawk: { code: ['-e'], isFirstCode: true, values: ['-F', '-v', '-f'] },
  mawk: { code: [], isFirstCode: true, values: ['-F', '-v', '-f'] },
  nawk: { code: [], isFirstCode: true, values: ['-F', '-v', '-f'] },
  vim: { code: ['-c', '--cmd', '-S'], isFirstCode: false, values: [] },
  vi: { code: ['-c', '--cmd', '-S'], isFirstCode: false, values: [] },
  nvim: { code: ['-c', '--cmd', '-S'], isFirstCode: false, values: [] },
  ex: { code: ['-c', '--cmd', '-S'], isFirstCode: false, values: [] },
  ed: { code: [], isFirstCode: false, values: ['-p'] },
  gdb: { code: ['-ex', '--eval-command', '-iex'], isFirstCode: false, values: [] },
  lldb: { code: ['-o', '-O'], isFirstCode: false, values: [] },
  sqlite3: { code: ['-cmd'], isFirstCode: false, values: [] },
  psql: { code: ['-c', '--command'], isFirstCode: false, values: ['-h', '-U', '-d', '-p'] },
  mysql: { code: ['-e', '--execute'], isFirstCode: false, values: ['-h', '-u', '-P'] },
  jshell: { code: [], isFirstCode: false, values: [] },
  java: { code: [], isFirstCode: false, values: ['-cp'] },
  make: { code: ['--eval'], isFirstCode: false, values: ['-f', '-C', '-j'] },
  gmake: { code: ['--eval'], isFirstCode: false, values: ['-f', '-C', '-j'] },
  bc: { code: [], isFirstCode: false, values: [] }
}

/** Awk, sed and databases are used for harmless things all the time: only what stands out is a risk. */
const HARMLESS: ReadonlySet<string> = new Set([
  'awk',
  'gawk',
  'mawk',
  'nawk',
  'sqlite3',
  'psql',
  'mysql',
  'bc'
])

/** Judges code given to an interpreter. Null when this is none. */
export function judgeInterpreter(call: Call): Flow | null {
  const interpreter = INTERPRETERS[call.name]
  if (!Object.hasOwn(INTERPRETERS, call.name) || interpreter === undefined) return null
  if (/^--?(version|help)$/.test(call.args[0] ?? '')) return UNKNOWN
  const codes = [...valuesOf(call.args, ...interpreter.code)]
  const operands = operandsOf(call, interpreter)
  if (interpreter.isFirstCode && operands[0] !== undefined && !has(call, 'f', 'file')) {
    codes.push(operands[0])
  }
  const isHarmless = HARMLESS.has(call.name)
  // Databases take statements as operands or on their input.
  if (isHarmless && !interpreter.isFirstCode) codes.push(...operands)
  if (call.input.text !== null && call.input.text !== '') codes.push(call.input.text)
  for (const code of codes) judgeCode(call, code)
  if (!isHarmless) judgeSource(call, codes, operands)
  return { text: null, from: new Set([...call.input.from, 'unknown']) }
}

function operandsOf(call: Call, interpreter: Interpreter): readonly string[] {
  const found: string[] = []
  const taking = [...interpreter.values, ...interpreter.code]
  for (let index = 0; index < call.args.length; index += 1) {
    const text = call.args[index] ?? ''
    if (taking.includes(text)) index += 1
    else if (!text.startsWith('-') || text === '-') found.push(text)
  }
  return found
}

/** Where the code comes from that is not on the command line. */
function judgeSource(call: Call, codes: readonly string[], operands: readonly string[]): void {
  const [script] = operands
  risk(call, 'interprets-code', `${call.name} runs code`)
  if (call.input.from.has('network')) {
    risk(call, 'runs-fetched-code', `${call.name} reads what was fetched`)
  }
  if (script !== undefined && call.place.made.get(script) === 'fetched') {
    risk(call, 'runs-fetched-code', `${call.name} runs ${script}, which was fetched`)
  }
  const isInputRead = script === undefined || script === '-'
  const isInputKnown = call.input.text !== null && call.input.text !== ''
  if (codes.length === 0 && isInputRead && !isInputKnown && !has(call, 'm')) {
    call.findings.unresolved(`${call.name} runs its standard input`)
    if (call.input.from.has('decoded')) risk(call, 'hides', `${call.name} runs what was decoded`)
  }
  if (script !== undefined && (call.place.made.has(script) || script.startsWith('/dev/fd/'))) {
    call.findings.unresolved(`${call.name} runs ${script}, which the same command makes`)
  }
}

const CODE_PATTERNS: readonly (readonly [Parameters<typeof risk>[1], RegExp])[] = [
  [
    'destroys',
    /rmtree|rm_rf|rm_r\b|remove_tree|remove_entry|removedirs|\b(fs|fsp|promises)?\.?(rm|rmdir|unlink|truncate)(Sync)?\s*\(|os\.(remove|unlink|rmdir|truncate)|\bunlink\b|\brmdir\b|File\.delete|FileUtils|\bshutil\.move|Path\(.*\.unlink|os\.remove|os\.rename|delete!|\bdelete\(|file delete|DROP\s+(TABLE|DATABASE|SCHEMA)|TRUNCATE\s+TABLE|DELETE\s+FROM|FLUSHALL|wipefs|mkfs/i
  ],
  [
    'destroys',
    /open\s*\(?[^)]*['"][wa+]\+?b?['"]|open\s*\(?[^;]*['"]\+?[>][^>]|writeFile(Sync)?\s*\(|createWriteStream|file_put_contents|File\.write|IO\.write|write_text|write_bytes|truncate\s*\(|>\s*["']?\/(etc|dev|usr|bin|boot)/i
  ],
  [
    'interprets-code',
    /\b(system|popen|exec[lv]?[pe]{0,2}|spawn(Sync)?|execSync|execFile(Sync)?|check_output|check_call|subprocess|child_process|passthru|shell_exec|proc_open|pcntl_exec|IO\.popen|Kernel|os\.execute|backtick|qx|syscall|ctypes|dlopen|eval|compile|__import__|getattr|globals)\b|`[^`]+`|"\s*\|\s*getline|\|\s*"|^\s*:?!|do shell script/i
  ],
  [
    'exfiltrates',
    /\b(socket|urllib|urlopen|requests?\.(get|post|put)|http\.client|httplib|fetch\s*\(|XMLHttpRequest|net\.(connect|createConnection|Socket)|http(s)?\.(get|request)|dgram|TCPSocket|UDPSocket|Net::HTTP|IO::Socket|LWP|HTTP::Tiny|fsockopen|curl_exec|file_get_contents\s*\(\s*['"]https?:|getaddrinfo|gethostbyname|ftplib|smtplib|paramiko|\/inet\/(tcp|udp)|dns\.(lookup|resolve))/i
  ],
  [
    'reads-secrets',
    /process\.env|os\.environ|getenv|\bENV\b|%ENV|\$_ENV|ENVIRON|\/etc\/shadow|\.ssh\b|\.aws\b|\.netrc|id_rsa|id_ed25519|\/proc\/self\/environ|\.git-credentials|\.npmrc/
  ],
  [
    'hides',
    /b64decode|atob\s*\(|frombase64|base64_decode|unpack\s*\(|fromhex|unhexlify|decode64|chr\(\d+\)|String\.fromCharCode|rot13|\\x[0-9a-f]{2}\\x|Buffer\.from\([^)]*(base64|hex)|marshal|zlib|codecs\.decode|\[::-1\]/i
  ],
  ['kills', /\b(os\.kill|process\.kill|Process\.kill|killpg|posix_kill)\b|\bkill\s+['"\d-]/],
  ['exhausts', /\bfork\b|while\s*\(?\s*(1|true|True)\b|\bloop\s*\{|\bfor\s*\(\s*;;\s*\)|for\(;;\)/],
  ['escalates', /setuid|setgid|seteuid|setcap|chmod[^\n]*[0-7]?4[0-7]{3}|CAP_SYS/i]
]

const PATH_IN_CODE = /(?:~|\/)[\w.@~-]*(?:\/[\w.@~-]+)+/g
const HOST_IN_CODE = /\b(?:https?|ftp|wss?):\/\/([\w.-]+|\[[0-9a-f:]+\])/gi

/** Finds what is well known; says nothing about the rest, which is why it is called code. */
export function judgeCode(call: Call, code: string): void {
  const text = code.slice(0, 64 * 1024)
  for (const [name, pattern] of CODE_PATTERNS) {
    if (pattern.test(text)) risk(call, name, `${call.name} code: ${text.slice(0, 80)}`)
  }
  for (const [path] of text.matchAll(PATH_IN_CODE)) {
    if (isSecretPath(path)) risk(call, 'reads-secrets', `${call.name} code names ${path}`)
    if (!path.startsWith('//')) call.findings.read(absolute(path, call.place.cwd))
  }
  for (const match of text.matchAll(HOST_IN_CODE)) call.findings.host(match[1] ?? '')
  judgeShellsInCode(call, text)
  if (LINE_RUNNERS.has(call.name)) judgeLines(call, text)
}

/** `system("rm -rf /")`: a text in quotes that starts like a command is judged as a shell text. */
function judgeShellsInCode(call: Call, text: string): void {
  const calls =
    /(?:system|popen|exec\w*|spawn\w*|execute|check_\w+|run|call|qx|shell_exec|passthru|do shell script|getline|!)\s*[({[]?\s*(["'`{])([^"'`}]{2,2000})/g
  let count = 0
  for (const match of text.matchAll(calls)) {
    count += 1
    if (count > 8) break
    const inner = { text: match[2] ?? '', isExact: true }
    const options = {
      reading: 'posix',
      isDoubtful: true,
      positional: [''],
      input: UNKNOWN
    } as const
    call.place.shell(inner, options, call.place)
  }
  judgeListsInCode(call, text)
}

/** `run(["rm", "-rf", "/"])` and `exec qw(rm -rf /)`: lists that start like a command. */
function judgeListsInCode(call: Call, text: string): void {
  const lists = /\[\s*((?:["'][^"'\]]*["']\s*,?\s*)+)\]|\bqw\s*[({[/]([^)}\]]+)/g
  for (const [, quoted, bare] of [...text.matchAll(lists)].slice(0, 8)) {
    const words =
      quoted === undefined
        ? (bare ?? '').split(/\s+/)
        : [...quoted.matchAll(/["']([^"']*)["']/g)].map((match) => match[1] ?? '')
    const fields = words
      .filter((word) => word !== '')
      .map((word) => ({ text: word, isExact: true }))
    if (fields.length > 0) call.place.judge(fields, UNKNOWN, deeper(call))
  }
}

/** Editors, debuggers and makefiles have lines that are commands. */
function judgeLines(call: Call, text: string): void {
  const lines = /^(?::?\s*!|shell\s|\t@?-?)([^\n]+)$/gm
  for (const [, line] of [...text.matchAll(lines)].slice(0, 8)) {
    const inner = { text: line ?? '', isExact: true }
    const options = {
      reading: 'posix',
      isDoubtful: true,
      positional: [''],
      input: UNKNOWN
    } as const
    call.place.shell(inner, options, call.place)
  }
}

const LINE_RUNNERS: ReadonlySet<string> = new Set([
  'vim',
  'vi',
  'nvim',
  'ex',
  'ed',
  'gdb',
  'lldb',
  'make',
  'gmake'
])
