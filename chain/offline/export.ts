// Checking an export file: docs/chain-format.md, "Exports".

import { compare, hex, isSame, nodeText } from './bytes.ts'
import { asBytes, asInteger, decodeArray } from './cbor.ts'
import type { Value } from './cbor.ts'
import { HASH_BYTES, INTEGER_MAX } from './block.ts'
import { checkBlocks } from './block-check.ts'
import type { BlockChecker } from './block-check.ts'
import { BlockQueue } from './block-queue.ts'
import { Malformed } from './errors.ts'
import { readLaneKey } from './keys.ts'
import { LaneCheck, LinkBook } from './lane.ts'
import type { LaneEnd } from './lane.ts'
import { STATEMENTS_MAX } from './membership.ts'
import { checkMesh, checkNote, checkOwner, predecessorOf } from './mesh.ts'
import type { Members } from './mesh.ts'
import type { Primitives } from './primitives.ts'
import { Redactions } from './redactions.ts'
import { Findings } from './report.ts'
import type { OfflineReport } from './report.ts'
import { readSections } from './sections.ts'
import type { Section } from './sections.ts'

export async function verifyExport(
  primitives: Primitives,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  checker?: BlockChecker
): Promise<OfflineReport> {
  const findings = new Findings('export')
  const check = new ExportCheck(primitives, findings)
  const here: BlockChecker = {
    width: 0,
    check: async (batch) => checkBlocks(primitives, batch)
  }
  const queue = new BlockQueue(checker ?? here)
  try {
    try {
      for await (const section of readSections(primitives, chunks)) {
        if (section.type === 'BLCK') {
          const { lane, height } = check.beginBlock()
          await queue.push(lane, height, section.body)
          continue
        }
        await queue.settled()
        check.section(section)
      }
    } finally {
      await queue.settled() // What stands before the place where the file ends to make sense counts.
    }
    check.finish()
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    findings.file('CHAIN_EXPORT_INVALID', `The file is no whole export: ${error.message}`)
  }
  return findings.report()
}

/** The lane at hand: first the key and the checkpoint, then the blocks that they cover. */
interface Current {
  readonly check: LaneCheck
  readonly key: Uint8Array
  mlDsa44: Uint8Array | null
  stage: 'begun' | 'key' | 'note' | 'blocks'
}

class ExportCheck {
  readonly #primitives: Primitives
  readonly #findings: Findings
  readonly #links = new LinkBook()
  readonly #redactions = new Redactions()
  #members: Members | null = null
  #lane: Current | null = null
  #isDone = false

  constructor(primitives: Primitives, findings: Findings) {
    this.#primitives = primitives
    this.#findings = findings
  }

  /** The place of a block section. */
  beginBlock(): { readonly lane: LaneCheck; readonly height: number } {
    if (this.#isDone) throw new Malformed('something stands behind its end')
    if (this.#members === null) throw new Malformed('its first section, and no other, is the mesh')
    const { check: lane } = this.#at('blocks')
    const height = lane.begin()
    if (height === null) throw new Malformed('a lane has too many blocks')
    return { lane, height }
  }

  section({ type, body, digest }: Section): void {
    if (this.#isDone) throw new Malformed('something stands behind its end')
    if ((this.#members === null) !== (type === 'MESH')) {
      throw new Malformed('its first section, and no other, is the mesh')
    }
    if (type === 'MESH') this.#mesh(body)
    else if (type === 'LANE') this.#begin(body)
    else if (type === 'LKEY') this.#laneKey(body)
    else if (type === 'NOTE') this.#note(body)
    else if (type === 'DONE') this.#done(body, digest)
    else throw new Malformed('it has a section of an unknown type')
  }

  finish(): void {
    if (!this.#isDone) throw new Malformed('it ends early')
    this.#links.check(this.#findings)
    this.#redactions.check(this.#members ?? new Map(), this.#findings)
  }

  #mesh(body: Uint8Array): void {
    const [id, statements] = decodeArray(body, 2, 'the mesh')
    const mesh = hex(asBytes(id, HASH_BYTES, 'the id of the mesh'))
    if (!Array.isArray(statements) || statements.length > STATEMENTS_MAX) {
      throw new Malformed('the statements are no list')
    }
    const bytes = statements.map((each: Value) => {
      if (!(each instanceof Uint8Array)) throw new Malformed('a statement is not bytes')
      return each
    })
    this.#members = checkMesh(this.#primitives, { mesh, statements: bytes }, this.#findings)
  }

  #begin(body: Uint8Array): void {
    const before = this.#lane?.key ?? null
    this.#lane?.check.finish()
    const [key, height, hash] = decodeArray(body, 3, 'a lane')
    const laneKey = asBytes(key, HASH_BYTES, 'a lane')
    const members = this.#members ?? new Map()
    const end: LaneEnd = {
      key: laneKey,
      predecessor: predecessorOf(nodeText(laneKey), members),
      height: asInteger(height, INTEGER_MAX, 'a height'),
      hash: asBytes(hash, HASH_BYTES, 'a block hash')
    }
    if (before !== null && compare(before, end.key) >= 0) throw new Malformed('lanes out of order')
    const deps = {
      primitives: this.#primitives,
      findings: this.#findings,
      links: this.#links,
      redactions: this.#redactions
    }
    const check = new LaneCheck(deps, end)
    this.#lane = { check, key: end.key, mlDsa44: null, stage: 'begun' }
    this.#findings.lanes += 1
    checkOwner(check.lane, members, this.#findings)
  }

  /** The lane at hand, if it has not yet passed `stage`, where it now is. */
  #at(stage: Current['stage']): Current {
    const lane = this.#lane
    const order = ['begun', 'key', 'note', 'blocks']
    const isInOrder = lane !== null && order.indexOf(lane.stage) < order.indexOf(stage)
    if (lane === null || !(isInOrder || (stage === 'blocks' && lane.stage === stage))) {
      throw new Malformed('a section is out of order')
    }
    lane.stage = stage
    return lane
  }

  #laneKey(body: Uint8Array): void {
    const lane = this.#at('key')
    const stated = readLaneKey(this.#primitives, body)
    if (stated.lane !== lane.check.lane) {
      throw new Malformed('the statement of a key is of another lane')
    }
    lane.mlDsa44 = stated.mlDsa44
    this.#findings.signatures += 1
  }

  #note(body: Uint8Array): void {
    const { check, mlDsa44 } = this.#at('note')
    const of = { lane: check.lane, note: body, mlDsa44, members: this.#members ?? new Map() }
    const checkpoint = checkNote(this.#primitives, of, this.#findings)
    if (checkpoint === null) return
    check.expect(checkpoint)
    if (mlDsa44 === null || checkpoint.hasMlDsa) return
    const message = 'The checkpoint lacks its ML-DSA signature'
    this.#findings.file('CHAIN_CHECKPOINT_INVALID', message, check.lane)
  }

  #done(body: Uint8Array, digest: Uint8Array): void {
    this.#lane?.check.finish()
    this.#lane = null
    this.#isDone = true
    if (isSame(body, digest)) return
    this.#findings.file('CHAIN_EXPORT_DAMAGED', 'The file has changed since it was written')
  }
}
