// Programs of the machine itself: files, processes, packages, services, version control.

import { flow, has, risk, SILENT, UNKNOWN, valuesOf } from './call.ts'
import type { Call, Flow } from './call.ts'
import { hostOf } from './network.ts'
import { isOwnPath, isSystemPath, reads, writes } from './paths.ts'
import { shellText } from './wrappers.ts'

type Rule = (call: Call) => Flow | null

/** Its operands are gone, or not what they were. */
const remove: Rule = (call) => {
  const isBulk = has(call, 'r', 'R', 'recursive', 'no-preserve-root')
  for (const path of call.operands) {
    writes(call, path)
    const isOwn = isOwnPath(path, call.place.cwd) && !/(^|\/)\.git(\/|$)/.test(path)
    if (isBulk || !isOwn || /[*?[]/.test(path)) risk(call, 'destroys')
  }
  if (call.fields.some((field) => !field.isExact)) risk(call, 'destroys')
  return SILENT
}

const shred: Rule = (call) => {
  for (const path of call.operands) writes(call, path)
  risk(call, 'destroys')
  return SILENT
}

/** `mv a b`, `cp a b`, `ln a b`, `install a b`: sources are read, the last is written. */
const transfer: Rule = (call) => {
  const named = valuesOf(call.args, '-t', '--target-directory')
  const targets = named.length > 0 ? named : call.operands.slice(-1)
  const sources = named.length > 0 ? call.operands : call.operands.slice(0, -1)
  for (const path of sources) {
    reads(call, path)
    if (call.name !== 'mv') continue
    writes(call, path)
    if (!isOwnPath(path, call.place.cwd)) risk(call, 'destroys', `mv takes ${path} away`)
  }
  for (const path of targets) {
    writes(call, path)
    if (path === '/dev/null') risk(call, 'destroys')
    if (!isOwnPath(path, call.place.cwd) && call.name !== 'ln') risk(call, 'destroys')
    const origin = sources.some((source) => call.place.made.get(source) === 'fetched')
    call.place.made.set(path, origin ? 'fetched' : 'made')
  }
  return SILENT
}

const write: Rule = (call) => {
  for (const path of call.operands) {
    writes(call, path)
    if (call.name === 'tee') call.place.made.set(path, 'made')
    if (call.name === 'tee' && !has(call, 'a', 'append') && !isOwnPath(path, call.place.cwd)) {
      risk(call, 'destroys', `tee overwrites ${path}`)
    }
  }
  if (call.name === 'truncate') risk(call, 'destroys')
  return call.name === 'tee' ? call.input : SILENT
}

const copyBlocks: Rule = (call) => {
  for (const text of call.args) {
    const end = text.indexOf('=')
    const key = text.slice(0, end)
    const value = text.slice(end + 1)
    if (key === 'if') {
      reads(call, value)
      if (
        /^\/dev\/(zero|urandom|random)$/.test(value) &&
        !call.args.some((word) => word.startsWith('count='))
      ) {
        risk(call, 'exhausts')
      }
    }
    if (key === 'of') {
      writes(call, value)
      if (!isOwnPath(value, call.place.cwd)) risk(call, 'destroys')
    }
  }
  return flow(null, 'files')
}

const permissions: Rule = (call) => {
  const [mode = '', ...paths] = call.operands
  for (const path of paths) writes(call, path)
  if (/^[2467]\d{3}$|[ugoa]*\+[rwxX]*s/.test(mode) || call.name === 'setcap')
    risk(call, 'escalates')
  if (call.name === 'chown' && /^(root|0)(:|$)/.test(mode)) risk(call, 'escalates')
  const isOutside = paths.some((path) => !isOwnPath(path, call.place.cwd))
  if (isOutside) risk(call, 'destroys')
  if (isOutside && paths.some((path) => isSystemPath(path))) risk(call, 'changes-system')
  return SILENT
}

/** Prints files. */
const show: Rule = (call) => {
  for (const [index, path] of call.operands.entries()) {
    const isPattern = index === 0 && /^(e|f|z)?grep$|^rg$|^sed$|^ag$/.test(call.name)
    if (!isPattern || has(call, 'e', 'f')) reads(call, path)
  }
  if (call.name === 'sed') editStream(call)
  const own = call.operands.length === 0 ? call.input : null
  if (call.name === 'cat' && own !== null && call.args.length === 0) return own
  const isDecoding =
    has(call, 'd', 'D', 'decode') ||
    /^(gunzip|zcat|bunzip2|xzcat|unxz|rev|tr|uudecode)$/.test(call.name)
  const isCoder =
    /^(base64|base32|basenc|gzip|bzip2|xz|uudecode|zcat|gunzip|bunzip2|rev|tr|unxz|xzcat)$/.test(
      call.name
    )
  const from = new Set(call.input.from)
  if (call.operands.length > 0 && call.name !== 'tr') from.add('files')
  if (isCoder && isDecoding) from.add('decoded')
  return { text: decoded(call), from }
}

/** What decoders make of a known text, so that the text behind them is judged as well. */
function decoded(call: Call): string | null {
  const { text } = call.input
  if (text === null || call.operands.length > 0) return null
  if (call.name === 'base64' && has(call, 'd', 'D', 'decode')) {
    return Buffer.from(text.replaceAll(/\s/g, ''), 'base64').toString('utf8')
  }
  if (call.name === 'rev' && call.args.length === 0) {
    return text.replaceAll(/[^\n]+/g, (line) => Array.from(line).toReversed().join(''))
  }
  return null
}

function editStream(call: Call): void {
  const scripts = [...valuesOf(call.args, '-e', '--expression'), ...call.operands.slice(0, 1)]
  for (const script of scripts) {
    const command = /(?:^|[;\n{}])\s*(?:\d+|\$|\/[^/]*\/)?\s*e\s+([^;\n]+)/.exec(script)
    if (command !== null) shellText(call, [{ text: command[1] ?? '', isExact: true }])
    const isRunning =
      command !== null || /(?:^|[;\n}])\s*(?:\d+|\$)?e\s*$|s(.).*\1.*\1[gpi\d]*e/.test(script)
    if (isRunning) risk(call, 'interprets-code', `sed runs ${script}`)
    const file = /(?:^|[;\n/gpi\d])w\s+([^;\n]+)/.exec(script)
    if (file !== null) writes(call, (file[1] ?? '').trim())
  }
  if (call.args.some((text) => /^-(i|-in-place)/.test(text))) {
    for (const path of call.operands.slice(1)) {
      writes(call, path)
      if (!isOwnPath(path, call.place.cwd)) risk(call, 'destroys')
    }
  }
}

