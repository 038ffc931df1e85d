import { WeaverError } from '../../core/index.ts'

/** A peer asked for something that this version does not serve. */
export function noSuchMethod(service: string, method: string): WeaverError {
  return new WeaverError(
    'NODE_NO_SUCH_METHOD',
    `Cannot serve '${service}.${method.slice(0, 64)}': this version does not know it`
  )
}
