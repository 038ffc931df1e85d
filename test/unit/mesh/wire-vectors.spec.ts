// Golden bytes of docs/formats/mesh.md sections 1, 3 and 4 and of docs/formats/rpc.md, beside those of
// vectors.spec.ts. Signatures are checked here by node:crypto and from the pages alone.

import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import {
  fromHex,
  meshId,
  publicKeyOf,
  readRotation,
  signRotation,
  toHex,
  unixMillis,
  WeaverError
} from '../../../core/index.ts'
import type { NodeId } from '../../../core/index.ts'
import { readClaim, signClaim } from '../../../mesh/membership/claim.ts'
import { parseStatement, signStatement } from '../../../mesh/membership/statement.ts'
import type { StatementBody } from '../../../mesh/membership/statement.ts'
import { decodeError, encodeError } from '../../../mesh/rpc/errors.ts'
import {
  CANCEL,
  CREDIT,
  DATA,
  encodeFrames,
  END,
  ERROR,
  FrameReader,
  NOTIFY,
  OPEN,
  RESET,
  RESET_READING,
  RESULT,
  uint32
} from '../../../mesh/rpc/frame.ts'
import type { Frame } from '../../../mesh/rpc/frame.ts'
import { decodeRequest, encodeRequest } from '../../../mesh/rpc/request.ts'
import { RumourWire } from '../../../mesh/swim/rumour-wire.ts'
import { testSigner } from './lab.ts'

const FILE = new URL('../../vectors/mesh/wire-v1.json', import.meta.url)
const at = unixMillis(1_800_000_000_000)
const founder = testSigner('founder')
const server = testSigner('server')
const heir = testSigner('heir')
const mesh = meshId('ce7a668d00ecf521bcfbb322f9b28ac7f64968e2cd25036c8cc280ce4eb67d8f')
const [before, kept] = ['11'.repeat(32), '22'.repeat(32)] as const
const incarnation = { generation: 3, bootId: 'boot' }
const nonce = new Uint8Array(16).fill(7)

interface Golden {
  readonly statements: Readonly<Record<string, string>>
  readonly statementIds: Readonly<Record<string, string>>
  readonly claims: Readonly<Record<string, string>>
  readonly rumours: Readonly<Record<string, string>>
  readonly swim: string
  readonly frames: Readonly<Record<string, string>>
}

function bodies(): Readonly<Record<string, StatementBody>> {
  const node = server.nodeId
  return {
    revoke: { kind: 'revoke', mesh, node, keeps: [kept], at },
    role: { kind: 'role', mesh, node, role: 'admin', after: [before], keeps: [kept], at },
    leave: { kind: 'leave', mesh, node, ends: [before], at },
    quorum: { kind: 'quorum', mesh, signatures: 2, after: [], keeps: [kept], at },
    approve: { kind: 'approve', mesh, statements: [before, kept], at },
    succeed: {
      kind: 'succeed',
      mesh,
      node: heir.nodeId,
      rotation: signRotation(founder, heir),
      keeps: [kept],
      at
    }
  }
}

function frames(): Readonly<Record<string, Frame>> {
  const error = encodeError(new WeaverError('MESH_PEER_BUSY', 'Busy', { retry: 'later' }))
  const request = encodeRequest('read', { from: 1 }, null)
  const frame = (type: number, payload: Uint8Array, call = 258, hasMore = false): Frame => {
    return { type, call, hasMore, payload }
  }
  return {
    open: frame(OPEN, request),
    openCut: frame(OPEN, request.subarray(0, 8), 258, true),
    notify: frame(NOTIFY, request, 0),
    cancel: frame(CANCEL, error),
    result: frame(RESULT, Uint8Array.of(0xf6)),
    error: frame(ERROR, error),
    data: frame(DATA, Uint8Array.of(1, 2, 3)),
    end: frame(END, new Uint8Array()),
    credit: frame(CREDIT, uint32(65_536)),
    reset: frame(RESET, Uint8Array.of(RESET_READING, ...error))
  }
}

