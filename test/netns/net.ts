// Networks for tests, made of the kernel's own parts: namespaces, veth pairs, bridges, nftables. All names
// carry this process's id, and `close()` removes all of them; needs root, iproute2 and nftables.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** The Internet of these tests, and the networks behind routers (RFC 5737, RFC 1918). */
const PUBLIC = '198.51.100'
const home = (router: number): string => `192.168.${router}`

const IGD = fileURLToPath(new URL('igd.ts', import.meta.url))

export interface Place {
  readonly namespace: string
  /** What the commands of a machine there run behind. */
  readonly words: readonly string[]
  readonly address: string
}

/** Why such networks cannot be made here, or null. */
export function missingRight(): string | null {
  for (const command of ['ip', 'nft']) {
    if (spawnSync(command, ['-V']).error !== undefined) return `${command} is not installed`
  }
  const name = `wn${process.pid}probe`
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' })
  if (made.status !== 0) return `no right to make network namespaces (${made.stderr.trim()})`
  const filtered = spawnSync('ip', ['netns', 'exec', name, 'nft', 'add', 'table', 'inet', 'probe'])
  spawnSync('ip', ['netns', 'del', name])
  return filtered.status === 0 ? null : 'no right to use nftables'
}

export class Net {
  readonly #prefix: string
  readonly #namespaces = new Set<string>()
  readonly #hub: string
  readonly #routers = new Map<string, { readonly words: readonly string[] }>()
  readonly #children = new Set<ChildProcess>()
  #count = 0

  constructor() {
    this.#prefix = `wn${process.pid}n`
    this.#hub = this.#namespace('hub')
    run('ip', '-n', this.#hub, 'link', 'add', 'lan', 'type', 'bridge')
    run('ip', '-n', this.#hub, 'link', 'set', 'lan', 'up')
  }

  /** A machine on the Internet. */
  machine(name: string): Place {
    const namespace = this.#namespace(name)
    const address = this.#attach(namespace, this.#hub)
    return placeOf(namespace, address)
  }

  /** A machine alone behind a router that translates addresses and lets nobody in. */
  behindNat(name: string): Place {
    const router = this.#namespace(`${name}r`)
    const outside = this.#attach(router, this.#hub)
    const namespace = this.#namespace(name)
    const number = this.#count++
    const [gateway, address] = [`${home(number)}.1`, `${home(number)}.2`]
    this.#pair([router, 'inside'], [namespace, 'eth0'])
    run('ip', '-n', router, 'address', 'add', `${gateway}/24`, 'dev', 'inside')
    run('ip', '-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0')
    run('ip', '-n', namespace, 'route', 'add', 'default', 'via', gateway)
    this.#inside(router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
    this.#filter(
      router,
      `table ip nat { chain post { type nat hook postrouting priority 100;
         oifname "eth0" snat to ${outside};
         }
       }
       table ip guard { chain forward { type filter hook forward priority 0; policy accept;
         iifname "eth0" ct state new drop;
         }
       }`
    )
    const words = ['netns', 'exec', router, process.execPath, IGD, gateway, outside]
    this.#routers.set(namespace, { words })
    return placeOf(namespace, address)
  }

  /**
   * From now on the router of `place` opens ports by UPnP, but not `taken`. @returns what it is asked, as
   * it comes: the action, the port, the error
   */
  async openPorts({ namespace }: Place, taken = ''): Promise<readonly string[]> {
    const router = this.#routers.get(namespace)
    assert(router !== undefined)
    const child = spawn('ip', [...router.words, taken], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#children.add(child)
    const lines: string[] = []
    const ready = Promise.withResolvers<void>()
    child.once('error', ready.reject)
    child.once('exit', () => ready.reject(new Error('the router does not open ports')))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      lines.push(...text.trim().split('\n'))
      if (lines.includes('ready')) ready.resolve()
    })
    await ready.promise
    return lines
  }

