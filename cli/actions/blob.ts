import { open } from 'node:fs/promises'
import type {
  Blob,
  BlobCollected,
  BlobFetchStep,
  BlobShelf,
  BlobStored
} from '../../node/api/index.ts'
import type { Context, Runner } from '../command.ts'
import { CliError, EXIT } from '../errors.ts'
import { writeFile } from '../file.ts'
import type { Column } from '../output.ts'
import { stateColour } from '../paint.ts'
import { sizeText, timeText } from '../quantity.ts'
import { counted } from './chain-report.ts'

/** Between two lines of progress, and before the first: what is quick needs none. */
const PROGRESS_EVERY_MS = 1000
const READ_BYTES = 256 * 1024

export const put: Runner = async ({ client, output }, args) => {
  const [file = '-'] = args.words
  const pinned = !args.flag('unpinned')
  const { chunks, size } = file === '-' ? { chunks: stdinChunks(), size: null } : await opened(file)
  const say = await progress((text) => output.note(text))
  const told = async function* (): AsyncGenerator<Uint8Array> {
    let sent = 0
    for await (const chunk of chunks) {
      sent += chunk.length
      say(() => `storing: ${shareText(sent, size)}`)
      yield chunk
    }
  }
  const stored = await client.putBlob(told(), { pinned })
  await output.document(stored, ({ id }) => id)
  if (!output.isJson) output.note(storedText(stored))
  return EXIT.done
}

function storedText({ bytes, pinned, isNew }: BlobStored): string {
  const kept = pinned ? 'pinned' : 'kept until room is needed'
  return `weaver: ${sizeText(bytes)} ${isNew ? 'stored' : 'were here already'}, ${kept}`
}

export const get: Runner = async (context, args) => {
  const { client, output } = context
  const [id = ''] = args.words
  const file = args.text('output') ?? (output.isJson ? null : '-')
  const { id: whole, bytes } = await fetched(context, id)
  if (file !== null) await writeFile(file, client.readBlob(whole))
  if (file !== '-') await output.document({ id: whole, bytes, file }, () => `wrote ${file}`)
  return EXIT.done
}

export const pin: Runner = async (context, args) => {
  const { client, output } = context
  const [id = ''] = args.words
  const isOff = args.flag('off')
  const whole = isOff ? id : (await fetched(context, id)).id
  const stored = await client.pinBlob(whole, !isOff)
  await output.document(stored, (it) => `${it.pinned ? 'pinned' : 'released'} ${it.id}`)
  return EXIT.done
}

const COLUMNS: readonly Column<Blob>[] = [
  { title: 'BLOB', text: ({ id }) => id },
  { title: 'SIZE', text: ({ bytes }) => sizeText(bytes), isRight: true },
  { title: 'STATE', text: ({ state }) => state, colour: ({ state }) => stateColour(state) },
  { title: 'PINNED', text: ({ pinned }) => (pinned ? 'yes' : '-') },
  { title: 'ADDED', text: ({ addedAt }) => timeText(addedAt) }
]

export const list: Runner = async ({ client, output }) => {
  const shelf = await client.blobs()
  if (output.isJson) await output.document(shelf, String)
  else {
    await output.rows(shelf.blobs, COLUMNS, 'no blobs')
    output.note(budgetText(shelf))
  }
  return EXIT.done
}

function budgetText({ usedBytes, budgetBytes }: BlobShelf): string {
  return `weaver: ${sizeText(usedBytes)} of ${sizeText(budgetBytes)} are used`
}

export const gc: Runner = async ({ client, output }, args) => {
  const { sizeOf } = await import('../size.ts')
  const collected = await client.collectBlobs(sizeOf(args, 'to'))
  await output.document(collected, collectedText)
  return EXIT.done
}

function collectedText({ removed, bytesFreed, usedBytes }: BlobCollected): string {
  return (
    `removed ${counted(removed.length, 'blob')} of ${sizeText(bytesFreed)}; ` +
    `${sizeText(usedBytes)} are left`
  )
}

/** Resolves when the kernel has the whole blob. */
async function fetched({ client, output }: Context, id: string): Promise<BlobFetchStep> {
  const say = await progress((text) => output.note(text))
  for await (const { item } of client.fetchBlob(id)) {
    if (item.done) return item
    const from = item.sources.length === 0 ? '' : ` from ${item.sources.join(', ')}`
    say(() => `fetching${from}: ${shareText(item.bytes, item.bytesTotal)}`)
  }
  throw new CliError('CLI_KERNEL_GONE', 'The kernel ended the fetch without a word')
}

/** Says at most once a second what `text` says then. */
async function progress(note: (text: string) => void): Promise<(text: () => string) => void> {
  const { wallMs } = await import('../clock.ts')
  let said = wallMs()
  return (text) => {
    if (wallMs() < said + PROGRESS_EVERY_MS) return
    said = wallMs()
    note(`weaver: ${text()}`)
  }
}

function shareText(bytes: number, total: number | null): string {
  if (total === null || total === 0) return sizeText(bytes)
  return `${Math.floor((100 * bytes) / total)} % of ${sizeText(total)}`
}

async function opened(
  path: string
): Promise<{ readonly chunks: AsyncIterable<Uint8Array>; readonly size: number }> {
  try {
    const file = await open(path, 'r')
    const status = await file.stat()
    if (status.isDirectory()) {
      await file.close()
      throw new CliError(
        'CLI_FILE_UNREADABLE',
        `Cannot read '${path}': it is a folder`,
        'pack it: tar c DIR | weaver blob put -'
      )
    }
    return { chunks: file.createReadStream({ highWaterMark: READ_BYTES }), size: status.size }
  } catch (error) {
    if (error instanceof CliError) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new CliError('CLI_FILE_UNREADABLE', `Cannot read '${path}': ${why}`)
  }
}

async function* stdinChunks(): AsyncGenerator<Uint8Array> {
  for await (const chunk of process.stdin) if (Buffer.isBuffer(chunk)) yield chunk
}
