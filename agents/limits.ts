import { millis } from '../core/index.ts'
import type { Millis } from '../core/index.ts'

/** Agents of one node that have not ended. Each holds a process, a spool and a row. */
export const AGENTS_MAX = 256
/** Ended agents that `list` still shows; older ones are in the chain. */
export const AGENTS_ENDED_MAX = 64
/** Arguments of one agent's command, and bytes of all of them: half of Linux' smallest ARG_MAX. */
export const COMMAND_ARGUMENTS_MAX = 4096
export const COMMAND_BYTES_MAX: number = 1024 * 1024

/** How long an agent may take to end by itself once asked. docker waits 10 s, systemd 90 s. */
export const AGENT_STOP_GRACE_MS: Millis = millis(5000)

export interface RestartLimits {
  /** Restarts allowed within `windowMs`; one more and the agent has failed. */
  readonly intensity: number
  readonly windowMs: Millis
  /** The first back-off; each further one doubles it, up to `backoffMaxMs`. */
  readonly backoffMinMs: Millis
  readonly backoffMaxMs: Millis
}

/**
 * Five doublings from 0.2 s last 6 s: a crash loop fails well within the window, and a process that
 * crashes every quarter of a minute is started again for ever, half a minute apart.
 */
export const RESTART_LIMITS: RestartLimits = {
  intensity: 5,
  windowMs: millis(60_000),
  backoffMinMs: millis(200),
  backoffMaxMs: millis(30_000)
}

/** Steps of the jitter, which adds up to a quarter to each back-off. */
export const JITTER_STEPS = 1024

export interface ResumeLimits {
  /** Ends of kernels without a word, in a row, after which an agent is not started by the next one. */
  readonly lossesMax: number
  /** An end so soon after a start of the agent counts. */
  readonly soonMs: Millis
  /** Between the starts of two agents at a kernel's start. */
  readonly spreadMs: Millis
}

/**
 * A service manager starts a kernel that crashed after 5 s or so. Whatever kills it within ten minutes of its start,
 * six times in a row, is not cured by a seventh. 256 agents, 25 ms apart, are there in 6.4 s.
 */
export const RESUME_LIMITS: ResumeLimits = {
  lossesMax: 5,
  soonMs: millis(600_000),
  spreadMs: millis(25)
}

/** How often a start that waits for an approval is asked for again: somebody has just said yes. */
export const AGENT_HELD_RETRY_MS: Millis = millis(2000)