const hex: Rule = (call) => {
  const isReverse = call.name === 'xxd' && has(call, 'r')
  for (const path of call.operands) reads(call, path)
  const { text, from } = call.input
  const isPlain = isReverse && has(call, 'p', 'ps', 'plain') && text !== null
  const bytes = isPlain ? Buffer.from(text.replaceAll(/\s/g, ''), 'hex').toString('utf8') : null
  return {
    text: bytes,
    from: new Set([...from, ...(isReverse ? (['decoded'] as const) : (['files'] as const))])
  }
}

const echo: Rule = (call) => {
  const isKnown =
    call.fields.every((field) => field.isExact) && !call.args.some((text) => text.includes('\\'))
  const isPlain = call.args[0]?.startsWith('-') !== true
  const isShort = call.args[0] === '-n' && call.args[1]?.startsWith('-') !== true
  const from = new Set(call.place.substituted)
  if (call.fields.some((field) => !field.isExact)) from.add('unknown')
  if (call.args.some((text) => /\\(x[0-9a-f]{2}|0?[0-7]{3})/i.test(text))) from.add('decoded')
  if (!isKnown || (!isPlain && !isShort)) return { text: null, from }
  return { text: isShort ? call.args.slice(1).join(' ') : `${call.args.join(' ')}\n`, from }
}

