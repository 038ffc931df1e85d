// The life of one agent as a state machine: (state, event, now) -> (state, effect). Pure.
//
// Invariants
//   L1. At most one start is under way or alive at any time: `start` is only ever the effect of leaving a
//       phase that owns no process.
//   L2. Once a stop was asked for, no later exit starts it again, unless a restart is asked for.
//   L3. `exited` and `failed` own nothing: no process, no timer.

import { millis, unreachable } from '../core/index.ts'
import type { Millis } from '../core/index.ts'
import { AGENT_HELD_RETRY_MS } from './limits.ts'
import { decideRestart, NO_RESTARTS } from './restart.ts'
import type { RestartHistory } from './restart.ts'
import type { AgentRecord, ExitStatus, RestartRule } from './ports.ts'

/** What follows when a process that is being started or stopped has gone. `pause`: its kernel stops. */
export type Intention = 'stop' | 'restart' | 'pause'

export type AgentPhase =
  | { readonly kind: 'starting'; readonly intention: Intention | null }
  | { readonly kind: 'running'; readonly since: Millis }
  /** Waits for its back-off to pass; with a reason where it waits for somebody. */
  | { readonly kind: 'waiting'; readonly exit: ExitStatus | null; readonly why: string | null }
  | { readonly kind: 'stopping'; readonly intention: Intention }
  /** `isPaused`: it is to run again with the next kernel. */
  | { readonly kind: 'exited'; readonly exit: ExitStatus | null; readonly isPaused: boolean }
  /** `isForGood`: the next kernel leaves it alone as well. */
  | {
      readonly kind: 'failed'
      readonly exit: ExitStatus | null
      readonly why: string
      readonly isForGood: boolean
    }

export interface AgentState {
  readonly rule: RestartRule
  readonly phase: AgentPhase
  readonly history: RestartHistory
  /** Starts after the first, by rule and by hand. */
  readonly restarts: number
}

export type AgentInput =
  | { readonly kind: 'started' }
  /** `isFinal`: trying again would change nothing. */
  | {
      readonly kind: 'start-failed'
      readonly why: string
      readonly isFinal: boolean
      readonly chance: number
    }
  /** It may not start before somebody has approved it. */
  | { readonly kind: 'start-held'; readonly why: string }
  | { readonly kind: 'ended'; readonly exit: ExitStatus; readonly chance: number }
  | { readonly kind: 'backoff-over' }
  | { readonly kind: 'asked'; readonly intention: Intention }

export type AgentEffect =
  | { readonly kind: 'none' }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'wait'; readonly delayMs: Millis }

export interface AgentStep {
  readonly state: AgentState
  readonly effect: AgentEffect
}

const NONE: AgentEffect = { kind: 'none' }

export function newAgentState(rule: RestartRule): AgentState {
  return { rule, phase: { kind: 'starting', intention: null }, history: NO_RESTARTS, restarts: 0 }
}

/** What an earlier kernel left, with the effect to carry out first. */
export function resumedAgentState(
  { restart, restarts, exit }: Pick<AgentRecord, 'restart' | 'restarts' | 'exit'>,
  delayMs: Millis
): AgentStep {
  const phase = { kind: 'waiting', exit, why: null } as const
  const state = { rule: restart, phase, history: NO_RESTARTS, restarts }
  return { state, effect: { kind: 'wait', delayMs } }
}

/** What had ended under an earlier kernel, or is left alone by this one. */
export function endedAgentState(
  { restart, restarts, exit }: Pick<AgentRecord, 'restart' | 'restarts' | 'exit'>,
  why: string | null
): AgentState {
  const phase =
    why === null
      ? ({ kind: 'exited', exit, isPaused: false } as const)
      : ({ kind: 'failed', exit, why, isForGood: true } as const)
  return { rule: restart, phase, history: NO_RESTARTS, restarts }
}

export function stepAgent(state: AgentState, input: AgentInput, now: Millis): AgentStep {
  switch (input.kind) {
    case 'started':
      return started(state, now)
    case 'start-failed':
      return startFailed(state, input, now)
    case 'start-held':
      return startHeld(state, input.why)
    case 'ended':
      return ended(state, input, now)
    case 'backoff-over':
      return state.phase.kind === 'waiting' ? again(state) : { state, effect: NONE }
    case 'asked':
      return asked(state, input.intention)
    default:
      return unreachable(input)
  }
}

