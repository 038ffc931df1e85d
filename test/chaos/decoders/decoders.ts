// Every reader of bytes that another machine, a file or a contained process may have made, with sound bytes
// to begin from. A new format belongs in this list.

import { readFileSync } from 'node:fs'
import {
  decodeCbor,
  encodeCbor,
  epoch,
  fromHex,
  meshId,
  millis,
  publicKeyOf,
  readRotation,
  signerFromSeed,
  signRotation,
  unixMillis,
  utf8,
  WeaverError
} from '../../../core/index.ts'
import type { Cbor, NodeId } from '../../../core/index.ts'
import { decodeEntry, encodeEntry } from '../../../chain/entry.ts'
import { BLOCK_SIGNATURE_DOMAIN } from '../../../chain/hashes.ts'
import { decodeHeader, encodeHeader } from '../../../chain/header.ts'
import { nodePrimitives } from '../../../chain/offline/node-primitives.ts'
import { readEvidence } from '../../../chain/offline/evidence.ts'
import { Malformed } from '../../../chain/offline/errors.ts'
import { formatNote, parseNote } from '../../../chain/offline/note.ts'
import type { Note } from '../../../chain/offline/note.ts'
import { readStatement } from '../../../chain/offline/membership.ts'
import { verifyProof } from '../../../chain/offline/proof.ts'
import { checkRecord } from '../../../chain/check.ts'
import { parseFrameHead } from '../../../chain/record.ts'
import { readMeshPolicy, signMeshPolicy } from '../../../governance/index.ts'
import { decodeWishes, encodeWishes, requestedId } from '../../../mesh/blobs/wire.ts'
import { parseEnvelope } from '../../../mesh/documents/envelope.ts'
import { parsePosition } from '../../../mesh/documents/shared-log.ts'
import { readStep, signBase, signDelta } from '../../../mesh/documents/shared-step.ts'
import { parseVector } from '../../../mesh/documents/log.ts'
import { readClaim } from '../../../mesh/membership/claim.ts'
import { decodeIncarnation } from '../../../mesh/membership/incarnation.ts'
import { parseInvite } from '../../../mesh/membership/invite-line.ts'
import { decodeInvite } from '../../../mesh/membership/invites.ts'
import { parseJoinRequest } from '../../../mesh/membership/join-messages.ts'
import { parseKnock, readPassages } from '../../../mesh/membership/knock.ts'
import { parseStatements } from '../../../mesh/membership/roster.ts'
import { parseStatement } from '../../../mesh/membership/statement.ts'
import { decodeError } from '../../../mesh/rpc/errors.ts'
import { FrameReader as RpcFrameReader } from '../../../mesh/rpc/frame.ts'
import { decodeRequest, encodeRequest } from '../../../mesh/rpc/request.ts'
import { RumourWire } from '../../../mesh/swim/rumour-wire.ts'
import { readRequest } from '../../../node/egress/request.ts'
import { decodeIoFrame } from '../../../node/api/io-frame.ts'
import { parseNodeInfo } from '../../../node/node-info.ts'
import { parseRow } from '../../../node/process-row.ts'
import { decodePulse } from '../../../node/pulse.ts'
import { FrameReader as WorkerFrameReader } from '../../../sandbox-wasm/worker/frames.ts'
import { decodeExecution, encodeExecution } from '../../../scheduler/execution-record.ts'
import {
  answerSchema,
  finishedCbor,
  finishedSchema,
  offerCbor,
  offerSchema,
  received,
  runSchema,
  signalSchema,
  startedSchema,
  statusSchema
} from '../../../scheduler/messages.ts'
import { parseTaskSpec, specCbor } from '../../../scheduler/spec.ts'
import { decodeTask } from '../../../scheduler/task-record.ts'
import { testSigner } from '../../unit/mesh/lab.ts'
import { aTask, testResult, testSpec } from '../../unit/scheduler/fixtures.ts'

export interface Decoder {
  readonly name: string
  /** At least one, each of which it takes. */
  readonly sound: readonly Uint8Array[]
  /** Null or undefined, or one of `refuses` thrown: refused. */
  readonly decode: (bytes: Uint8Array) => unknown
  /** Where there is one encoding of each value: what was taken encodes to the same bytes. */
  readonly encode?: (value: never) => Uint8Array
}

type JsonFile = Readonly<Record<string, unknown>>

const signer = signerFromSeed(new Uint8Array(32).fill(1))
const other = signerFromSeed(new Uint8Array(32).fill(2))
const founder = testSigner('founder')
const at = unixMillis(1_800_000_000_000)
const mesh = meshId('ce7a668d00ecf521bcfbb322f9b28ac7f64968e2cd25036c8cc280ce4eb67d8f')

