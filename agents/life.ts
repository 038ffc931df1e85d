// The life of one agent as a state machine: (state, event, now) -> (state, effect). Pure.
//
// Invariants
//   L1. At most one start is under way or alive at any time: `start` is only ever the effect of leaving a
//       phase that owns no process.
//   L2. Once a stop was asked for, no later exit starts it again, unless a restart is asked for.
//   L3. `exited` and `failed` own nothing: no process, no timer.

import { millis, unreachable } from '../core/index.ts'
import type { Millis } from '../core/index.ts'
import { decideRestart, NO_RESTARTS } from './restart.ts'
import type { RestartHistory, RestartRule } from './restart.ts'
import type { ExitStatus } from './ports.ts'

/** What follows when a process that is being started or stopped has gone. */
export type Intention = 'stop' | 'restart'

export type AgentPhase =
  | { readonly kind: 'starting'; readonly intention: Intention | null }
  | { readonly kind: 'running'; readonly since: Millis }
  /** Waits for its back-off to pass. */
  | { readonly kind: 'waiting'; readonly exit: ExitStatus | null }
  | { readonly kind: 'stopping'; readonly intention: Intention }
  | { readonly kind: 'exited'; readonly exit: ExitStatus | null }
  | { readonly kind: 'failed'; readonly exit: ExitStatus | null; readonly why: string }

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

export function stepAgent(state: AgentState, input: AgentInput, now: Millis): AgentStep {
  switch (input.kind) {
    case 'started':
      return started(state, now)
    case 'start-failed':
      return startFailed(state, input, now)
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
  if (state.phase.intention === 'stop') return to(state, { kind: 'exited', exit: null })
  if (input.isFinal) return to(state, { kind: 'failed', exit: null, why: input.why })
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
  return to(state, { kind: 'exited', exit: input.exit }) // L2
}

function asked(state: AgentState, intention: Intention): AgentStep {
  const { phase } = state
  switch (phase.kind) {
    case 'starting':
      return to(state, { kind: 'starting', intention })
    case 'running':
      return to(state, { kind: 'stopping', intention }, { kind: 'end' })
    case 'stopping':
      return to(state, { kind: 'stopping', intention })
    case 'waiting':
      return intention === 'restart'
        ? afresh(state)
        : to(state, { kind: 'exited', exit: phase.exit })
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
  if (decision.kind === 'ended') return to(state, { kind: 'exited', exit: run.exit })
  if (decision.kind === 'failed') {
    return to(state, { kind: 'failed', exit: run.exit, why: decision.why })
  }
  return {
    state: { ...state, phase: { kind: 'waiting', exit: run.exit }, history: decision.history },
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
