// The guardian: one shell, in a session of its own, that outlives the kernel by a moment. It holds the
// reading end of a pipe whose only writer is the kernel. When the kernel dies, of whatever cause, the pipe
// ends, and the guardian kills every group that was still alive and every process that carries this
// kernel's mark.
//
// Invariants
//   G1. What was told to the guardian counts although the kernel dies in the next instant: a line is in
//       the pipe when `add` returns.
//   G2. The guardian does not carry the mark, neither in its environment nor in its arguments, and no
//       signal but KILL ends it.
//   G3. A group is killed only if its leader is the one that was named, or is gone.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Logger } from '../../core/index.ts'
import type { Leader } from './os-processes.ts'

// `kill -s KILL` is the POSIX form: dash takes the dashes of `kill -KILL -- -5` for a number, and kills nothing.
// The first line is the mark, the second the folders of our control groups; then `+ group start`, `- group start`, and
// `c name`, `d name` for containers; `q` ends it without a killing.
// Only builtins until the end comes, and at the end three programs that every system has.
const SCRIPT = `
trap '' TERM INT HUP QUIT PIPE TSTP
PATH=/usr/bin:/bin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL
IFS= read -r mark || exit 0
IFS= read -r folders || exit 0
groups=' '
containers=' '
while read -r verb group start; do
  key="$group:$start"
  case $verb in
    +) groups="$groups$key " ;;
    -) case $groups in *" $key "*) groups="\${groups%%" $key "*} \${groups#*" $key "}" ;; esac ;;
    c) containers="$containers$group " ;;
    d) case $containers in *" $group "*) containers="\${containers%%" $group "*} \${containers#*" $group "}" ;; esac ;;
    q) exit 0 ;;
  esac
done
end_groups() {
  for key in $groups; do
    group=\${key%%:*}
    if [ -r "/proc/$group/stat" ]; then
      IFS= read -r line < "/proc/$group/stat" || continue
      set -- \${line##*) }
      [ "\${20}" = "\${key#*:}" ] || continue
    fi
    kill -s KILL -- "-$group"
  done
}
end_folders() {
  for folder in $folders; do
    for one in "$folder"/*/; do
      [ -e "$one/cgroup.procs" ] || continue
      if [ -e "$one/cgroup.kill" ]; then echo 1 >"$one/cgroup.kill"; continue; fi
      [ -e "$one/freezer.state" ] && echo FROZEN >"$one/freezer.state"
      while read -r item; do kill -s KILL "$item"; done <"$one/cgroup.procs"
      [ -e "$one/freezer.state" ] && echo THAWED >"$one/freezer.state"
    done
  done
}
end_containers() {
  [ "$containers" = ' ' ] || podman rm --force --ignore --time=0 $containers
}
marked() {
  if [ -r /proc/self/stat ]; then
    grep -lsF "$mark" /proc/[0-9]*/environ
  else
    ps -axEww -o pid=,command= | grep -F "$mark" | grep -v grep
  fi
}
end_marked() {
  list=$(marked)
  [ -n "$list" ] || return 1
  printf '%s\\n' "$list" | while read -r item rest; do
    item=\${item#/proc/}
    item=\${item%/environ}
    kill -KILL "$item"
  done
}
end_groups
end_folders
end_containers
calm=0
round=0
while [ $calm -lt 3 ] && [ $round -lt 50 ]; do
  if end_marked; then calm=0; else calm=$((calm + 1)); fi
  round=$((round + 1))
  sleep 0.1
done
# Once more: one that was about to make a container has been killed only now.
end_containers
# The groups are empty now, once their last zombies have been waited for.
round=0
for folder in $folders; do
  while [ -d "$folder" ] && [ $round -lt 50 ]; do
    rmdir "$folder"/*/ "$folder"
    [ -d "$folder" ] || break
    round=$((round + 1))
    sleep 0.1
  done
done
`

export class Guardian {
  readonly #deps: { readonly log: Logger }
  readonly #mark: string
  readonly #folders: string
  readonly #environment: Readonly<Record<string, string>>
  readonly #groups = new Map<number, Leader>()
  readonly #containers = new Set<string>()
  #shell: ChildProcess | null = null
  #isStopping = false

  /** `mark`: what the environment of every process of this kernel contains, and no other. */
  constructor(
    deps: { readonly log: Logger },
    options: {
      readonly mark: string
      readonly groupFolders: readonly string[]
      /** By which podman finds its containers. */
      readonly environment: Readonly<Record<string, string>>
    }
  ) {
    this.#deps = deps
    this.#mark = options.mark
    this.#environment = options.environment
    // A folder with a space would be two: it is left to the mark.
    this.#folders = options.groupFolders.filter((folder) => !/\s/.test(folder)).join(' ')
  }

  get osPid(): number | null {
    return this.#shell?.pid ?? null
  }

  start(): void {
    const shell = spawn('/bin/sh', ['-c', SCRIPT], {
      cwd: '/',
      env: this.#environment, // G2
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore']
    })
    this.#shell = shell
    shell.unref()
    shell.on('error', (error) => {
      this.#deps.log.error('Cannot start the guardian: children may outlive this kernel', {
        error: error.message
      })
    })
    shell.stdin?.on('error', () => {}) // It ended while we wrote; `exit` tells.
    shell.once('exit', (code, signal) => {
      if (this.#isStopping) return
      this.start()
      this.#deps.log.warn('The guardian has died and was replaced', { code, signal })
    })
    this.#tell(`${this.#mark}\n${this.#folders}\n`)
    for (const leader of this.#groups.values()) this.#tell(line('+', leader))
    for (const name of this.#containers) this.#tell(`c ${name}\n`)
  }

  add(leader: Leader): void {
    this.#groups.set(leader.osPid, leader)
    this.#tell(line('+', leader))
  }

  delete(leader: Leader): void {
    this.#groups.delete(leader.osPid)
    this.#tell(line('-', leader))
  }

  addContainer(name: string): void {
    this.#containers.add(name)
    this.#tell(`c ${name}\n`)
  }

  deleteContainer(name: string): void {
    this.#containers.delete(name)
    this.#tell(`d ${name}\n`)
  }

  /** Sends it home. To be called when nothing is left to guard. */
  async stop(): Promise<void> {
    const shell = this.#shell
    this.#isStopping = true
    if (shell?.pid === undefined || shell.exitCode !== null || shell.signalCode !== null) return
    const { promise, resolve } = Promise.withResolvers<void>()
    shell.ref()
    shell.once('exit', () => resolve())
    shell.stdin?.end('q\n')
    await promise
  }

  // The stream writes to the pipe at once, before it returns, as long as there is room in it (G1).
  #tell(text: string): void {
    this.#shell?.stdin?.write(text)
  }
}

function line(verb: '+' | '-', leader: Leader): string {
  return `${verb} ${leader.osPid} ${leader.start}\n`
}