function made(): Golden {
  const entriesOf = <T>(record: Readonly<Record<string, T>>, text: (value: T) => string) =>
    Object.fromEntries(Object.entries(record).map(([name, value]) => [name, text(value)]))
  const wire = new RumourWire({ signer: founder, meshId: () => mesh })
  const [self, other] = [founder.nodeId, server.nodeId]
  const rumours = {
    alive: { node: self, state: 'alive', incarnation: 3 * 2 ** 20, by: self },
    suspect: { node: other, state: 'suspect', incarnation: 2 ** 20, by: self },
    dead: { node: other, state: 'dead', incarnation: 2 ** 20, by: self },
    left: { node: self, state: 'left', incarnation: 3 * 2 ** 20 + 1, by: self }
  } as const
  const rumour = rumours.suspect
  const message = {
    kind: 'ask',
    sequence: 9,
    target: other,
    isClosed: false,
    rumours: [rumour]
  } as const
  return {
    statements: entriesOf(bodies(), (body) => toHex(signStatement(founder, body).bytes)),
    statementIds: entriesOf(bodies(), (body) => signStatement(founder, body).id),
    claims: {
      hello: toHex(signClaim(founder, mesh, incarnation)),
      proof: toHex(signClaim(founder, mesh, incarnation, nonce))
    },
    rumours: entriesOf(rumours, (each) => toHex(wire.bytesOf(each) ?? new Uint8Array())),
    swim: toHex(encode(wire.encode(message), rfc8949EncodeOptions)),
    frames: entriesOf(frames(), (frame) => toHex(encodeFrames([frame])))
  }
}

/** `SIGN` of the page, by another way than ours. */
function isSigned(by: NodeId, domain: string, said: Uint8Array, signature: Uint8Array): boolean {
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKeyOf(by)])
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const text = Buffer.from(domain)
  return verify(null, Buffer.concat([Buffer.of(text.length), text, said]), key, signature)
}

function shake(domain: string, bytes: Uint8Array): Buffer {
  const text = Buffer.from(domain)
  const hash = createHash('shake256', { outputLength: 32 })
  return hash.update(Buffer.of(text.length)).update(text).update(bytes).digest()
}

function bytesIn(text: string | undefined): Uint8Array {
  return fromHex(text ?? '') ?? new Uint8Array()
}

