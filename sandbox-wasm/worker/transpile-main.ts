// Entry of the process that translates one component to JavaScript and core modules, through the
// component tooling of jco. The input is untrusted, the translation may take a second: so not in the kernel.

import { $init, generate } from '@bytecodealliance/jco-transpile/component'
import { holdLifeline } from './lifeline.ts'
import { transpileRequest } from './protocol.ts'
import type { TranspileReply, TranspileRequest } from './protocol.ts'
import { serve } from './serve.ts'

// Bounds requests only, which come from the kernel and are bounded there.
const REQUEST_BYTES_MAX = 64 * 1024 * 1024

await holdLifeline()
await $init
await serve(REQUEST_BYTES_MAX, (request) => transpiled(transpileRequest(request)))

function transpiled({ component }: TranspileRequest): TranspileReply {
  try {
    const { files, imports, exports } = generate(new Uint8Array(Buffer.from(component, 'base64')), {
      name: 'tool',
      // The code imports nothing by itself: modules and imports are passed in at each instantiation.
      instantiation: { tag: 'sync' },
      base64Cutoff: 0,
      noTypescript: true,
      noNodejsCompat: true,
      noComponentErrorWrapping: true,
      strict: true
    })
    return {
      type: 'transpiled',
      imports,
      exports: exports.flatMap(([name, type]) => (type === 'function' ? [name] : [])),
      files: files.map(([name, bytes]) => ({
        name,
        base64: Buffer.from(bytes).toString('base64')
      }))
    }
  } catch (error) {
    return { type: 'invalid', why: String(error) }
  }
}
