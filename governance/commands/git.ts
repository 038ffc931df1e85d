// git: what it destroys, sends away, and what its configuration makes it run.

import { flow, has, risk, UNKNOWN } from './call.ts'
import type { Call, Flow } from './call.ts'
import { hostOf } from './network.ts'
import { exact } from './field.ts'
import { deeper, shellText } from './wrappers.ts'

/** Settings whose values git runs. */
const RUNNING =
  /^(alias\..*|core\.(fsmonitor|hookspath|sshcommand|editor|pager|askpass|gitproxy|worktree|attributesfile)|credential(\..*)?\.helper|diff\.(external|.*\.(command|textconv))|filter\..*|merge\..*\.driver|pager\..*|sequence\.editor|gpg(\..*)?\.program|.*tool\..*\.cmd|protocol\..*|include(if)?\..*|init\.templatedir|uploadpack\..*|remote\..*\.(uploadpack|receivepack|vcs|proxy)|receive\..*|url\..*|submodule\..*\.update|http\.proxy|interactive\.difffilter|man\..*|browser\..*|trailer\..*|web\.browser|instaweb\..*|sendemail\..*|imap\..*)$/i

export function judgeGit(call: Call): Flow {
  let index = 0
  for (; index < call.args.length; index += 1) {
    const text = call.args[index] ?? ''
    if (!text.startsWith('-')) break
    if (text === '-c' || text === '--config-env')
      setting(call, call.args[(index += 1)] ?? '', 'once')
    else if (text.startsWith('-c')) setting(call, text.slice(2), 'once')
    else if (/^--exec-path=|^--upload-pack/.test(text)) risk(call, 'interprets-code')
    else if (['-C', '--git-dir', '--work-tree', '--namespace'].includes(text)) index += 1
  }
  subcommand(call, call.args[index] ?? '', call.args.slice(index + 1))
  return flow(null, 'files', 'network')
}

function setting(call: Call, text: string, when: 'once' | 'kept'): void {
  const end = text.indexOf('=')
  const [key, value] = end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end + 1)]
  if (!RUNNING.test(key)) return
  risk(call, 'interprets-code', `git runs what ${key} says`)
  if (when === 'kept') risk(call, 'persists', `git runs what ${key} says from now on`)
  const isAlias = key.toLowerCase().startsWith('alias.')
  if (isAlias && !value.startsWith('!')) {
    const words = value.split(/\s+/).filter((word) => word !== '')
    if (words.length > 0) subcommand(call, words[0] ?? '', words.slice(1))
    return
  }
  const code = value.replace(/^!/, '')
  // The pager and the editor are looked up and run by a shell.
  if (code !== '') shellText({ ...call, input: UNKNOWN }, [{ text: code, isExact: true }])
}

const DESTROYING: Readonly<Record<string, RegExp>> = {
  clean: /^-\w*[fdx]|^--force/,
  reset: /^--hard|^--merge|^--keep/,
  checkout: /^(-f|--force|--|\.|-B|--ours|--theirs)$/,
  restore: /./,
  branch: /^(-D|-d|--delete|-M|-f|--force)$/,
  tag: /^(-d|--delete|-f)$/,
  stash: /^(drop|clear)$/,
  rm: /./,
  reflog: /^(expire|delete)$/,
  gc: /^--prune/,
  prune: /^/,
  'filter-branch': /^/,
  'filter-repo': /^/,
  'update-ref': /^-d$/,
  worktree: /^(remove|prune)$/,
  switch: /^(-f|--force|--discard-changes|-C)$/,
  push: /^(-f|--force\S*|--delete|-d|--mirror|--prune|\+.*|:.+)$/,
  remote: /^(rm|remove|prune)$/,
  submodule: /^deinit$/
}