function isSigner(id: string): id is NodeId {
  return id === signer.nodeId
}

function vector(path: string): Buffer {
  return readFileSync(new URL(`../../vectors/${path}`, import.meta.url))
}

/** Every string of hexadecimal bytes under `names`, in the order of the file. */
function hexOf(value: unknown): readonly Uint8Array[] {
  if (typeof value === 'string') {
    const bytes = fromHex(value)
    return bytes === null ? [] : [bytes]
  }
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(hexOf) : []
}

const first: JsonFile = JSON.parse(vector('mesh/v1.json').toString('utf8'))
const wire: JsonFile = JSON.parse(vector('mesh/wire-v1.json').toString('utf8'))
const blobs: JsonFile = JSON.parse(vector('mesh/blobs-v1.json').toString('utf8'))
const lanes: {
  readonly lanes: readonly {
    readonly blocks: readonly {
      readonly record: string
      readonly header: string
      readonly entries: readonly { readonly entry: string }[]
    }[]
  }[]
} = JSON.parse(vector('chain/lanes.json').toString('utf8'))
const membership: readonly { readonly mesh: string; readonly statements: readonly string[] }[] =
  JSON.parse(vector('chain/membership.json').toString('utf8'))

const blocks = lanes.lanes.flatMap((lane) => lane.blocks)
const statements = [
  ...hexOf([first['genesis'], first['admit'], wire['statements']]),
  ...membership
    .slice(0, 4)
    .flatMap((each) => each.statements.map((text) => Buffer.from(text, 'base64')))
].map((bytes) => new Uint8Array(bytes))

const task = { taskId: aTask, epoch: epoch(3) }
const taskRecord: Cbor = {
  version: 1,
  taskId: aTask,
  spec: specCbor(testSpec({ env: { A: 'b' }, timeoutMs: millis(5) })),
  submittedAt: at,
  startedAt: null,
  attempts: 1,
  offers: [{ epoch: 3, executor: signer.nodeId }],
  isOrphaned: false,
  fenced: [1, 2],
  phase: { kind: 'running', executor: signer.nodeId, isCancelling: false, isUncertain: true }
}
const row: Cbor = {
  pid: 7,
  name: 'reviewer',
  kind: 'agent',
  runtime: 'custom',
  state: 'running',
  parent: 1,
  startedAt: at,
  restarts: 0,
  exit: { code: null, signal: 'SIGTERM' },
  containment: 'bubblewrap',
  task: null,
  agent: { command: ['sleep', '1'], restart: 'never', grants: ['fs.read:/tmp'] }
}
const info: Cbor = {
  version: '0.1.0',
  cpus: 2,
  memoryBytes: 1,
  containment: null,
  gpus: [],
  labels: { room: 'next' },
  startedAt: at
}

const gpu: Cbor = {
  index: 0,
  vendor: 'nvidia',
  vendorIndex: 0,
  model: 'H',
  memoryBytes: 1,
  isDeclared: true
}
const pulse: Cbor = {
  cpuLoad: 0.5,
  memoryFreeBytes: 1,
  executor: { revision: 1, runningTasks: 0, tasksMax: 4, gpus: [{ ...gpu, isFree: true }] },
  samples: [[7, 1.5, 4096]],
  heads: null
}

function cbor(...values: readonly Cbor[]): readonly Uint8Array[] {
  return values.map((value) => encodeCbor(value))
}

/** A reader of values that came as canonical CBOR, as a body of RPC does. */
function body(
  name: string,
  decode: (value: unknown) => unknown,
  ...sound: readonly Cbor[]
): Decoder {
  return { name, sound: cbor(...sound), decode: (bytes) => decode(decodeCbor(bytes)) }
}

function sharedSteps(): readonly Uint8Array[] {
  const of = { mesh, document: 'labels', author: signer.nodeId } as const
  const payload = Uint8Array.of(1, 2, 3)
  const on = { base: 'cd'.repeat(32), stream: '01'.repeat(8), sequence: 2, previous: 1 }
  return [
    signBase(signer, { ...of, kind: 'base', epoch: 3, payload }).bytes,
    signDelta(signer, { ...of, ...on, kind: 'delta', payload }).bytes
  ]
}

