// Judges one command vector: wrappers are taken off, shells are read, the rest is looked up by name.

import { callOf, flow, has, risk, UNKNOWN } from './call.ts'
import type { Call, Flow, Place } from './call.ts'
import type { Field } from './field.ts'
import { judgeGit } from './git.ts'
import { judgeInterpreter, judgeShellProgram } from './interpreters.ts'
import { DEPTH_MAX } from './limits.ts'
import { NETWORK } from './network.ts'
import { isSecretPath, looksLikePath, reads } from './paths.ts'
import { ruleOf } from './rules.ts'
import { judgeWrapper, shellText } from './wrappers.ts'

const SECRET_NAME =
  /(SECRET|TOKEN|PASSW(OR)?D|API_?KEY|PRIVATE_?KEY|CREDENTIAL|ACCESS_?KEY|_PAT$|_AUTH$)/i

/** Characters that show a reader something else than what is there. */
const MISLEADING = /[\u202a-\u202e\u2066-\u2069\u200b-\u200f\u2060\ufeff]|\p{Script=Cyrillic}/u

const SYSTEM_FOLDERS =
  /^\/(usr\/(local\/)?)?s?bin\/[^/]+$|^\/(opt|nix|snap)\/|^\/usr\/(lib|libexec)\//

export function judgeCommand(fields: readonly Field[], input: Flow, place: Place): Flow {
  const { findings } = place
  if (place.depth > DEPTH_MAX) {
    findings.unresolved('commands lie too deep in each other')
    return UNKNOWN
  }
  if (!findings.command(fields)) return UNKNOWN
  const call = callOf(fields, input, place)
  findings.program(call.name)
  if (fields[0]?.isExact !== true) findings.unresolved('the name of a program is not known')
  if (fields.some((field) => !field.isExact))
    findings.unresolved(`an argument of ${call.name} is not known`)
  if (fields.some((field) => MISLEADING.test(field.text))) {
    risk(call, 'hides', `${call.name} has characters that mislead the reader`)
  }
  const printed = judged(call)
  const origins = new Set([
    ...printed.from,
    ...(isTouchingSecret(call) ? (['secrets'] as const) : [])
  ])
  place.substituted.clear()
  return { text: printed.text, from: origins }
}

function judged(call: Call): Flow {
  notePaths(call)
  const wrapped = judgeWrapper(call) ?? substitute(call)
  if (wrapped !== null) return wrapped
  const shell = judgeShellProgram(call)
  if (shell !== null) return shell
  if (call.name === 'git') return judgeGit(call)
  if (Object.hasOwn(PACKAGERS, call.name) && isPackaging(call)) {
    return ruleOf(call.name)?.(call) ?? UNKNOWN
  }
  const interpreted = judgeInterpreter(call)
  if (interpreted !== null) return interpreted
  const known = NETWORK.get(call.name)?.(call) ?? ruleOf(call.name)?.(call) ?? null
  return known ?? unknownProgram(call)
}

/** Interpreters that are package managers as well. */
const PACKAGERS = { bun: true, deno: true } as const

function isPackaging(call: Call): boolean {
  return /^(install|i|add|run|publish|x|upgrade|task|remove)$/.test(call.args[0] ?? '')
}

/** `su -c text`, `script -c text`, `runuser -c text`: a shell with other rights or another terminal. */
function substitute(call: Call): Flow | null {
  if (!['su', 'script', 'runuser', 'sg', 'scriptreplay'].includes(call.name)) return null
  if (call.name !== 'script') risk(call, 'escalates')
  const index = call.args.findIndex((text) => /^-\w*c$|^--command$/.test(text))
  const words = index < 0 ? [] : call.fields.slice(index + 2, index + 3)
  const inline = call.args.find((text) => text.startsWith('--command='))
  if (inline !== undefined) words.push({ text: inline.slice('--command='.length), isExact: true })
  return words.length === 0 ? UNKNOWN : shellText(call, words)
}

function notePaths(call: Call): void {
  for (const text of call.args) {
    const value = text.startsWith('-') ? (/^--?[\w-]+=([^]+)$/.exec(text)?.[1] ?? '') : text
    if (isSecretPath(value)) call.findings.risk('reads-secrets', `${call.name} names ${value}`)
  }
  for (const name of call.place.environmentNames) {
    if (SECRET_NAME.test(name) && call.args.some((text) => text.includes(name))) {
      call.findings.risk('reads-secrets', `${call.name} names the variable ${name}`)
    }
  }
}

function isTouchingSecret(call: Call): boolean {
  return call.args.some((text) => isSecretPath(text))
}

/** Nothing is known of it but its words. */
function unknownProgram(call: Call): Flow {
  const path = call.fields[0]?.text ?? ''
  const made = call.place.made.get(path)
  if (path.includes('/') && !SYSTEM_FOLDERS.test(path)) {
    risk(call, 'interprets-code', `${path} is not a program of the system`)
  }
  if (made !== undefined) {
    call.findings.unresolved(`${path} is made by the same command`)
    risk(
      call,
      made === 'fetched' ? 'runs-fetched-code' : 'hides',
      `${path} is made by the same command`
    )
  }
  for (const text of call.operands) {
    if (looksLikePath(text)) reads(call, text)
    const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/@\s]*@)?([^/:?#\s]+)/i.exec(text)?.[1]
    if (host !== undefined) call.findings.host(host)
  }
  if (has(call, 'exec', 'command') && call.operands.length > 0) risk(call, 'interprets-code')
  return flow(null, ...call.input.from, 'unknown')
}