const print: Rule = (call) => {
  const [format = '', ...values] = call.args
  const from = new Set(call.place.substituted)
  if (call.fields.some((field) => !field.isExact)) from.add('unknown')
  if (/\\(x[0-9a-f]{2}|[0-7]{3})/i.test(format)) from.add('decoded')
  if (from.size > 0 || format.startsWith('-')) return { text: null, from }
  if (!/^(?:[^%\\]|\\n|%s|%%)*$/.test(format)) return { text: null, from }
  const places = format.match(/%s/g)?.length ?? 0
  if (values.length > places) return { text: null, from }
  let index = 0
  const text = format.replaceAll(/%s|%%|\\n/g, (found) => {
    if (found === '%s') return values[index++] ?? ''
    return found === '%%' ? '%' : '\n'
  })
  return { text, from }
}

function always(...names: readonly Parameters<typeof risk>[1][]): Rule {
  return (call) => {
    for (const name of names) risk(call, name)
    for (const path of call.operands) if (path.startsWith('/')) writes(call, path)
    return UNKNOWN
  }
}

const secretsOf: Rule = (call) => {
  risk(call, 'reads-secrets', `${call.name} prints what it knows`)
  return { text: null, from: new Set(['secrets']) }
}

const keys: Rule = (call) => {
  if (call.args.some((text) => /secret|decrypt|^-d$/.test(text))) risk(call, 'reads-secrets')
  if (call.args.some((text) => /delete|^--edit-key/.test(text))) risk(call, 'destroys')
  for (const path of call.operands) reads(call, path)
  return flow(null, 'files')
}

const archive: Rule = (call) => {
  for (const path of call.operands) reads(call, path)
  for (const path of valuesOf(call.args, '-f', '--file', '-C')) writes(call, path)
  for (const text of valuesOf(
    call.args,
    '--to-command',
    '-I',
    '--use-compress-program',
    '-TT',
    '--unzip-command',
    '--checkpoint-action',
    '-F',
    '--info-script',
    '--rsh-command'
  )) {
    risk(call, 'interprets-code', `${call.name} runs ${text}`)
    shellText(call, [{ text: text.replace(/^exec=/, ''), isExact: true }])
  }
  if (has(call, 'remove-files') || (call.name === 'zip' && has(call, 'm'))) risk(call, 'destroys')
  if (
    valuesOf(call.args, '-C', '-d', '--directory').some((path) => !isOwnPath(path, call.place.cwd))
  ) {
    risk(call, 'changes-system')
  }
  return flow(null, 'files', ...call.input.from)
}

const crontab: Rule = (call) => {
  if (has(call, 'r')) risk(call, 'destroys')
  if (!has(call, 'l')) risk(call, 'persists')
  return flow(null, 'files')
}

const services: Rule = (call) => {
  const verb = call.operands[0] ?? ''
  if (/^(enable|link|edit|load|bootstrap|reenable|add-wants|set-default)$/.test(verb))
    risk(call, 'persists')
  if (/^(stop|kill|restart|unload|bootout|isolate)$/.test(verb)) risk(call, 'kills')
  if (/^(poweroff|reboot|halt|suspend|hibernate|rescue|emergency|kexec)$/.test(verb))
    risk(call, 'destroys')
  if (!/^(status|show|list-.*|is-.*|cat|print|list)$/.test(verb)) risk(call, 'changes-system')
  return UNKNOWN
}