function subcommand(call: Call, verb: string, rest: readonly string[]): void {
  const destroying = DESTROYING[verb]
  if (Object.hasOwn(DESTROYING, verb) && destroying !== undefined) {
    const isAlways = destroying.source === '^'
    if (isAlways || rest.some((text) => destroying.test(text))) risk(call, 'destroys')
  }
  switch (verb) {
    case 'push':
    case 'send-email':
    case 'send-pack':
    case 'http-push':
    case 'request-pull':
    case 'svn':
      risk(call, 'publishes')
      sends(call, rest)
      return
    case 'config':
      configure(call, rest)
      return
    case 'remote':
      if (rest[0] === 'add' || rest[0] === 'set-url') sends(call, rest)
      return
    case 'clone':
    case 'fetch':
    case 'pull':
    case 'ls-remote':
    case 'submodule':
    case 'archive':
      fetches(call, rest)
      return
    case 'bisect':
    case 'rebase':
    case 'submodule-foreach':
    case 'filter-branch':
    case 'difftool':
    case 'mergetool':
      runs(call, verb, rest)
      return
    case 'credential':
    case 'credential-store':
    case 'credential-cache':
      risk(call, 'reads-secrets')
      return
    case 'commit':
    case 'merge':
    case 'am':
    case 'hook':
      // Hooks of the folder run; they are the folder's own code.
      risk(call, 'interprets-code', `git ${verb} runs the hooks of the repository`)
      return
    case 'init':
      if (has(call, 'template')) risk(call, 'persists')
      return
    default:
  }
}

function sends(call: Call, rest: readonly string[]): void {
  for (const text of rest) {
    remote(call, text)
    if (/:\/\/|@[\w.-]+:|^ext::/.test(text)) risk(call, 'exfiltrates', `git sends to ${text}`)
  }
}

function remote(call: Call, text: string): void {
  const host = hostOf(text)
  if (host !== '' && /:\/\/|@|^[\w.-]+\.[a-z]+:/.test(text)) call.findings.host(host)
  const command = /^ext::(.+)$/.exec(text)
  if (command === null) return
  risk(call, 'interprets-code', `git runs ${text}`)
  // Blanks part the words, `% ` is a blank in one.
  const words = (command[1] ?? '').split(/(?<!%) +/)
  const fields = words.map((word) => exact(word.replaceAll('% ', ' ').replaceAll('%%', '%')))
  call.place.judge(fields, UNKNOWN, deeper(call))
}

function fetches(call: Call, rest: readonly string[]): void {
  for (const [index, text] of rest.entries()) {
    remote(call, text)
    const pack = /^(?:--upload-pack|--exec|-u)(?:=(.*))?$/.exec(text)
    if (pack !== null) {
      risk(call, 'interprets-code')
      shellText(call, [{ text: pack[1] ?? rest[index + 1] ?? '', isExact: true }])
    }
    if (text === '-c' || text === '--config') setting(call, rest[index + 1] ?? '', 'kept')
  }
  if (rest[0] === 'foreach') runs(call, 'submodule', rest)
}

function runs(call: Call, verb: string, rest: readonly string[]): void {
  const codes = rest.flatMap((text, index) => {
    if (/^(-x|--exec|--extcmd|-x|run|foreach|--\w+-filter)$/.test(text))
      return [rest.slice(index + 1).join(' ')]
    const inline = /^--(?:exec|extcmd)=(.*)$/.exec(text)
    return inline === null ? [] : [inline[1] ?? '']
  })
  for (const text of codes) {
    risk(call, 'interprets-code', `git ${verb} runs ${text}`)
    shellText(call, [{ text, isExact: true }])
  }
}

function configure(call: Call, rest: readonly string[]): void {
  const [key = '', ...values] = rest.filter((text) => !text.startsWith('-') && text !== 'set')
  setting(call, `${key}=${values.join(' ')}`, 'kept')
  if (has(call, 'global', 'system')) risk(call, 'persists', 'git config for every repository')
  if (
    has(call, 'l', 'list', 'get', 'get-all', 'get-regexp') &&
    /cred|token|password|extraheader/i.test(key)
  ) {
    risk(call, 'reads-secrets')
  }
}
