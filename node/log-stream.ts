// The kernel's log as a stream: the newest lines of its files, then what is logged from now on.

import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import type { LogLine } from './api/index.ts'
import type { Feed } from './feed.ts'
import { logPath } from './log-file.ts'
import type { KernelService, Streamed } from './service.ts'

export interface LogStreamDeps {
  readonly directory: string
  readonly feed: Feed<LogLine>
}

export async function* logStream(
  { directory, feed }: LogStreamDeps,
  { lines, follow, after, signal }: Parameters<KernelService['logs']>[0]
): AsyncGenerator<Streamed<LogLine>, void, void> {
  const newest = feed.lastId // Before the files are read: a line may be shown twice, never missed.
  if (after === null) {
    for (const item of lines === 0 ? [] : tail(directory, lines)) yield { id: newest, item }
  }
  if (follow) yield* feed.stream(after ?? newest, signal)
}

/** The newest lines of this file and the one before it, oldest first. */
function tail(directory: string, count: number): readonly LogLine[] {
  const texts = [1, 0]
    .map((age) => logPath(directory, age))
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8'))
  return texts.join('').trimEnd().split('\n').slice(-count).flatMap(parseLogLine)
}

const lineSchema: z.ZodType<LogLine> = z.object({
  time: z.number(),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  message: z.string(),
  fields: z.record(z.string(), z.json())
})

/** Nothing for a line that a crash cut short. */
export function parseLogLine(text: string): readonly LogLine[] {
  try {
    return [lineSchema.parse(JSON.parse(text))]
  } catch {
    return []
  }
}
