// How live streams look: what happens in a kernel, and what a process writes.

import type { KernelEvent, OutputChunk, StreamItem } from '../node/api/index.ts'
import type { Output } from './output.ts'
import { writeTo } from './output.ts'
import { paint } from './paint.ts'
import { timeText } from './quantity.ts'

export async function showEvents(
  events: AsyncIterable<StreamItem<KernelEvent>>,
  output: Output
): Promise<void> {
  for await (const { item } of events) await output.item(item, eventText)
}

function eventText({ time, kind, message }: KernelEvent): string {
  return `${paint(timeText(time), 'dim')}  ${kind}  ${message}`
}

/** The process's stdout goes to ours, its stderr to ours; under `--json` each chunk is a line. */
export async function showOutput(
  chunks: AsyncIterable<StreamItem<OutputChunk>>,
  output: Output
): Promise<void> {
  for await (const { item } of chunks) {
    if (output.isJson) await output.item(item, String)
    else {
      const stream = item.stream === 'stdout' ? process.stdout : process.stderr
      await writeTo(stream, Buffer.from(item.base64, 'base64'))
    }
  }
}