/** Package managers run what they fetch. */
const packages: Rule = (call) => {
  const [verb = '', ...rest] = call.operands
  const isInstall =
    /^(install|i|in|add|ci|update|upgrade|up|get|exec|x|run-script|create|init|dlx|build|download|tool|sync|reinstall|full-upgrade|dist-upgrade)$/.test(
      verb
    )
  if (isInstall) risk(call, 'runs-fetched-code')
  if (/^(publish|push|yank|owner|deploy|release)$/.test(verb)) risk(call, 'publishes')
  if (
    /^(run|test|start|t|run-script|exec|x|build|bench|check|clippy|rebuild|restart|stop|pack|version|ci|install|i)$/.test(
      verb
    )
  ) {
    risk(call, 'interprets-code', `${call.name} ${verb} runs scripts of the project`)
  }
  if (
    /^(pkg|set-script|config|set)$/.test(verb) &&
    rest.some((text) => /script|^set$|shell|prefix|git/.test(text))
  ) {
    risk(call, 'persists')
    for (const text of rest) {
      const script = /^scripts?\.[^=]+=(.*)$/.exec(text)
      if (script !== null) shellText(call, [{ text: script[1] ?? '', isExact: true }])
    }
  }
  if (/^(unpublish|deprecate|purge|autoremove|remove|rm|uninstall|erase)$/.test(verb))
    risk(call, 'destroys')
  for (const text of valuesOf(call.args, '-c', '--call', '--script-shell', '--node-options')) {
    risk(call, 'interprets-code')
    shellText(call, [{ text, isExact: true }])
  }
  const isSystem =
    /^(apt|apt-get|dpkg|yum|dnf|rpm|apk|pacman|zypper|brew|snap|flatpak|port|nix-env|emerge)$/.test(
      call.name
    )
  if (isSystem && !/^(list|search|show|info|policy|-Ss|-Qi)$/.test(verb))
    risk(call, 'changes-system')
  if (isSystem) risk(call, 'runs-fetched-code')
  if (has(call, 'g', 'global')) risk(call, 'changes-system')
  for (const text of call.args) {
    const option = /(?:Pre-Invoke|Post-Invoke|Dpkg::\S*?)[^=]*=(.*)/.exec(text)
    if (option !== null) shellText(call, [{ text: option[1] ?? '', isExact: true }])
    if (/^(https?|git\+\w+|ssh|file):/.test(text))
      call.findings.host(hostOf(text.replace(/^git\+/, '')))
  }
  return UNKNOWN
}

const runFetched: Rule = (call) => {
  risk(call, 'runs-fetched-code')
  risk(call, 'interprets-code')
  for (const text of valuesOf(call.args, '-c', '--call')) shellText(call, [{ text, isExact: true }])
  return UNKNOWN
}

const CONTAINER_RUNS =
  /^(run|exec|create|build|compose|up|start|load|import|cp|commit|plugin|service|stack|swarm)$/

const containers: Rule = (call) => {
  const verb = call.operands[0] ?? ''
  if (CONTAINER_RUNS.test(verb)) risk(call, 'escalates')
  if (CONTAINER_RUNS.test(verb) || verb === 'pull') risk(call, 'runs-fetched-code')
  if (/^(push|login)$/.test(verb)) risk(call, 'publishes')
  if (/^(rm|rmi|prune|system|volume|down|kill|stop|image)$/.test(verb)) risk(call, 'destroys')
  const shell = call.fields.findIndex((field) => /^(.*\/)?(ba|da|a)?sh$/.test(field.text))
  if (shell > 0)
    call.place.judge(call.fields.slice(shell), UNKNOWN, {
      ...call.place,
      depth: call.place.depth + 1
    })
  return UNKNOWN
}

/** `aws`, `gcloud`, `kubectl`, `gh`, ...: verbs decide. */
const cloud: Rule = (call) => {
  const line = call.args.join(' ')
  if (
    /\b(delete|destroy|terminate\S*|rm|rb|drop\S*|purge|wipe|remove|drain|down|flushall|flushdb|reset)\b/i.test(
      line
    )
  )
    risk(call, 'destroys')
  if (/\b(publish|release|deploy|apply|create|push|upload|merge)\b/.test(line))
    risk(call, 'publishes')
  if (/\b(cp|sync|mv|upload|put-\S+|send-\S+|create|gist|comment|api)\b/.test(line))
    risk(call, 'exfiltrates')
  if (
    /\b(token|credentials?|secrets?|get-secret\S*|configure|export-credentials|print-access-token|keys?|password)\b/.test(
      line
    )
  )
    risk(call, 'reads-secrets')
  if (/\b(exec|run|ssh|eval)\b/.test(line)) risk(call, 'interprets-code')
  for (const path of call.operands) if (/^[./~]/.test(path)) reads(call, path)
  return flow(null, 'network')
}

const kill: Rule = (call) => {
  if (call.args[0] !== '-l' && call.args[0] !== '-L') risk(call, 'kills')
  return SILENT
}

