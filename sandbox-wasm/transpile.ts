import type { Clock, Containment } from '../core/index.ts'
import { ComponentInvalidError, WorkerFailedError } from './errors.ts'
import { MESSAGE_CHARACTERS_MAX, TRANSPILE_LIMIT_MS, TRANSPILED_BYTES_MAX } from './limits.ts'
import type { WorkerLauncher } from './ports.ts'
import type { Translation } from './transpile-cache.ts'
import { within } from './within.ts'

const EXPORTS = ['call', 'describe'] as const

export interface TranslationWish {
  readonly name: string
  readonly component: Uint8Array
  readonly containment: Containment
}

/**
 * Translates a component in a process of its own, which ends with it.
 * @throws WeaverError `SANDBOX_COMPONENT_INVALID`, `SANDBOX_WORKER_FAILED`, `CONTAINMENT_MISSING`
 */
export async function transpile(
  deps: { readonly launcher: WorkerLauncher; readonly clock: Clock },
  { name, component, containment }: TranslationWish,
  signal: AbortSignal
): Promise<Translation> {
  const link = await deps.launcher.transpiler(containment)
  const kill = (): void => link.kill()
  signal.addEventListener('abort', kill)
  try {
    signal.throwIfAborted() // It may have aborted before anybody listened here.
    const base64 = Buffer.from(component).toString('base64')
    const translating = link.request({ type: 'transpile', component: base64 })
    const reply = await within(deps.clock, TRANSPILE_LIMIT_MS, translating)
    if (reply === null) throw new ComponentInvalidError(name, 'it takes too long to translate')
    if (reply.value.type === 'invalid') {
      throw new ComponentInvalidError(name, reply.value.why.slice(0, MESSAGE_CHARACTERS_MAX))
    }
    const { imports, exports, files } = reply.value
    const missing = EXPORTS.filter((wanted) => !exports.includes(wanted))
    if (missing.length > 0) {
      throw new ComponentInvalidError(name, `it does not export ${missing.join(', ')}`)
    }
    const decoded = files.map((file) => ({
      name: file.name,
      bytes: new Uint8Array(Buffer.from(file.base64, 'base64'))
    }))
    const size = decoded.reduce((sum, { bytes }) => sum + bytes.length, 0)
    if (size > TRANSPILED_BYTES_MAX) throw new ComponentInvalidError(name, 'it grows too large')
    return { imports, exports, files: decoded }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof ComponentInvalidError) throw error
    throw new WorkerFailedError('the translator ended', { cause: error })
  } finally {
    signal.removeEventListener('abort', kill)
    link.kill()
    await link.ended
  }
}