function started(state: AgentState, now: Millis): AgentStep {
  if (state.phase.kind !== 'starting') return { state, effect: NONE }
  const { intention } = state.phase
  if (intention === null) return to(state, { kind: 'running', since: now })
  return to(state, { kind: 'stopping', intention }, { kind: 'end' })
}

function startFailed(
  state: AgentState,
  input: AgentInput & { readonly kind: 'start-failed' },
  now: Millis
): AgentStep {
  if (state.phase.kind !== 'starting') return { state, effect: NONE }
  if (state.phase.intention === 'restart') return afresh(state)
  if (state.phase.intention !== null) return left(state, null, state.phase.intention)
  if (input.isFinal) {
    return to(state, { kind: 'failed', exit: null, why: input.why, isForGood: false })
  }
  return byRule(state, { exit: null, since: now, chance: input.chance }, now)
}

function ended(
  state: AgentState,
  input: AgentInput & { readonly kind: 'ended' },
  now: Millis
): AgentStep {
  const { phase } = state
  if (phase.kind === 'running') {
    return byRule(state, { exit: input.exit, since: phase.since, chance: input.chance }, now)
  }
  if (phase.kind !== 'stopping') return { state, effect: NONE }
  if (phase.intention === 'restart') return afresh(state)
  return left(state, input.exit, phase.intention)
}

// L2
function left(
  state: AgentState,
  exit: ExitStatus | null,
  intention: Exclude<Intention, 'restart'>
): AgentStep {
  return to(state, { kind: 'exited', exit, isPaused: intention === 'pause' })
}

/** Not a failure: nobody has said no. */
function startHeld(state: AgentState, why: string): AgentStep {
  const { phase } = state
  if (phase.kind !== 'starting') return { state, effect: NONE }
  if (phase.intention === 'stop' || phase.intention === 'pause') {
    return left(state, null, phase.intention)
  }
  return {
    state: { ...state, phase: { kind: 'waiting', exit: null, why } },
    effect: { kind: 'wait', delayMs: AGENT_HELD_RETRY_MS }
  }
}

function asked(state: AgentState, wish: Intention): AgentStep {
  const { phase } = state
  // Whoever stopped it wants it stopped under the next kernel, too.
  const isStopping = 'intention' in phase && phase.intention === 'stop'
  const intention = wish === 'pause' && isStopping ? 'stop' : wish
  switch (phase.kind) {
    case 'starting':
      return to(state, { kind: 'starting', intention })
    case 'running':
      return to(state, { kind: 'stopping', intention }, { kind: 'end' })
    case 'stopping':
      return to(state, { kind: 'stopping', intention })
    case 'waiting':
      return intention === 'restart' ? afresh(state) : left(state, phase.exit, intention)
    case 'exited':
    case 'failed':
      return intention === 'restart' ? afresh(state) : { state, effect: NONE }
    default:
      return unreachable(phase)
  }
}

interface Run {
  readonly exit: ExitStatus | null
  readonly since: Millis
  readonly chance: number
}

function byRule(state: AgentState, run: Run, now: Millis): AgentStep {
  const ranMs = millis(Math.max(0, now - run.since))
  const decision = decideRestart(
    state.history,
    { rule: state.rule, exit: run.exit, ranMs, chance: run.chance },
    now
  )
  if (decision.kind === 'ended') return left(state, run.exit, 'stop')
  if (decision.kind === 'failed') {
    // What never ran may run with the next kernel: it is tried there once more.
    const isForGood = run.exit !== null
    return to(state, { kind: 'failed', exit: run.exit, why: decision.why, isForGood })
  }
  return {
    state: {
      ...state,
      phase: { kind: 'waiting', exit: run.exit, why: null },
      history: decision.history
    },
    effect: { kind: 'wait', delayMs: decision.delayMs }
  }
}

/** A start that follows a rule: the history stays. */
function again(state: AgentState): AgentStep {
  return {
    state: { ...state, phase: { kind: 'starting', intention: null }, restarts: state.restarts + 1 },
    effect: { kind: 'start' }
  }
}

/** A start that a person asked for: what went before is forgiven. */
function afresh(state: AgentState): AgentStep {
  return again({ ...state, history: NO_RESTARTS })
}

function to(state: AgentState, phase: AgentPhase, effect: AgentEffect = NONE): AgentStep {
  return { state: { ...state, phase }, effect }
}