const accounts = always('persists', 'changes-system', 'escalates')

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...each(remove, 'rm unlink rmdir srm trash rimraf del'),
  ...each(
    shred,
    'shred wipe wipefs mkfs mkswap sfdisk fdisk parted sgdisk blkdiscard hdparm nvme cryptsetup lvremove vgremove pvremove zpool zfs mdadm dropdb dropuser mysqladmin'
  ),
  ...each(transfer, 'mv cp ln install rename'),
  ...each(write, 'touch mkdir tee truncate sponge mktemp mkfifo'),
  ...each(copyBlocks, 'dd dcfldd'),
  ...each(permissions, 'chmod chown chgrp chattr setfacl setcap'),
  ...each(
    show,
    'cat tac head tail less more most bat nl grep egrep fgrep rg ag sed sort uniq cut paste od strings diff cmp comm wc tr rev fold fmt column base64 base32 basenc gzip gunzip zcat bzip2 bunzip2 xz unxz xzcat uudecode uuencode md5sum sha1sum sha256sum sha512sum cksum stat file ls readlink realpath look pr expand jq yq split csplit find fd tree du locate'
  ),
  ...each(hex, 'xxd hexdump'),
  ...each(echo, 'echo'),
  ...each(print, 'printf'),
  ...each(
    secretsOf,
    'printenv security pass op bw keyring secret-tool vault lpass gopass ssh-add getfacl klist keyctl'
  ),
  ...each(keys, 'gpg gpg2'),
  ...each(archive, 'tar bsdtar zip unzip cpio 7z ar pax rar'),
  ...each(crontab, 'crontab'),
  ...each(
    services,
    'systemctl service launchctl rc-service initctl loginctl rc-update update-rc.d supervisorctl'
  ),
  ...each(
    packages,
    'npm pnpm yarn pip pip3 uv poetry pipenv conda mamba cargo gem bundle composer go apt apt-get aptitude dpkg yum dnf rpm apk pacman zypper brew snap flatpak port nix-env emerge mvn gradle dotnet rustup twine pdm bun deno'
  ),
  ...each(runFetched, 'npx pnpx bunx uvx pipx dlx nix-shell nix corepack'),
  ...each(containers, 'docker podman nerdctl buildah lxc lxd ctr crictl incus machinectl'),
  ...each(
    cloud,
    'aws gcloud gsutil az kubectl helm terraform tofu pulumi gh glab hub doctl heroku fly flyctl vercel netlify wrangler firebase redis-cli mongo mongosh etcdctl consul ansible ansible-playbook twilio s5cmd mc b2'
  ),
  ...each(kill, 'kill pkill killall killall5 skill xkill fuser'),
  ...each(
    always('destroys', 'changes-system', 'kills'),
    'shutdown reboot halt poweroff init telinit kexec'
  ),
  ...each(
    always('changes-system'),
    'sysctl iptables ip6tables nft ufw firewall-cmd ip ifconfig route hostnamectl timedatectl date-set modprobe insmod rmmod depmod update-alternatives swapon swapoff ldconfig locale-gen hostname losetup setenforce ethtool tc resolvectl nmcli networksetup defaults pmset csrutil'
  ),
  ...each(always('changes-system', 'escalates'), 'mount umount debugfs'),
  ...each(
    accounts,
    'useradd adduser usermod userdel groupadd passwd chpasswd visudo vipw gpasswd groupmod chsh dscl newgrp'
  ),
  ...each(always('persists'), 'at batch anacron direnv pre-commit husky lefthook'),
  ...each(always('exhausts'), 'yes stress stress-ng fallocate'),
  ...each(always('publishes', 'exfiltrates'), 'vsce ovsx surge now hf huggingface-cli'),
  ...each(always('hides'), 'history'),
  ...each(always('escalates', 'interprets-code'), 'gdbserver capsh runuser')
])

function each(rule: Rule, names: string): readonly (readonly [string, Rule])[] {
  return names.split(' ').map((name) => [name, rule] as const)
}

export function ruleOf(name: string): Rule | null {
  return RULES.get(name.startsWith('mkfs.') ? 'mkfs' : name) ?? null
}