  /** Drops what `from` sends to `to`; the other way stays open. */
  cut(from: Place, to: Place): void {
    this.#filter(
      from.namespace,
      `table ip cut { chain out { type filter hook output priority 0; ip daddr ${to.address} drop;
       }
     }`
    )
  }

  /** Drops so many of a hundred packets that `place` sends, by chance, from now on. */
  lose({ namespace }: Place, percent: number): void {
    this.#filter(
      namespace,
      `table ip loss { chain out { type filter hook output priority 0;
         oifname "eth0" numgen random mod 100 < ${percent} counter drop;
       }
     }`
    )
  }

  /** Drops everything between the two. */
  split(one: Place, other: Place): void {
    this.cut(one, other)
    this.cut(other, one)
  }

  heal(...places: readonly Place[]): void {
    this.#removeTable('cut', places)
  }

  /** How many packets of `place` were lost since. */
  lost({ namespace }: Place): number {
    const words = ['netns', 'exec', namespace, 'nft', 'list', 'table', 'ip', 'loss']
    const { stdout } = spawnSync('ip', words, { encoding: 'utf8' })
    return Number(/counter packets (\d+)/.exec(stdout)?.[1])
  }

  /** Loses nothing any more. */
  gain(...places: readonly Place[]): void {
    this.#removeTable('loss', places)
  }

  /** Takes the cable out. */
  unplug({ namespace }: Place): void {
    run('ip', '-n', namespace, 'link', 'set', 'eth0', 'down')
    run('ip', '-n', namespace, 'address', 'flush', 'dev', 'eth0')
  }

  /** Puts it in again; the machine has another address then. */
  plug({ namespace }: Place): Place {
    const address = this.#publicAddress()
    run('ip', '-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0')
    run('ip', '-n', namespace, 'link', 'set', 'eth0', 'up')
    run('ip', '-n', namespace, 'route', 'replace', 'default', 'dev', 'eth0')
    return placeOf(namespace, address)
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const namespace of this.#namespaces) spawnSync('ip', ['netns', 'del', namespace])
    this.#namespaces.clear()
  }

  #removeTable(table: string, places: readonly Place[]): void {
    for (const { namespace } of places) {
      spawnSync('ip', ['netns', 'exec', namespace, 'nft', 'delete', 'table', 'ip', table])
    }
  }

  #namespace(name: string): string {
    const namespace = `${this.#prefix}${this.#namespaces.size}${name}`
    run('ip', 'netns', 'add', namespace)
    this.#namespaces.add(namespace)
    run('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
    return namespace
  }

  #attach(namespace: string, hub: string): string {
    const port = `port${this.#count}`
    const address = this.#publicAddress()
    this.#pair([hub, port], [namespace, 'eth0'])
    run('ip', '-n', hub, 'link', 'set', port, 'master', 'lan')
    run('ip', '-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0')
    // Multicast needs a route.
    run('ip', '-n', namespace, 'route', 'add', 'default', 'dev', 'eth0')
    return address
  }

  #publicAddress(): string {
    this.#count += 1
    return `${PUBLIC}.${this.#count}`
  }

  #pair(one: readonly [string, string], other: readonly [string, string]): void {
    const [here, there] = [one, other]
    const ends = ['name', here[1], 'netns', here[0], 'type', 'veth', 'peer', 'name', there[1]]
    run('ip', 'link', 'add', ...ends, 'netns', there[0])
    for (const [namespace, link] of [here, there]) {
      run('ip', '-n', namespace, 'link', 'set', link, 'up')
    }
  }

  #inside(namespace: string, ...words: readonly string[]): void {
    run('ip', 'netns', 'exec', namespace, ...words)
  }

  #filter(namespace: string, rules: string): void {
    const words = ['netns', 'exec', namespace, 'nft', '-f', '-']
    const { status, stderr } = spawnSync('ip', words, { input: rules, encoding: 'utf8' })
    assert.equal(status, 0, `nft in ${namespace}: ${stderr}`)
  }
}

function placeOf(namespace: string, address: string): Place {
  return { namespace, address, words: ['ip', 'netns', 'exec', namespace] }
}

function run(command: string, ...words: readonly string[]): void {
  const { status, stderr } = spawnSync(command, words, { encoding: 'utf8' })
  assert.equal(status, 0, `${command} ${words.join(' ')}: ${stderr}`)
}
