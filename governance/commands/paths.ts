// Paths: made absolute, and the ones that matter by their name alone.

import type { Call } from './call.ts'

/** Absolute and normalised where the working folder is known; a home stays `~`. */
export function absolute(path: string, cwd: string | null): string {
  const full =
    path.startsWith('/') || path.startsWith('~') || cwd === null ? path : `${cwd}/${path}`
  const parts: string[] = []
  for (const part of full.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop()
    else if (part !== '..' || !full.startsWith('/')) parts.push(part)
  }
  const text = parts.join('/')
  return full.startsWith('/') ? `/${text}` : text === '' ? '.' : text
}

const SECRETS: readonly RegExp[] = [
  /(^|\/)\.(ssh|aws|gnupg|azure|kube|docker|password-store|vault-token|weaver|secrets?)(\/|$)/,
  /(^|\/)\.(netrc|npmrc|pypirc|git-credentials|pgpass|my\.cnf|htpasswd|boto|s3cfg|vault_pass)$/,
  /(^|\/)\.env(\.[\w-]+)?$/,
  /(^|\/)id_(rsa|dsa|ecdsa|ed25519)[\w.-]*$/,
  /\.(pem|key|p12|pfx|kdbx|keystore|jks|ovpn|asc)$/,
  /^\/etc\/(shadow|gshadow|sudoers|ssl\/private|krb5\.keytab)/,
  /^\/proc\/([^/]+)\/(environ|mem|maps|root|cwd|fd)/,
  /(^|\/)(credentials|secrets?|passwords?|token)(\.(json|ya?ml|toml|txt|ini|xml|db))?$/i,
  /(^|\/)\.config\/(gh|gcloud|op|rclone|hub|google-chrome|chromium|weaver)(\/|$)/,
  /(^|\/)(Login Data|Cookies|logins\.json|key4\.db|wallet\.dat)$/,
  /\.(bash|zsh|python|psql|mysql)_history$/,
  /(^|\/)Library\/Keychains(\/|$)/
]

/** Files that something of the owner's executes later: shell start-up, hooks, editors, schedulers. */
const TRAPS: readonly RegExp[] = [
  /(^|\/)\.(bashrc|bash_profile|bash_login|bash_logout|bash_aliases|profile|zshrc|zshenv|zprofile|zlogin|kshrc|cshrc|tcshrc|inputrc|xinitrc|xprofile|xsession|pam_environment|vimrc|exrc|emacs|gdbinit|lldbinit|pythonrc|Rprofile|irbrc|pryrc|psqlrc|sqliterc|screenrc|tmux\.conf|mailcap|forward|procmailrc|curlrc|wgetrc|nanorc)$/,
  /(^|\/)\.ssh\/(authorized_keys2?|config|rc|environment)$/,
  /(^|\/)(\.git|[^/]+\.git)\/(hooks(\/|$)|config$|config\.worktree$|info\/attributes$|modules\/)/,
  /(^|\/)\.(gitconfig|gitmodules|gitattributes|envrc|husky|npmrc|yarnrc(\.yml)?|pnpmfile\.cjs|mise\.toml|tool-versions|direnv|pre-commit-config\.yaml|lefthook\.yml)(\/|$)/,
  /(^|\/)\.(vscode|idea|devcontainer|cursor|claude|zed|fleet)(\/|$)/,
  /(^|\/)\.config\/(autostart|systemd|git|fish|environment\.d|nvim|direnv|weaver)(\/|$)/,
  /^\/etc\/(cron|profile|bash\.bashrc|zsh|systemd|init|rc\.|ld\.so|environment|sudoers|pam|udev|xdg\/autostart|apt\/apt\.conf)/,
  /^\/var\/spool\/(cron|at)/,
  /(^|\/)Library\/Launch(Agents|Daemons)(\/|$)/,
  /(^|\/)(sitecustomize|usercustomize|conftest)\.py$/,
  /(^|\/)lib\/python[\d.]+\/site-packages\/[^/]+\.pth$/,
  /(^|\/)package\.json$/,
  /(^|\/)\.github\/workflows(\/|$)/,
  /(^|\/)\.gitlab-ci\.yml$/
]

const SYSTEM =
  /^\/(bin|boot|dev|etc|lib|lib32|lib64|opt|proc|root|run|sbin|srv|sys|usr|var|System|Library|Applications)(\/|$)/

/** Where a write goes nowhere. */
const SINKS: ReadonlySet<string> = new Set([
  '/dev/null',
  '/dev/stdout',
  '/dev/stderr',
  '/dev/tty',
  '/dev/full'
])

const SCRATCH = /^\/(tmp|var\/tmp|dev\/shm|private\/tmp)\/./

export function isSecretPath(path: string): boolean {
  return !path.endsWith('.pub') && SECRETS.some((pattern) => pattern.test(path))
}

export function isTrapPath(path: string): boolean {
  return TRAPS.some((pattern) => pattern.test(path))
}

export function isSystemPath(path: string): boolean {
  return path === '/' || (SYSTEM.test(path) && !SINKS.has(path) && !SCRATCH.test(path))
}

/** Where what is written goes nowhere, or to another machine. */
export function isSink(path: string): boolean {
  return SINKS.has(path) || /^\/dev\/(tcp|udp)\//.test(path)
}

/** Inside the working folder, and not that folder itself. */
export function isOwnPath(path: string, cwd: string | null): boolean {
  const full = absolute(path, cwd)
  if (SCRATCH.test(full)) return true
  if (cwd === null) return !/^(\/|~|\.\.?(\/|$)|$)/.test(full)
  return full.startsWith(cwd === '/' ? '//' : `${absolute(cwd, null)}/`)
}

/** Records a read, with what its name says. */
export function reads(call: Call, path: string): void {
  if (path === '' || path === '-') return
  const full = absolute(path, call.place.cwd)
  call.findings.read(full)
  if (isSecretPath(full)) call.findings.risk('reads-secrets', `${call.name} reads ${full}`)
}

/** Records a write, with what its name says. */
export function writes(call: Call, path: string): void {
  if (path === '' || path === '-') return
  const full = absolute(path, call.place.cwd)
  const sink = /^\/dev\/(tcp|udp)\/([^/]+)/.exec(full)
  if (sink !== null) {
    call.findings.host(sink[2] ?? '')
    call.findings.risk('exfiltrates', `${call.name} writes to ${full}`)
    return
  }
  if (SINKS.has(full)) return
  call.findings.write(full)
  if (isTrapPath(full)) call.findings.risk('persists', `${call.name} writes ${full}`)
  if (isSystemPath(full)) {
    call.findings.risk('changes-system', `${call.name} writes ${full}`)
    if (/^\/dev\/./.test(full)) call.findings.risk('destroys', `${call.name} writes ${full}`)
  }
  if (isSecretPath(full) || /^~?\/?(\.\.\/)*$/.test(path)) {
    call.findings.risk('destroys', `${call.name} overwrites ${full}`)
  }
}

/** `a/b`, `./x`, `~/x`, `..`: an argument that is meant as a path. */
export function looksLikePath(text: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return false
  return (
    /^(\/|\.{1,2}(\/|$)|~)/.test(text) ||
    (/\//.test(text) && !/\s/.test(text)) ||
    /^\.\w/.test(text)
  )
}
