// Programs that talk to other machines.

import { flow, has, risk, SILENT, valuesOf } from './call.ts'
import type { Call, Flow, Origin } from './call.ts'
import { deeper, shellText } from './wrappers.ts'
import { reads, writes } from './paths.ts'

/** The host of a URL, of `user@host:path` or of `host:port`; empty where there is none. */
export function hostOf(text: string): string {
  const url = /^(?:[a-z][a-z0-9+.-]*:)?\/\/(?:[^/@\s]*@)?(\[[0-9a-f:.]+\]|[^/:?#\s]+)/i.exec(text)
  if (url !== null) return url[1] ?? ''
  const remote = /^(?:[\w.-]+@)?([\w.-]+|\[[0-9a-f:]+\]):/.exec(text)
  return remote?.[1] ?? ''
}

const METADATA =
  /^(169\.254\.169\.254|169\.254\.170\.2|metadata(\.google\.internal)?|100\.100\.100\.200|\[fd00:ec2::254\])$/i

function noteHosts(call: Call): void {
  for (const text of call.args) {
    if (METADATA.test(hostOf(text)))
      risk(call, 'reads-secrets', `${call.name} asks a metadata service`)
    const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
    if (isUrl) call.findings.host(hostOf(text))
  }
}

/** Whether something of this machine is in what is sent: a substitution, a variable, a pipe. */
function isFilled(call: Call): boolean {
  const origins: readonly Origin[] = ['files', 'secrets', 'unknown', 'decoded']
  return (
    call.fields.some((field) => !field.isExact) ||
    origins.some((origin) => call.place.substituted.has(origin))
  )
}

function isPiped(call: Call): boolean {
  const { from, text } = call.input
  return from.has('files') || from.has('secrets') || (text !== null && text !== '' && from.size > 0)
}

function curl(call: Call): Flow {
  noteHosts(call)
  for (const text of call.operands)
    if (/^[\w.-]+\.[a-z]{2,}(\/|$)/i.test(text)) call.findings.host(text.split('/')[0] ?? '')
  const data = valuesOf(
    call.args,
    '-d',
    '--data',
    '--data-binary',
    '--data-raw',
    '--data-urlencode',
    '--data-ascii',
    '--json',
    '-F',
    '--form',
    '-T',
    '--upload-file',
    '--form-string',
    '--url-query'
  )
  const headers = valuesOf(
    call.args,
    '-H',
    '--header',
    '-b',
    '--cookie',
    '-u',
    '--user',
    '-A',
    '-e'
  )
  for (const text of [...data, ...headers]) {
    const file = /^(?:[\w-]*=)?[@<]([^;]+)/.exec(text)?.[1]
    if (file !== undefined) reads(call, file)
  }
  for (const path of valuesOf(call.args, '-T', '--upload-file')) reads(call, path)
  if (data.length > 0) risk(call, 'exfiltrates')
  if (isFilled(call)) risk(call, 'exfiltrates', `${call.name} sends what this machine put in`)
  if (call.args.some((text) => /^(-K|--config)/.test(text)))
    call.findings.unresolved('curl reads options from a file')
  const outputs = valuesOf(call.args, '-o', '--output')
  return fetched(call, outputs, has(call, 'O', 'remote-name'))
}

function fetched(call: Call, outputs: readonly string[], isNamed: boolean): Flow {
  for (const path of outputs) {
    writes(call, path)
    call.place.made.set(path, 'fetched')
  }
  if (isNamed) {
    for (const url of call.operands) {
      const name = url.split(/[?#]/)[0]?.split('/').at(-1) ?? ''
      writes(call, name)
      call.place.made.set(name, 'fetched')
      call.place.made.set(`./${name}`, 'fetched')
    }
  }
  const isFile = isNamed || outputs.some((path) => path !== '-')
  return isFile ? SILENT : flow(null, 'network')
}

function wget(call: Call): Flow {
  noteHosts(call)
  for (const path of valuesOf(call.args, '--post-file', '--body-file')) {
    reads(call, path)
    risk(call, 'exfiltrates')
  }
  if (valuesOf(call.args, '--post-data', '--body-data').length > 0) risk(call, 'exfiltrates')
  if (isFilled(call)) risk(call, 'exfiltrates', 'wget sends what this machine put in')
  for (const option of valuesOf(call.args, '--use-askpass', '-e', '--execute')) {
    risk(call, 'interprets-code', `wget runs ${option}`)
  }
  const outputs = valuesOf(call.args, '-O', '--output-document')
  return fetched(call, outputs, outputs.length === 0)
}

/** A plain pipe to another machine. */
function pipe(call: Call): Flow {
  const host = call.operands.find((text) => /[.\w]/.test(text))
  if (host !== undefined) call.findings.host(/^[\w-]+:(?:\/\/)?([^:]+):/.exec(host)?.[1] ?? host)
  for (const text of call.args) {
    const target = /^(?:TCP|TCP4|TCP6|UDP|OPENSSL|SSL|SOCKS4A?|PROXY)(?:-CONNECT)?:([^:]+):/i.exec(
      text
    )
    if (target !== null) call.findings.host(target[1] ?? '')
    const command = /^(?:EXEC|SYSTEM):(.+)$/i.exec(text)
    if (command !== null) {
      risk(call, 'interprets-code')
      shellText({ ...call, input: flow(null, 'network') }, [
        { text: command[1] ?? '', isExact: true }
      ])
    }
    const file = /^(?:FILE|OPEN|GOPEN|CREATE):(.+?)(?:,|$)/i.exec(text)
    if (file !== null) reads(call, file[1] ?? '')
  }
  risk(call, 'exfiltrates')
  const programs = valuesOf(call.args, '-e', '-c', '--exec', '--sh-exec')
  if (programs.length > 0 && call.name !== 'openssl') {
    risk(call, 'runs-fetched-code', `${call.name} gives another machine a program`)
    for (const text of programs)
      shellText({ ...call, input: flow(null, 'network') }, [{ text, isExact: true }])
  }
  return flow(null, 'network')
}

function ssh(call: Call): Flow {
  const values = new Set([
    '-p',
    '-i',
    '-l',
    '-o',
    '-F',
    '-L',
    '-R',
    '-D',
    '-J',
    '-b',
    '-c',
    '-e',
    '-m',
    '-E',
    '-S',
    '-w',
    '-W',
    '-Q',
    '-I',
    '-O',
    '-B'
  ])
  for (const option of valuesOf(call.args, '-o')) {
    const command =
      /^\s*(ProxyCommand|LocalCommand|KnownHostsCommand|PKCS11Provider)[\s=]+(.*)$/i.exec(option)
    if (command === null) continue
    risk(call, 'interprets-code', `ssh runs ${command[2] ?? ''}`)
    shellText(call, [{ text: command[2] ?? '', isExact: true }])
  }
  for (const path of valuesOf(call.args, '-i', '-F')) reads(call, path)
  let index = 1
  while (call.fields[index]?.text.startsWith('-') === true) {
    index += values.has(call.fields[index]?.text ?? '') ? 2 : 1
  }
  const host = call.fields[index]?.text ?? ''
  call.findings.host(host.slice(host.indexOf('@') + 1))
  const command = call.fields.slice(index + 1)
  if (isPiped(call) || isFilled(call) || has(call, 'R', 'D', 'L', 'W')) risk(call, 'exfiltrates')
  // Another machine's paths are not this one's: what the command would do there is judged for the reader.
  if (command.length > 0) shellText({ ...call, place: { ...deeper(call), cwd: null } }, command)
  return flow(null, 'network')
}

/** `scp`, `rsync`, `rclone`: from here to there, or from there to here. */
function copyRemote(call: Call): Flow {
  const target = call.operands.at(-1) ?? ''
  const isOut = hostOf(target) !== '' || /^[\w-]+:/.test(target)
  for (const text of call.operands) {
    const host = hostOf(text)
    if (host !== '') call.findings.host(host)
    else if (text !== target) reads(call, text)
  }
  if (isOut) risk(call, 'exfiltrates')
  else writes(call, target)
  if (call.args.some((text) => text.startsWith('--delete') || text === '--remove-source-files')) {
    risk(call, 'destroys')
  }
  for (const text of valuesOf(call.args, '-e', '--rsh', '--rsync-path', '-S')) {
    risk(call, 'interprets-code', `${call.name} runs ${text}`)
    shellText(call, [{ text, isExact: true }])
  }
  for (const text of valuesOf(call.args, '-o')) {
    const command = /^ProxyCommand[\s=]+(.*)$/i.exec(text)
    if (command !== null) shellText(call, [{ text: command[1] ?? '', isExact: true }])
  }
  return flow(null, 'network')
}

/** A name that is looked up is seen by whoever serves it. */
function lookUp(call: Call): Flow {
  for (const text of call.operands) call.findings.host(text.replace(/^@/, ''))
  if (
    isFilled(call) ||
    isPiped(call) ||
    call.operands.some((text) => (text.split('.')[0] ?? '').length > 40)
  ) {
    risk(call, 'exfiltrates', `${call.name} asks for a name that this machine put together`)
  }
  for (const path of valuesOf(call.args, '-f')) reads(call, path)
  return flow(null, 'network')
}

function send(call: Call): Flow {
  noteHosts(call)
  for (const text of call.operands) {
    const host = hostOf(text)
    if (host !== '') call.findings.host(host)
    else if (/[/.]/.test(text)) reads(call, text)
  }
  risk(call, 'exfiltrates')
  return flow(null, 'network')
}

function openssl(call: Call): Flow | null {
  if (call.args[0] === 's_client') {
    for (const text of valuesOf(call.args, '-connect')) call.findings.host(text.split(':')[0] ?? '')
    risk(call, 'exfiltrates')
    return flow(null, 'network')
  }
  const isDecoding = (call.args[0] === 'enc' || call.args[0] === 'base64') && has(call, 'd')
  if (isDecoding) return flow(null, 'decoded', ...call.input.from)
  for (const path of valuesOf(call.args, '-in')) reads(call, path)
  for (const path of valuesOf(call.args, '-out')) writes(call, path)
  return null
}

function serve(call: Call): Flow {
  risk(call, 'exfiltrates', `${call.name} serves files to whoever asks`)
  return SILENT
}

export const NETWORK: ReadonlyMap<string, (call: Call) => Flow | null> = new Map<
  string,
  (call: Call) => Flow | null
>([
  ...[
    'curl',
    'http',
    'https',
    'xh',
    'curlie',
    'httpie',
    'aria2c',
    'axel',
    'lynx',
    'links',
    'w3m'
  ].map((name) => [name, curl] as const),
  ['wget', wget],
  ['wget2', wget],
  ...['nc', 'ncat', 'netcat', 'socat', 'telnet', 'nc.openbsd', 'nc.traditional', 'websocat'].map(
    (name) => [name, pipe] as const
  ),
  ...['ssh', 'autossh', 'mosh', 'slogin', 'rsh'].map((name) => [name, ssh] as const),
  ...['scp', 'rsync', 'rclone'].map((name) => [name, copyRemote] as const),
  ...[
    'dig',
    'nslookup',
    'host',
    'ping',
    'ping6',
    'drill',
    'getent',
    'traceroute',
    'whois',
    'tracepath'
  ].map((name) => [name, lookUp] as const),
  ...[
    'sftp',
    'ftp',
    'lftp',
    'tftp',
    'mail',
    'mailx',
    'mutt',
    'sendmail',
    'msmtp',
    'swaks',
    'logger',
    's3cmd',
    'croc',
    'wormhole',
    'magic-wormhole',
    'transfer',
    'ngrok',
    'cloudflared',
    'smbclient',
    'azcopy'
  ].map((name) => [name, send] as const),
  ['openssl', openssl],
  ['busybox-httpd', serve],
  ['http-server', serve],
  ['httpd', serve]
])