function mesh1(): readonly Decoder[] {
  const wireOf = new RumourWire({ signer, meshId: () => mesh })
  return [
    { name: 'statement', sound: statements, decode: parseStatement },
    body('statements of a joiner', (value) => parseStatements(mesh, value), [
      ...hexOf(first['genesis'])
    ]),
    { name: 'envelope', sound: hexOf(first['envelope']), decode: (bytes) => parseEnvelope(bytes) },
    { name: 'step of a shared document', sound: sharedSteps(), decode: readStep },
    body('position in a shared document', parsePosition, [
      2,
      'ab'.repeat(32),
      { [`${signer.nodeId}/${'01'.repeat(8)}`]: 7 }
    ]),
    { name: 'stored invite', sound: hexOf(first['storedInvite']), decode: decodeInvite },
    { name: 'incarnation', sound: hexOf(first['storedIncarnation']), decode: decodeIncarnation },
    {
      name: 'claim',
      sound: hexOf(wire['claims']),
      decode: (bytes) => readClaim(bytes, mesh, founder.nodeId)
    },
    {
      name: 'invite line',
      sound: [utf8(String(first['inviteLine']))],
      decode: (bytes) => parseInvite(Buffer.from(bytes).toString('utf8'))
    },
    body('join request', parseJoinRequest, {
      v: 1,
      mesh,
      invite: '02'.repeat(16),
      name: 'server',
      nonce: new Uint8Array(32)
    }),
    body('knock', parseKnock, {
      v: 1,
      inviter: signer.nodeId,
      pass: other.nodeId
    }),
    body('passages', readPassages, { v: 1, passes: [[other.nodeId, 1000]] }),
    body('vector', (value) => parseVector(value, isSigner), { [signer.nodeId]: [3, 7] }),
    body(
      'SWIM message',
      (value) => wireOf.decode(value),
      ...hexOf(wire['swim']).map((bytes) => decodeCbor(bytes) as Cbor)
    ),
    { name: 'RPC frames', sound: hexOf(wire['frames']), decode: rpcFrames },
    {
      name: 'RPC request',
      sound: [encodeRequest('read', { from: 1 }, millis(5))],
      decode: decodeRequest,
      encode: (request: ReturnType<typeof decodeRequest>) =>
        encodeRequest(
          request.method,
          request.body as Cbor,
          request.timeoutMs === 0 ? null : millis(request.timeoutMs)
        )
    },
    { name: 'RPC error', sound: cbor([1, 'MESH_PEER_BUSY', 'Busy']), decode: knownError },
    {
      name: 'wishes for chunks',
      sound: hexOf(blobs['wishes']),
      decode: decodeWishes,
      encode: encodeWishes
    },
    body(
      'request of a blob',
      requestedId,
      ...hexOf(blobs['request']).map((bytes) => decodeCbor(bytes) as Cbor)
    )
  ]
}

/** What cannot be read is told as an error of its own. */
function knownError(bytes: Uint8Array): WeaverError | null {
  const error = decodeError(bytes)
  return error.code === 'MESH_REMOTE_FAILED' ? null : error
}

function rpcFrames(bytes: Uint8Array): unknown {
  const frames: unknown[] = []
  new RpcFrameReader().read(bytes, (frame) => frames.push(frame))
  return frames
}

function chain1(): readonly Decoder[] {
  const records = hexOf(lanes.lanes[0]?.blocks.map((block) => block.record))
  return [
    {
      name: 'header',
      sound: hexOf(blocks.map((block) => block.header)),
      decode: decodeHeader,
      encode: encodeHeader
    },
    {
      name: 'entry',
      sound: hexOf(blocks.flatMap((block) => block.entries.map(({ entry }) => entry))),
      decode: decodeEntry,
      encode: encodeEntry
    },
    { name: 'record', sound: records, decode: soundRecord },
    { name: 'rotation', sound: [signRotation(signer, other)], decode: readRotation },
    {
      name: 'proof',
      sound: [new Uint8Array(vector('chain/sound-proof.json'))],
      decode: soundProof
    },
    {
      name: 'note',
      sound: [noteOf()],
      decode: parseNote,
      encode: (note: Note) => utf8(formatNote(note))
    },
    {
      name: 'statement, offline',
      sound: statements,
      decode: (bytes) => readStatement(nodePrimitives, bytes)
    },
    {
      name: 'evidence',
      sound: [twoBlocks()],
      decode: (bytes) => readEvidence(nodePrimitives, bytes)
    }
  ]
}

function soundProof(bytes: Uint8Array): boolean | null {
  return verifyProof(nodePrimitives, bytes).problems.length === 0 || null
}

function soundRecord(bytes: Uint8Array): boolean | null {
  const height = parseFrameHead(bytes)?.height ?? 1
  return checkRecord(signer.nodeId, bytes, height).problems.length === 0 || null
}

