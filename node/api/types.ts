// What the control API says, as JSON. Ids, names and times are plain text and numbers here: the caller may be any
// program. Times (`...At`, `time`, `lastSeen`) are milliseconds since 1970. `schemas.ts` checks and
// publishes the same shapes; the compiler holds the two together.

import type { PolicySummary } from './policy-types.ts'

/** Any JSON value. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** Every failed request's body is `{"error": ApiErrorBody}`. */
export interface ApiErrorBody {
  readonly code: string
  readonly message: string
  /** What to do next, one line; null when nobody can do anything. */
  readonly hint: string | null
}

export interface Gpu {
  readonly vendor: string
  readonly model: string
  readonly memoryBytes: number
  /** True when a person declared it by hand (`--gpu SPEC`), false when the vendor's tool named it. */
  readonly declared: boolean
}

export interface Resources {
  readonly cpus: number
  readonly memoryBytes: number
  readonly gpus: readonly Gpu[]
}

export type Labels = Readonly<Record<string, string>>

export interface MeshSummary {
  readonly id: string | null
  readonly members: number
  readonly connected: number
  /** Why the mesh refuses this node (a copied home, for one), or null. */
  readonly refused: string | null
}

export interface KernelStatus {
  readonly running: boolean
  readonly pid: number
  readonly nodeId: string
  readonly name: string
  readonly mesh: MeshSummary
  readonly uptimeMs: number
  readonly home: string
  /** The TCP address of the control API, `http://127.0.0.1:7070`, or null when there is none. */
  readonly http: string | null
  readonly version: string
  readonly listen: readonly string[]
  readonly resources: Resources
  readonly labels: Labels
  /** Null where this kernel decides by its plain rules. */
  readonly policy: PolicySummary | null
}

export type ProcessKind = 'agent' | 'service' | 'task' | 'tool'
export type ProcessState =
  | 'starting'
  | 'running'
  | 'suspended'
  | 'stopping'
  | 'exited'
  | 'failed'
  | 'lost'

/** How a process ended: one of the two is null. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

export interface ProcessRow {
  readonly pid: number
  readonly gpid: string
  /** The node's name. */
  readonly node: string
  readonly name: string
  readonly kind: ProcessKind
  readonly runtime: string | null
  readonly state: ProcessState
  /** The pid of the process that started it, or null. */
  readonly parent: number | null
  readonly startedAt: number
  readonly cpuPercent: number | null
  readonly memoryBytes: number | null
  readonly restarts: number
  readonly exit: Exit | null
  readonly containment: string
  /** The task it runs for, or null. */
  readonly task: string | null
  /** Places, among the node's GPUs, of those that it holds. */
  readonly gpus: readonly number[]
  /** Since when the row's node has been out of reach; null unless `state` is `lost`. */
  readonly lostSince: number | null
}

export interface ProcessQuery {
  /** A node's name or a unique prefix of its id; null means this node. Not read when `all` is set. */
  readonly node: string | null
  /** Rows of every node. */
  readonly all: boolean
}

/** Something that happened in the kernel, for `kernel attach` and other live views. */
export interface KernelEvent {
  readonly time: number
  /** `process.started`, `peer.alive`, `task.running`, ... */
  readonly kind: string
  readonly subject: string
  /** One sentence for people. */
  readonly message: string
  readonly detail: { readonly [key: string]: Json }
}

export type OutputStream = 'stdout' | 'stderr'

/** A piece of what a process wrote. */
export interface OutputChunk {
  readonly stream: OutputStream
  /** The bytes in base64: output need not be text. */
  readonly base64: string
}

export interface LogLine {
  readonly time: number
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: { readonly [key: string]: Json }
}

export type Role = 'member' | 'admin'

export interface InviteRequest {
  readonly ttlMs: number
  readonly uses: number
  readonly role: Role
}

export interface Invite {
  readonly invite: string
  readonly expiresAt: number
  readonly uses: number
}

export interface MeshStatus extends MeshSummary {
  readonly nodeId: string
  /** The node id with its three check digits, as people should read and type it. */
  readonly nodeIdText: string
  /** How many admins must sign what changes the membership. */
  readonly signatures: number
  /** 0: this machine answers in time; higher: it is too busy, up to 8. */
  readonly healthScore: number
  readonly name: string
  readonly listen: readonly string[]
}

export type PeerState = 'self' | 'alive' | 'suspect' | 'dead' | 'left'

