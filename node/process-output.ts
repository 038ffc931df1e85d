// The output of a process, on this node or another, as a stream that resumes at a byte offset.

import { pid } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import type { OutputChunk } from './api/index.ts'
import { readRemoteOutput } from './remote/output.ts'
import type { OutputPiece } from './remote/output.ts'
import type { Rooms } from './rooms.ts'
import type { FollowOptions, Streamed } from './service.ts'

export interface OutputPlace {
  readonly node: NodeId
  readonly pid: number
}

/** The id of each item is the offset just behind it. */
export async function* processOutput(
  { self, outputs, mesh }: Pick<Rooms, 'self' | 'outputs' | 'mesh'>,
  place: OutputPlace,
  { after, follow, signal }: FollowOptions
): AsyncGenerator<Streamed<OutputChunk>, void, void> {
  const from = offsetOf(after)
  const pieces =
    place.node === self
      ? outputs.read(pid(place.pid), from, signal, follow)
      : readRemoteOutput(mesh.rpc, place.node, { pid: place.pid, from, follow }, signal)
  for await (const piece of pieces) yield { id: String(endOf(piece)), item: chunkOf(piece) }
}

function offsetOf(id: string | null): number {
  const offset = Number(id ?? '0')
  return Number.isSafeInteger(offset) && offset >= 0 ? offset : 0
}

function endOf({ offset, bytes }: OutputPiece): number {
  return offset + bytes.length
}

function chunkOf({ stream, bytes }: OutputPiece): OutputChunk {
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  return { stream, base64 }
}