/** Two headers of one height, both signed by their lane. */
function twoBlocks(): Uint8Array {
  const [one] = hexOf(blocks.map((block) => block.header))
  if (one === undefined) throw new Error('The vectors have no header')
  const header = decodeHeader(one)
  const two = encodeHeader({ ...header, entriesBefore: header.entriesBefore + 1 })
  const signed = [one, two].map((bytes) => [bytes, signer.sign(BLOCK_SIGNATURE_DOMAIN, bytes)])
  return encodeCbor([1, 'blocks', publicKeyOf(signer.nodeId), ...signed, null])
}

function noteOf(): Uint8Array {
  const proof: unknown = JSON.parse(vector('chain/sound-proof.json').toString('utf8'))
  const text = JSON.stringify(proof)
  const note = /"(?:note|checkpoint)":"([^"]+)"/.exec(text)?.[1] ?? ''
  const plain: unknown = JSON.parse(`"${note}"`)
  const said = String(plain)
  return said.includes('\n') ? utf8(said) : new Uint8Array(Buffer.from(said, 'base64'))
}

function tasks1(): readonly Decoder[] {
  const message = (
    name: string,
    schema: Parameters<typeof received>[0],
    ...sound: readonly Cbor[]
  ): Decoder => body(name, (value) => received(schema, value, name), ...sound)
  return [
    { name: 'stored task', sound: cbor(taskRecord), decode: decodeTask },
    {
      name: 'stored execution',
      sound: [encodeExecution({ ...task, origin: signer.nodeId, result: testResult() })],
      decode: decodeExecution,
      encode: encodeExecution
    },
    body('task', parseTaskSpec, specCbor(testSpec({ labels: { a: 'b' } }))),
    message('offer', offerSchema, offerCbor({ ...task, spec: testSpec() })),
    message('run', runSchema, { ...task }),
    message('signal', signalSchema, { ...task, name: 'SIGTERM' }),
    message('answer', answerSchema, { kind: 'accepted', revision: 1, gpus: [0] }),
    message('status', statusSchema, { kind: 'running', startedAt: at }),
    message('start', startedSchema, { ...task, pid: 9, startedAt: at }),
    message('end', finishedSchema, finishedCbor({ ...task, result: testResult(), revision: 2 }))
  ]
}

function node1(): readonly Decoder[] {
  const policy = signMeshPolicy(signer, {
    mesh,
    version: 1,
    madeAt: at,
    text: 'permit(principal,action,resource);'
  })
  return [
    {
      name: 'policy of the mesh',
      sound: [policy.bytes],
      decode: (bytes) => readMeshPolicy(bytes, mesh)
    },
    body('pulse', decodePulse, pulse),
    body('row', parseRow, row),
    body('node info', parseNodeInfo, info),
    {
      name: 'frame of streams',
      sound: [
        Uint8Array.of(16, 1, 2),
        Uint8Array.of(2, ...utf8('SIGTERM')),
        Uint8Array.of(3, ...encodeCbor({ columns: 80, rows: 24 })),
        Uint8Array.of(18, ...encodeCbor({ code: 0, signal: null })),
        Uint8Array.of(21, ...utf8('{"code":"X_Y","message":"m"}'))
      ],
      decode: decodeIoFrame
    },
    {
      name: 'first words of a way out',
      sound: [
        utf8('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n'),
        utf8('GET http://example.org/a?b HTTP/1.1\r\nHost: example.org\r\n\r\n'),
        Uint8Array.of(5, 1, 0),
        Uint8Array.of(5, 1, 0, 3, 3, 97, 46, 98, 1, 187)
      ],
      decode: firstWords
    },
    {
      name: 'message of a tool worker',
      sound: [Uint8Array.of(0, 0, 0, 7, ...utf8('{"a":1}'))],
      decode: workerMessages
    }
  ]
}

function firstWords(bytes: Uint8Array): Buffer | null {
  const words = [false, true].map((isGreeted) => readRequest(Buffer.from(bytes), isGreeted))
  const answer = words.find(({ kind }) => kind === 'open' || kind === 'greeted')
  return answer === undefined ? null : Buffer.from(bytes)
}

/** A worker that says what cannot be read is killed, whatever is thrown. */
function workerMessages(bytes: Uint8Array): readonly unknown[] | null {
  try {
    return new WorkerFrameReader(1_000_000).push(bytes)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return null
    throw error
  }
}

export const DECODERS: readonly Decoder[] = [
  {
    name: 'CBOR',
    sound: cbor(taskRecord, row, [1, [2, { a: null }]]),
    decode: decodeCbor,
    encode: encodeCbor
  },
  ...mesh1(),
  ...chain1(),
  ...tasks1(),
  ...node1()
]

/** What a reader may throw: an error of ours, a form that is not as its schema says, or text that is no JSON. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof WeaverError ||
    error instanceof Malformed ||
    (error instanceof Error && error.name === 'ZodError')
  )
}