/** What became of a change of the membership. */
export interface MembershipAct {
  /** Null where nothing had to be said. */
  readonly statement: string | null
  /** False while signatures of other admins are missing. */
  readonly inForce: boolean
  readonly signers: readonly string[]
  readonly needed: number
  /** Members, by name, that have it on their disks, and those that get it when they are reachable. */
  readonly confirmed: readonly string[]
  readonly outstanding: readonly string[]
}

/** A change of the membership that waits for signatures. */
export interface PendingChange {
  readonly statement: string
  readonly what: string
  readonly signers: readonly string[]
  readonly needed: number
}

export interface Peer {
  readonly nodeId: string
  readonly nodeIdText: string
  readonly name: string
  readonly state: PeerState
  readonly rttMs: number | null
  readonly role: Role
  readonly addresses: readonly string[]
  readonly gpus: readonly Gpu[]
  readonly labels: Labels
  readonly lastSeen: number | null
  /** How it is connected now; null while it is not, and for this node itself. */
  readonly connection: 'direct' | 'relayed' | null
  readonly path: PathKind | null
  /** The name of the node that relays; null on a direct path. */
  readonly relay: string | null
}

/** Best first; `public` is IPv6, a mapped port or any other address of the Internet. */
export type PathKind = 'lan' | 'overlay' | 'public' | 'relay'

/** One round trip to a connected node. */
export interface PathPing {
  readonly node: string
  readonly nodeId: string
  readonly rttMs: number
  readonly connection: 'direct' | 'relayed'
  readonly path: PathKind
  readonly address: string
  readonly relay: string | null
}

/** What this network allows. */
export interface Netcheck {
  /** Addresses that could be dialled from anywhere over IPv6. */
  readonly ipv6: readonly string[]
  /** Whether multicast works here, which finds members on the LAN. */
  readonly multicast: boolean
  /** Whether a router offers to open ports. */
  readonly upnp: boolean
  /** Ports of this node that it has opened, as addresses. */
  readonly mapped: readonly string[]
  /** Members that relay for this node when it cannot be dialled. */
  readonly relays: readonly {
    readonly node: string
    readonly nodeId: string
    readonly rttMs: number | null
  }[]
  readonly direct: number
  readonly relayed: number
  readonly listen: readonly string[]
  /** What to do about the rest, each a sentence. */
  readonly advice: readonly string[]
}

/** One node as its peers see it. */
export interface NodeView extends Peer {
  readonly version: string | null
  readonly resources: Resources | null
  /** Processes that run there now. */
  readonly processes: number
  /** Share of the machine's cores in use, 0 to 100; null when nothing has been heard yet. */
  readonly cpuPercent: number | null
  readonly memoryBytesFree: number | null
}

/** How a process is confined; see docs/containment.md. */
export interface SandboxSpec {
  readonly containment: 'os' | 'none'
  /** `fs.read:/path`, `env:NAME`, ...: see docs/cli.md. */
  readonly grants: readonly string[]
  /** Null: no limit. */
  readonly limits: {
    readonly memoryBytes: number | null
    readonly cpus: number | null
    readonly pids: number | null
  }
  /** What policies know it by when it asks its kernel for something. */
  readonly role?: string | undefined
  /** Runs it in a container of this image, which must be on the node that runs it. */
  readonly image?: string | undefined
}

export interface TaskSubmission {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Null: a fresh folder of its own on the node that runs it. */
  readonly cwd: string | null
  /** `1`, `1:24GB`, `nvidia:1:24GB`; null: none. */
  readonly gpu: string | null
  readonly labels: Labels
  /** Where to run it; null: wherever it fits. */
  readonly node: string | null
  readonly timeoutMs: number | null
  readonly sandbox: SandboxSpec
}

export type TaskState =
  | 'queued'
  | 'offered'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'timed-out'
  | 'lost'

export interface Task {
  readonly taskId: string
  readonly state: TaskState
  /** Names of nodes. */
  readonly origin: string
  readonly executor: string | null
  readonly epoch: number
  readonly attempts: number
  readonly exit: Exit | null
  readonly submittedAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
  /** The id of the chain entry that committed the result, or null before. */
  readonly receipt: string | null
  readonly command: readonly string[]
  readonly containment: string
  readonly grants: readonly string[]
  /** Null: it was given none. */
  readonly role: string | null
  /** One sentence: what it waits for, or why it failed; null when there is nothing to say. */
  readonly reason: string | null
}

export interface TaskAccepted {
  readonly taskId: string
}

export type Restart = 'permanent' | 'transient' | 'temporary'

