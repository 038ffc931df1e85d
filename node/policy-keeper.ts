// The policies of this node: the files of its home, their lock, and what an admin has given to the mesh. Changes
// to any of them go through here, asked of the gate and recorded first.
//
// Invariants
//   N1. Files of the home are taken at the start, and when their owner says so; never because they changed.
//   N2. With a lock, files that are not what it says are not taken, and nothing is allowed until they are locked
//       anew. Built-in policies count: a new version of weaver wants a new lock.
//   N3. The policy of the mesh only ever gets newer here, restarts included, and each is recorded before it counts.
//   N4. None is taken, whoever brings it, under which no other admin, or not the owner, could have the next applied.
//   N5. That of a mesh which this node has left is none, from the next decision on.

import { WeaverError } from '../core/index.ts'
import type { Cbor, Clock, KeyValueStore, Logger, MeshId, NodeId, Signer } from '../core/index.ts'
import {
  driftFrom,
  EnginePolicy,
  isNewBeginning,
  isNewer,
  isOfMesh,
  isVoid,
  loadCedar,
  lockedSet,
  nextVersion,
  readMeshPolicy,
  shippedSchema,
  shippedSources,
  signMeshPolicy,
  sourceDigest,
  writeLock
} from '../governance/index.ts'
import type {
  CedarPolicy,
  Gate,
  LockedSet,
  MeshPolicy,
  PolicyFacts,
  PolicySource,
  PolicyTexts,
  Principal,
  Rule
} from '../governance/index.ts'
import type { Mesh } from '../mesh/index.ts'
import { makeFolder, writeWhole } from './home-files.ts'
import type { NodeLedger } from './ledger.ts'
import { lockPath, readLock, readPolicyFiles } from './policy-files.ts'

export interface PolicyKeeperDeps {
  readonly store: KeyValueStore
  readonly signer: Signer
  readonly clock: Clock
  /** Counts the work of this thread; absent: the clock does. */
  readonly workClock?: Pick<Clock, 'now'>
  readonly log: Logger
  readonly facts: PolicyFacts
  readonly meshId: () => MeshId | null
}

/** What is there only when the kernel is put together. */
export interface PolicyRooms {
  readonly gate: Gate
  readonly ledger: NodeLedger
  readonly mesh: Mesh
}

export interface PolicyState {
  /** Why nothing is allowed but what mends it; null: the policies are in force. */
  readonly refused: string | null
  readonly lock: 'none' | 'ok' | 'drifted'
  /** What is not as it was locked, or as it was taken. */
  readonly drift: readonly string[]
  readonly mesh: MeshPolicy | null
}

const STORE_KEY = 'policy/mesh'
const OWNER = { kind: 'owner' } as const
const DRIFTED = 'policy.lock-drifted'

export class PolicyKeeper {
  readonly policy: EnginePolicy
  readonly #deps: PolicyKeeperDeps
  readonly #folder: string
  /** The home's texts in force. */
  #taken: readonly PolicySource[] | null = null
  #mesh: MeshPolicy | null = null
  /** The mesh whose policy is among the rules in force, if it has one. */
  #ruledFor: MeshId | null = null
  #renewing: Promise<void> | null = null
  #changing: Promise<unknown> = Promise.resolve()

  /** Nothing is read before the first decision. */
  constructor(deps: PolicyKeeperDeps, options: { readonly folder: string }) {
    this.#deps = deps
    this.#folder = options.folder
    this.policy = new EnginePolicy({
      loadEngine: loadCedar,
      facts: deps.facts,
      clock: deps.workClock ?? deps.clock,
      log: deps.log,
      texts: () => this.#firstTexts(),
      renew: () => this.#renew()
    })
  }

  /** Reads what the mesh was given last; the engine and the home's files wait for the first decision. */
  async open(): Promise<void> {
    this.#mesh = await this.#storedMesh(this.#deps.meshId())
  }

  /** N5 */
  meshPolicy(): MeshPolicy | null {
    return this.#mesh?.mesh === this.#deps.meshId() ? this.#mesh : null
  }

  /** Cheap enough to be asked for each status: it reads the home's few files. */
  state(): PolicyState {
    const refused = this.policy.isLoaded() ? this.policy.refusal() : null
    const { lock, drift } = this.#look()
    return { refused: refused?.why ?? null, lock, drift, mesh: this.meshPolicy() }
  }

  async rules(): Promise<readonly Rule[]> {
    await this.policy.ready()
    return this.policy.rules()
  }

