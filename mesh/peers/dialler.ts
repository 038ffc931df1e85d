// Whom to dial, and when. Pure: dial-loop.ts carries it out.
//
// Invariants
//   D1. A member without a connection is always waiting for a dial or being dialled: nobody is given up.
//   D2. The wait doubles from DIAL_DELAY_MIN_MS to DIAL_DELAY_MAX_MS, times a jitter of 0.5 to 1.
//   D3. A clock jump makes the next dial due now, a hint of life within `courtesyMs`, and both start the doubling
//       anew. The courtesy differs on the two sides, so that of two who hear of each other one dials. A member that
//       is new to the mesh gets it, too: it dials whomever it finds there.
//   D4. At most DIALS_AT_ONCE_MAX dials are under way. Once halted, none begins.

import { millis } from '../../core/index.ts'
import type { Millis, NodeId } from '../../core/index.ts'
import { DIAL_DELAY_MAX_MS, DIAL_DELAY_MIN_MS, DIALS_AT_ONCE_MAX } from '../limits.ts'

type DialPhase =
  | { readonly kind: 'connected' }
  | { readonly kind: 'waiting'; readonly until: Millis; readonly attempt: number }
  | { readonly kind: 'dialling'; readonly attempt: number }

export interface DiallerState {
  readonly peers: ReadonlyMap<NodeId, DialPhase>
  readonly isHalted: boolean
}

/** `jitter` is a number in [0, 1), drawn by the shell. */
export type DialEvent =
  | { readonly kind: 'removed' | 'connected'; readonly peer: NodeId }
  | { readonly kind: 'added' | 'hint'; readonly peer: NodeId; readonly courtesyMs: Millis }
  | { readonly kind: 'lost' | 'failed'; readonly peer: NodeId; readonly jitter: number }
  | { readonly kind: 'jumped' | 'halted' | 'tick' }

export interface DialDecision {
  readonly state: DiallerState
  readonly dial: readonly NodeId[]
  /** When to come back with a tick; null if only another event can change anything. */
  readonly wakeAt: Millis | null
}

export const INITIAL_DIALLER: DiallerState = { peers: new Map(), isHalted: false }

export function decideDials(state: DiallerState, event: DialEvent, now: Millis): DialDecision {
  const peers = new Map(state.peers)
  const isHalted = state.isHalted || event.kind === 'halted'
  applyEvent(peers, event, now)
  const dial: NodeId[] = []
  let wakeAt: Millis | null = null
  let underWay = [...peers.values()].filter((phase) => phase.kind === 'dialling').length
  for (const [peer, phase] of peers) {
    if (phase.kind !== 'waiting' || isHalted) continue
    if (phase.until > now) wakeAt = wakeAt === null || phase.until < wakeAt ? phase.until : wakeAt
    else if (underWay < DIALS_AT_ONCE_MAX) {
      peers.set(peer, { kind: 'dialling', attempt: phase.attempt })
      dial.push(peer)
      underWay += 1
    } // Else it is due as soon as one of those under way ends, which is an event.
  }
  return { state: { peers, isHalted }, dial, wakeAt }
}

function applyEvent(peers: Map<NodeId, DialPhase>, event: DialEvent, now: Millis): void {
  switch (event.kind) {
    case 'added': {
      const until = millis(now + event.courtesyMs)
      if (!peers.has(event.peer)) peers.set(event.peer, { kind: 'waiting', until, attempt: 0 })
      return
    }
    case 'removed':
      peers.delete(event.peer)
      return
    case 'connected':
      if (peers.has(event.peer)) peers.set(event.peer, { kind: 'connected' })
      return
    case 'lost':
      if (peers.get(event.peer)?.kind !== 'connected') return
      // Both sides notice at the same moment: the jitter lets one of them be first.
      peers.set(event.peer, waiting(now, 0, event.jitter))
      return
    case 'failed': {
      const phase = peers.get(event.peer)
      if (phase?.kind !== 'dialling') return // The peer has dialled us meanwhile.
      peers.set(event.peer, waiting(now, phase.attempt + 1, event.jitter))
      return
    }
    case 'hint':
      hint(peers, event.peer, millis(now + event.courtesyMs))
      return
    case 'jumped':
      for (const peer of peers.keys()) hint(peers, peer, now)
      return
    case 'halted':
    case 'tick':
      return
  }
}

function hint(peers: Map<NodeId, DialPhase>, peer: NodeId, due: Millis): void {
  const phase = peers.get(peer)
  if (phase?.kind === 'waiting') {
    peers.set(peer, { kind: 'waiting', until: millis(Math.min(phase.until, due)), attempt: 0 })
  }
  if (phase?.kind === 'dialling') peers.set(peer, { kind: 'dialling', attempt: 0 })
}

function waiting(now: Millis, attempt: number, jitter: number): DialPhase {
  return { kind: 'waiting', until: millis(now + dialDelay(attempt, jitter)), attempt }
}

/** min(15 s, 0.2 s x 2^attempt) x (0.5 to 1). */
export function dialDelay(attempt: number, jitter: number): Millis {
  const full = Math.min(DIAL_DELAY_MAX_MS, DIAL_DELAY_MIN_MS * 2 ** Math.min(attempt, 16))
  return millis(full * (0.5 + jitter / 2))
}