export interface AgentSpec {
  readonly runtime: string
  readonly name: string
  readonly node: string | null
  readonly gpu: string | null
  readonly restart: Restart
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Null: a folder of its own. */
  readonly cwd: string | null
  readonly sandbox: SandboxSpec
}

/** An agent: its row, and how it is kept alive. */
export interface Agent extends ProcessRow {
  readonly restart: Restart
  readonly command: readonly string[]
  readonly grants: readonly string[]
  /** Null: it was given none. */
  readonly role: string | null
  /** Why it failed, or what it waits for. */
  readonly reason: string | null
}

/** What a process is to its kernel. */
export interface SelfView {
  readonly pid: number
  readonly gpid: string
  readonly node: string
  /** Its name, where it is an agent. */
  readonly agent: string | null
  readonly role: string
  readonly containment: string
  readonly grants: readonly string[]
  readonly limits: {
    readonly memoryBytes: number | null
    readonly cpus: number | null
    readonly pids: number | null
  }
  /** The process that asked for it, or null. */
  readonly parent: number | null
  readonly task: string | null
}

export interface Runtime {
  readonly name: string
  readonly description: string
  readonly available: boolean
  /** Why it is not available, or null. */
  readonly reason: string | null
}

export interface ToolSummary {
  readonly name: string
  readonly version: string
  readonly description: string
  /** Of the component: `sha256:` and 64 hexadecimal digits. */
  readonly digest: string
}

export interface Tool extends ToolSummary {
  readonly sizeBytes: number
  /** What it may reach, beside its input: empty for most tools. */
  readonly grants: readonly string[]
  /** JSON Schema of its input, or null when it declares none. */
  readonly input: Json
  readonly limits: { readonly timeoutMs: number; readonly memoryBytes: number }
}

export interface ToolCall {
  readonly input: Json
  readonly node: string | null
  /** `none`: the tool's worker without the walls of the operating system, where policy allows that. */
  readonly containment: 'os' | 'none'
}

export interface ToolResult {
  readonly ok: boolean
  readonly output: Json
  readonly error: { readonly code: string; readonly message: string } | null
  readonly durationMs: number
  readonly memoryBytes: number | null
}

export interface Checkpoint {
  readonly size: number
  readonly root: string
  readonly witnesses: readonly string[]
}

/**
 * `ended`: the lane's key has handed over to another one, which goes on in its own lane. `unkept`: there is more of
 * it, and this node was told not to keep it.
 */
export type LaneState = 'ok' | 'behind' | 'unkept' | 'ended' | 'forked' | 'truncated'

/** A proof file, as its text. */
export interface ChainProof {
  readonly proof: string
}

/** A piece of an export file. */
export interface ExportChunk {
  readonly base64: string
}

export interface ChainLane {
  /** The node's name. */
  readonly node: string
  readonly nodeId: string
  readonly height: number
  readonly entries: number
  /** The hash of the newest block, hexadecimal. */
  readonly head: string
  /** Milliseconds that its newest entry, or its clock, is ahead of this node's clock; 0 within the usual tolerance. */
  readonly clockAheadMs: number
  /** Milliseconds that the node's clock was behind this one's when it cosigned last; 0 within the tolerance. */
  readonly clockBehindMs: number
  readonly checkpoint: Checkpoint | null
  readonly state: LaneState
  /** How much of it this node keeps. `filling`: whole, but older payloads are lacking still. */
  readonly kept: 'whole' | 'filling' | 'headers' | 'none'
  /** What its blocks take on this disk. */
  readonly bytes: number
  /** The key that goes on where this lane has ended. */
  readonly heir: string | null
}

/** Which lanes of others are to be kept whole, by node; null for all. */
export interface ChainKeep {
  readonly lanes: readonly string[] | null
  /** What is to be kept of the other lanes: nothing (so by default), or blocks without payloads. */
  readonly rest?: 'none' | 'headers' | undefined
}

/** What a node keeps from now on. */
export interface ChainKept {
  readonly lanes: readonly string[] | null
  readonly rest: 'none' | 'headers'
  /** Nodes of whose lanes the headers are kept: the admins among them always, since their redactions count here. */
  readonly headersOnly: readonly string[]
  /** Nodes whose lanes are to be whole, and of which nobody who is here could give all payloads. */
  readonly lacking: readonly string[]
  /** What the disk has got back. */
  readonly freedBytes: number
}

/** A change of key that has been asked for: it is carried out by the next start. */
export interface KeyRotation {
  readonly from: string
  readonly to: string
}