  /** What `text` would say beside the project's own. @throws WeaverError `GOVERNANCE_POLICY_INVALID` */
  async validate(name: string, text: string): Promise<readonly Rule[]> {
    const trial = await this.policy.trial([{ name, text, isBuiltIn: false }])
    return trial.rules.filter(({ source }) => source === name)
  }

  /** Gives `text` to the whole mesh, in the place of what it had. */
  applyToMesh(rooms: PolicyRooms, text: string): Promise<MeshPolicy> {
    return this.#alone(async () => {
      const { mesh } = rooms
      const meshId = mesh.meshId()
      const { signer, clock } = this.#deps
      if (meshId === null || mesh.member(signer.nodeId)?.role !== 'admin') {
        throw new WeaverError(
          'NODE_NOT_ADMIN',
          'Cannot apply a policy to the mesh: this node is no admin of it',
          { detail: { hint: 'run it on an admin: weaver mesh peers shows who is one' } }
        )
      }
      await this.policy.ready()
      const version = nextVersion(this.meshPolicy(), this.#isVoid(mesh))
      if (version === null) throw noVersionLeft()
      const next = signMeshPolicy(signer, {
        mesh: meshId,
        version,
        madeAt: clock.wall(),
        text
      })
      await this.#refuseLockOut(rooms, next)
      await this.#takeMesh(rooms, next, OWNER)
      return next
    })
  }

  /** What another member sent. Resolves with whether it is in force here now. */
  receive(rooms: PolicyRooms, bytes: Uint8Array): Promise<boolean> {
    return this.#alone(async () => {
      const meshId = rooms.mesh.meshId()
      if (meshId === null) return false
      await this.policy.ready()
      const next = readMeshPolicy(bytes, meshId)
      const held = this.meshPolicy()
      const isWanted = this.#isVoid(rooms.mesh) ? isNewBeginning(next) : isNewer(next, held)
      if (!isWanted) return false // N3
      // Of anybody else the gate says, on record, that they may not.
      const isByAdmin = rooms.mesh.member(next.by)?.role === 'admin'
      if (isByAdmin) await this.#refuseLockOut(rooms, next) // N4
      // Whoever brought it is nobody: its author is asked for, by what the mesh says of it now.
      await this.#takeMesh(rooms, next, { kind: 'member', nodeId: next.by })
      return true
    })
  }

  /** Adds one policy to the home's own file, and takes it. */
  add(rooms: PolicyRooms, line: string): Promise<void> {
    return this.#alone(async () => {
      await this.policy.ready()
      const home = readPolicyFiles(this.#folder)
      const name = 'home/local.cedar'
      const before = home.find((each) => each.name === name)?.text ?? ''
      const text = `${before}${await this.policy.format(line)}\n`
      const sources = [
        ...home.filter((each) => each.name !== name),
        { name, text, isBuiltIn: false }
      ].toSorted((one, other) => (one.name < other.name ? -1 : 1))
      const trial = await this.policy.trial(this.#with(sources, this.meshPolicy()))
      const hadLock = readLock(this.#folder) !== null
      if (hadLock) this.#refuseDrift(home)
      await this.#record(
        rooms,
        'policy.applied',
        { added: line.slice(0, 4000) },
        sourceDigest(text)
      )
      makeFolder(this.#folder)
      writeWhole(`${this.#folder}/local.cedar`, text)
      if (hadLock) this.#writeLock(lockedOf(trial, sources))
      await this.#take(sources)
    })
  }

  /** Takes the home's files as they are now. @throws WeaverError `NODE_POLICY_DRIFTED` against a lock */
  reload(rooms: PolicyRooms): Promise<void> {
    return this.#alone(async () => {
      await this.policy.ready()
      const sources = readPolicyFiles(this.#folder)
      if (readLock(this.#folder) !== null) this.#refuseDrift(sources)
      await this.policy.trial(this.#with(sources, this.meshPolicy()))
      await this.#record(rooms, 'policy.applied', {}, digestOf(sources))
      await this.#take(sources)
    })
  }

  /** What others may have of it: nothing, where it is void. */
  offered(mesh: Pick<Mesh, 'member'>): MeshPolicy | null {
    return this.#isVoid(mesh) ? null : this.meshPolicy()
  }

  #isVoid(mesh: Pick<Mesh, 'member'>): boolean {
    const held = this.meshPolicy()
    return held !== null && isVoid(held, mesh.member(held.by)?.role === 'admin')
  }

  /** Takes the home's files as they are now, and locks them. */
  lock(rooms: PolicyRooms): Promise<LockedSet> {
    return this.#alone(async () => {
      await this.policy.ready()
      const sources = readPolicyFiles(this.#folder)
      const trial = await this.policy.trial(this.#with(sources, this.meshPolicy()))
      const locked = lockedOf(trial, sources)
      const payload = { sources: locked.sources.map((each) => ({ ...each })), rules: locked.rules }
      await this.#record(rooms, 'policy.locked', payload, locked.rules)
      makeFolder(this.#folder)
      this.#writeLock(locked)
      await this.#take(sources)
      return locked
    })
  }

  async #firstTexts(): Promise<PolicyTexts> {
    this.#ruledFor = this.#deps.meshId()
    this.#mesh = await this.#storedMesh(this.#ruledFor)
    const home = readPolicyFiles(this.#folder)
    const sources = this.#with(home, this.meshPolicy())
    const lock = readLock(this.#folder)
    if (lock !== null) {
      const trial = await this.policy.trial(sources)
      const drift = driftFrom(lock, this.#deps.signer.nodeId, lockedOf(trial, home))
      if (drift.length > 0) return { sources: [], refused: { rule: DRIFTED, why: driftWhy(drift) } } // N2
    }
    this.#taken = home
    return { sources, refused: null }
  }

  /** N5 */
  #renew(): Promise<void> | null {
    const mesh = this.#deps.meshId()
    if (this.#ruledFor === mesh) return null
    // Not alone: what changes the policies asks for a decision itself.
    this.#renewing ??= this.#renewFor(mesh).finally(() => {
      this.#renewing = null
    })
    return this.#renewing
  }

  async #renewFor(mesh: MeshId | null): Promise<void> {
    this.#mesh = await this.#storedMesh(mesh)
    await this.#retake()
    this.#ruledFor = mesh
  }

  async #storedMesh(mesh: MeshId | null): Promise<MeshPolicy | null> {
    const stored = await this.#deps.store.get(STORE_KEY)
    if (mesh === null || stored === null || !isOfMesh(stored, mesh)) return null
    return readMeshPolicy(stored, mesh)
  }

  #look(): Pick<PolicyState, 'lock' | 'drift'> {
    try {
      const home = readPolicyFiles(this.#folder)
      const lock = readLock(this.#folder)
      const isDrifted = this.policy.isLoaded() && this.policy.refusal()?.rule === DRIFTED
      const drift = this.policy.isLoaded() && !isDrifted ? changes(this.#taken ?? [], home) : []
      if (lock === null) return { lock: 'none', drift }
      const own = driftFrom(lock, this.#deps.signer.nodeId, sourcesOnly(home))
      return { lock: own.length > 0 ? 'drifted' : 'ok', drift: own.length > 0 ? own : drift }
    } catch (error) {
      return { lock: 'drifted', drift: [error instanceof Error ? error.message : String(error)] }
    }
  }

  /**
   * A policy under which no admin could apply another would be the last one of its mesh; one under which its author alone
   * could, as soon as that is evicted. What this home says beside it is this home's affair.
   */
  async #refuseLockOut({ mesh }: Pick<PolicyRooms, 'mesh'>, next: MeshPolicy): Promise<void> {
    const trial = await this.policy.trial(this.#with([], next))
    const may = (principal: Principal): boolean => {
      const resource = 'policy:mesh'
      const context = { digest: next.digest, version: next.version }
      const request = { principal, action: 'policy.apply', resource, context } as const
      return trial.decide(request).verdict === 'allow'
    }
    const others = mesh
      .members()
      .flatMap(({ nodeId, role }) => (role === 'admin' && nodeId !== next.by ? [nodeId] : []))
    const isStuck =
      !may(OWNER) ||
      !may({ kind: 'member', nodeId: next.by }) ||
      (others.length > 0 && !others.some((nodeId) => may({ kind: 'member', nodeId })))
    trial.close()
    if (!isStuck) return
    throw new WeaverError(
      'NODE_POLICY_LOCKS_OUT',
      'Cannot apply this policy: under it no admin could apply another one, or its author alone',
      { detail: { hint: 'let admins of the mesh and the owner do policy.apply' } }
    )
  }

  async #takeMesh(
    { gate }: PolicyRooms,
    next: MeshPolicy,
    principal: typeof OWNER | { readonly kind: 'member'; readonly nodeId: NodeId }
  ): Promise<void> {
    const { store } = this.#deps
    const trial = await this.policy.trial(this.#with(this.#taken ?? [], next))
    trial.close()
    const { version, digest, by } = next
    const actor = principal.kind === 'owner' ? 'user:local' : `node:${by}`
    const payload = { version, digest, by, policies: trial.rules.length }
    await gate.authorizeWith(
      { principal, action: 'policy.apply', resource: 'policy:mesh', context: { digest, version } },
      [{ kind: 'policy.applied', actor, subject: 'policy:mesh', payload }]
    )
    await store.write([{ key: STORE_KEY, value: next.bytes }])
    // From here no older one is ever taken again (N3).
    this.#mesh = next
    await this.#retake()
    this.#deps.log.info('A policy of the mesh is in force', { version, by })
  }

  async #record({ gate }: PolicyRooms, kind: string, payload: Cbor, digest: string): Promise<void> {
    const resource = 'policy:home'
    const request = {
      principal: OWNER,
      action: 'policy.apply',
      resource,
      context: { digest }
    } as const
    await gate.authorizeWith(request, [{ kind, actor: 'user:local', subject: resource, payload }])
  }

  /** A policy of the mesh does not mend the home's: where that was not taken, it is looked at anew. */
  async #retake(): Promise<void> {
    if (this.#taken !== null) return this.#take(this.#taken)
    const { sources, refused } = await this.#firstTexts()
    if (refused === null) await this.policy.take(sources)
    else await this.policy.refuse(refused.rule, refused.why)
  }

  async #take(home: readonly PolicySource[]): Promise<void> {
    await this.policy.take(this.#with(home, this.meshPolicy()))
    this.#taken = home
  }

  #with(home: readonly PolicySource[], mesh: MeshPolicy | null): readonly PolicySource[] {
    return mesh === null ? home : [...home, { name: 'mesh', text: mesh.text, isBuiltIn: false }]
  }

  #refuseDrift(home: readonly PolicySource[]): void {
    const lock = readLock(this.#folder)
    const drift = lock === null ? [] : driftFrom(lock, this.#deps.signer.nodeId, sourcesOnly(home))
    if (drift.length === 0) return
    const why = `${drift.join('; ')}, since they were locked`
    throw new WeaverError('NODE_POLICY_DRIFTED', `Cannot use the policies: ${why}`, {
      detail: { hint: 'look at them, then lock them: weaver policy lock' }
    })
  }

  #writeLock(locked: LockedSet): void {
    const { signer, clock } = this.#deps
    writeWhole(lockPath(this.#folder), writeLock(signer, locked, clock.wall()))
  }

  /** One change at a time: each begins from what the one before left. */
  #alone<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(change)
    this.#changing = done.catch(() => undefined) // Its caller hears of it.
    return done
  }
}

function lockedOf(compiled: CedarPolicy, home: readonly PolicySource[]): LockedSet {
  const names = new Set(home.map(({ name }) => name))
  const own = shippedSources()
  for (const { name } of own) names.add(name)
  const rules = compiled.rules.filter(({ source }) => names.has(source))
  return lockedSet(shippedSchema(), [...own, ...home], rules)
}

/** For a look that loads no engine: the digests of the texts alone. The rules follow from them. */
function sourcesOnly(home: readonly PolicySource[]): Pick<LockedSet, 'sources'> {
  const { sources } = lockedSet(shippedSchema(), [...shippedSources(), ...home], [])
  return { sources } // Not the rules of none: they would never be those that were locked.
}

function changes(taken: readonly PolicySource[], now: readonly PolicySource[]): readonly string[] {
  const before = new Map(taken.map(({ name, text }) => [name, text]))
  const found: string[] = []
  for (const { name, text } of now) {
    if (!before.has(name)) found.push(`${name} is new, and not in force`)
    else if (before.get(name) !== text) found.push(`${name} has changed, and is in force as it was`)
    before.delete(name)
  }
  for (const name of before.keys()) found.push(`${name} is gone, and still in force`)
  return found
}

function digestOf(sources: readonly PolicySource[]): string {
  return sourceDigest(JSON.stringify(sources.map(({ name, text }) => [name, text])))
}

function driftWhy(drift: readonly string[]): string {
  return `${drift.join('; ')}, since they were locked: weaver policy lock`
}

function noVersionLeft(): WeaverError {
  return new WeaverError(
    'NODE_POLICY_NO_VERSION',
    'Cannot apply a policy to the mesh: the one in force has the highest version there is',
    {
      detail: {
        hint: 'no admin comes there by counting: look at who signed it, and evict that node'
      }
    }
  )
}