describe('mesh: golden bytes of statements, claims, rumours and RPC frames', () => {
  const golden: Golden = JSON.parse(readFileSync(FILE, 'utf8'))

  it('are what this code writes', () => {
    assert.deepEqual(made(), golden)
  })

  it('are statements, signed and named as the page says, and no byte of them may change', () => {
    for (const [name, text] of Object.entries(golden.statements)) {
      const bytes = bytesIn(text)
      const parsed = parseStatement(bytes)
      assert.equal(parsed?.id, golden.statementIds[name], name)
      const [body, signer, signature] = decode(bytes) as [Uint8Array, NodeId, Uint8Array]
      assert(isSigned(signer, 'weft/statement/1', body, signature), name)
      const inner = Buffer.concat([
        shake('weft/statement-body/1', body),
        encode(signer, rfc8949EncodeOptions)
      ])
      assert.equal(shake('weft/statement/1', inner).toString('hex'), golden.statementIds[name])
      for (let index = 0; index < bytes.length; index += 1) {
        const changed = bytes.with(index, (bytes[index] ?? 0) ^ 1)
        assert.equal(
          readOrNull(() => parseStatement(changed)),
          null,
          `${name}, byte ${index}`
        )
      }
    }
  })

  it('are a succession that both keys have signed, as the page says', () => {
    const bytes = bytesIn(golden.statements['succeed'])
    const parsed = parseStatement(bytes)
    assert(parsed?.body.kind === 'succeed')
    const { rotation, node } = parsed.body
    assert.deepEqual(readRotation(rotation), { from: founder.nodeId, to: node })
    const [body, byOld, byNew] = decode(rotation) as [Uint8Array, Uint8Array, Uint8Array]
    assert.deepEqual(decode(body), [1, publicKeyOf(founder.nodeId), publicKeyOf(heir.nodeId)])
    assert(isSigned(founder.nodeId, 'weft/key-rotation/1', body, byOld))
    assert(isSigned(heir.nodeId, 'weft/key-rotation/1', body, byNew))
    const other = { ...parsed.body, node: server.nodeId }
    const forged = signStatement(founder, other).bytes
    assert.equal(
      readOrNull(() => parseStatement(forged)),
      null
    )
  })

  it('are claims, as the page says, of this node in this mesh alone', () => {
    for (const [name, text] of Object.entries(golden.claims)) {
      const bytes = bytesIn(text)
      assert.equal(readClaim(bytes, mesh, founder.nodeId)?.incarnation.generation, 3)
      const [generation, bootId, said, signature] = decode(bytes) as [
        number,
        string,
        Uint8Array,
        Uint8Array
      ]
      const parts = [mesh, founder.nodeId, generation, bootId, said]
      const signed = encode(parts, rfc8949EncodeOptions)
      assert(isSigned(founder.nodeId, 'weft/incarnation/1', signed, signature), name)
      assert.equal(readClaim(bytes, mesh, server.nodeId), null)
      assert.equal(readClaim(bytes, meshId('ab'.repeat(32)), founder.nodeId), null)
      for (let index = 0; index < bytes.length; index += 1) {
        const changed = bytes.with(index, (bytes[index] ?? 0) ^ 1)
        assert.equal(readClaim(changed, mesh, founder.nodeId), null, `${name}, byte ${index}`)
      }
    }
  })

  it('are rumours, as the page says, and nobody passes on another one in their place', () => {
    for (const [name, text] of Object.entries(golden.rumours)) {
      const bytes = bytesIn(text)
      const wire = new RumourWire({ signer: server, meshId: () => mesh })
      assert.equal(wire.read(bytes)?.state, name)
      const [node, code, number, by, signature] = decode(bytes) as [
        NodeId,
        number,
        number,
        NodeId,
        Uint8Array
      ]
      const state = ['alive', 'suspect', 'dead', 'left'][code]
      const said = encode([mesh, node, state, number, by], rfc8949EncodeOptions)
      assert(isSigned(by, 'weft/rumour/1', said, signature), name)
      for (let index = 0; index < bytes.length; index += 1) {
        const changed = bytes.with(index, (bytes[index] ?? 0) ^ 1)
        assert.equal(wire.read(changed), null, `${name}, byte ${index}`)
      }
      const elsewhere = new RumourWire({ signer: server, meshId: () => meshId('ab'.repeat(32)) })
      assert.equal(elsewhere.read(bytes), null)
    }
    const reader = new RumourWire({ signer: server, meshId: () => mesh })
    const message = reader.decode(decode(bytesIn(golden.swim)))
    assert.deepEqual([message?.kind, message?.sequence, message?.rumours.length], ['ask', 9, 1])
  })

  it('are frames, read as they were written, however the bytes are cut', () => {
    const wanted = Object.values(frames()).map((frame) => ({
      ...frame,
      payload: toHex(frame.payload)
    }))
    const all = Buffer.concat(Object.values(golden.frames).map(bytesIn))
    for (const size of [1, 7, all.length]) {
      const read: Frame[] = []
      const reader = new FrameReader()
      for (let from = 0; from < all.length; from += size) {
        reader.read(new Uint8Array(all.subarray(from, from + size)), (frame) => {
          read.push({ ...frame, payload: frame.payload.slice() })
        })
      }
      assert.deepEqual(
        read.map((frame) => ({ ...frame, payload: toHex(frame.payload) })),
        wanted
      )
    }
    const open = bytesIn(golden.frames['open']).subarray(9)
    assert.deepEqual(decodeRequest(open), { method: 'read', timeoutMs: 0, body: { from: 1 } })
    const { code, retry } = decodeError(bytesIn(golden.frames['error']).subarray(9))
    assert.deepEqual([code, retry], ['MESH_PEER_BUSY', 'later'])
  })
})

function readOrNull<T>(read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}