export interface ChainStatus {
  readonly mesh: string | null
  readonly lanes: readonly ChainLane[]
}

export interface ChainProblem {
  readonly lane: string
  readonly height: number | null
  readonly entry: string | null
  readonly code: string
  readonly message: string
}

export interface ChainReport {
  readonly ok: boolean
  readonly lanes: number
  readonly blocks: number
  readonly entries: number
  readonly signatures: number
  /** Blocks of these whose bytes are those of an earlier verification; absent where there was none. */
  readonly unchanged?: number | undefined
  /** Of those, blocks that were not read: by the file system's word nobody has written to their files since. */
  readonly unread?: number | undefined
  /** Nodes of whose lanes only headers are kept here: what their payloads say was not checked. */
  readonly headersOnly?: readonly string[] | undefined
  readonly problems: readonly ChainProblem[]
}

export interface ChainVerifyQuery {
  /** A node; null: all lanes. */
  readonly lane: string | null
  /** Read and check all anew, also what has been verified before and has not changed since. */
  readonly full: boolean
}

/** How far a verification is; the last step carries the report. */
export interface ChainVerifyStep {
  readonly lane: string | null
  readonly height: number
  readonly heightMax: number
  readonly blocks: number
  readonly entries: number
  readonly report: ChainReport | null
}

/** The name of a secret, and when it was last set. There is no operation that gives out its value. */
export interface SecretRow {
  readonly name: string
  readonly setAt: number
}

export interface SecretValue {
  readonly base64: string
}

export interface ChainRedactionRequest {
  readonly entry: string
  readonly reason: string
}

export interface ChainRedaction {
  readonly entry: string
  /** The `chain.redacted` entry. */
  readonly by: string
  readonly reason: string
}

export interface ChainRepairedLane {
  readonly lane: string
  /** Blocks that were damaged or missing, and how many of them are sound again. */
  readonly damaged: number
  readonly repaired: number
  /** Heights that no member who could be reached has. */
  readonly missing: readonly { readonly from: number; readonly to: number }[]
}

export interface ChainRepair {
  readonly ok: boolean
  readonly lanes: readonly ChainRepairedLane[]
}

export interface ChainLogQuery {
  /** How many of the newest entries to begin with. */
  readonly lines: number
  readonly kind: string | null
  /** The story of a process or agent: what it did and what was done to it, its tasks and decisions. */
  readonly process: string | null
  /** `user:local`, `node:NODE`, `process:PROC`, or a node. */
  readonly actor: string | null
  /** A node: only its own lane. */
  readonly lane: string | null
  /** From and before, in milliseconds since 1970, by the times that the entries claim. */
  readonly since: number | null
  readonly until: number | null
  readonly follow: boolean
}

export interface ChainEntry {
  /** The name of the node whose lane it is. */
  readonly node: string
  readonly lane: string
  readonly height: number
  readonly index: number
  readonly entry: string
  readonly time: number
  readonly kind: string
  readonly actor: string
  readonly subject: string
  /** Null when the payload is not held. Bytes show as hexadecimal text. */
  readonly payload: Json
  /** The entry that has redacted the payload, or null. */
  readonly redactedBy: string | null
  /** False where the payload is elsewhere: this node was told to keep only the headers of the lane. */
  readonly isPayloadKept: boolean
}

/** A blob that a node holds. */
export interface Blob {
  readonly id: string
  /** Of a part: its size once it is whole, for which room is kept. */
  readonly bytes: number
  readonly state: 'whole' | 'part'
  readonly pinned: boolean
  readonly addedAt: number
}

export interface BlobShelf {
  readonly budgetBytes: number
  readonly usedBytes: number
  /** The last used first. */
  readonly blobs: readonly Blob[]
}

export interface BlobStored {
  readonly id: string
  readonly bytes: number
  readonly pinned: boolean
  /** Whether it was not held here before. */
  readonly isNew: boolean
}

export interface BlobFetchStep {
  readonly id: string
  readonly bytes: number
  /** Null until it is known. */
  readonly bytesTotal: number | null
  /** The nodes that it comes from now. */
  readonly sources: readonly string[]
  readonly done: boolean
}

export interface BlobCollected {
  readonly removed: readonly string[]
  readonly bytesFreed: number
  readonly usedBytes: number
}

export interface Health {
  readonly ok: boolean
  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[]
}

/** The kernel will stop; its operating-system pid, to see it go. */
export interface StopAccepted {
  readonly pid: number
}
