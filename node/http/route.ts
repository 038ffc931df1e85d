// A route: what it takes, what it gives, and which operation of the kernel it is. One table of routes is
// served, checked against and published as the OpenAPI document.

import { z } from 'zod'
import { firstMistake, mistakeWords } from '../../core/index.ts'
import { LONG_REQUEST_DEADLINE_MS, REQUEST_DEADLINE_MS } from '../api/limits.ts'
import type { BlobBytes, Streamed } from '../service.ts'
import { invalidRequest } from './errors.ts'
import { checkShape } from './shape.ts'

export interface Input<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
}

export type RawInput = Input<unknown, unknown, unknown>

interface Shape<Params, Query, Body, Result> {
  readonly method: 'get' | 'post'
  /** With its parameters in braces: `/api/v1/tasks/{id}`. */
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly params: z.ZodType<Params>
  readonly query: z.ZodType<Query>
  readonly body: z.ZodType<Body>
  /** The answer, or one item of the stream. */
  readonly gives: z.ZodType<Result>
}

/** To be spread into a route that takes nothing, or only some of the three. */
export const NO_INPUT: {
  readonly params: z.ZodType
  readonly query: z.ZodType
  readonly body: z.ZodType
} = { params: z.object({}), query: z.strictObject({}), body: z.unknown() }

export interface AnswerSpec<Params, Query, Body, Result> extends Shape<
  Params,
  Query,
  Body,
  Result
> {
  readonly status?: 200 | 201 | 202
  /** For what honestly takes minutes. */
  readonly isLong?: boolean
  readonly call: (
    input: Input<Params, Query, Body>,
    signal: AbortSignal
  ) => Result | Promise<Result>
}

export interface StreamOptions {
  readonly after: string | null
  readonly signal: AbortSignal
}

export interface StreamSpec<Params, Query, Item> extends Shape<Params, Query, unknown, Item> {
  readonly open: (
    input: Input<Params, Query, unknown>,
    options: StreamOptions
  ) => AsyncIterable<Streamed<Item>> | Promise<AsyncIterable<Streamed<Item>>>
}

export interface UploadSpec<Params, Query, Result> extends Shape<Params, Query, unknown, Result> {
  /** Reads `chunks` to their end, or throws. */
  readonly take: (
    input: Input<Params, Query, unknown>,
    chunks: AsyncIterable<Uint8Array>,
    signal: AbortSignal
  ) => Promise<Result>
}

export interface DownloadSpec<Params, Query> extends Omit<
  Shape<Params, Query, unknown, never>,
  'gives'
> {
  readonly read: (input: Input<Params, Query, unknown>) => Promise<BlobBytes>
}

type Published = Shape<unknown, unknown, unknown, unknown>

export type Route = Published &
  (
    | {
        readonly kind: 'answer'
        readonly status: 200 | 201 | 202
        readonly deadlineMs: number
        readonly call: (input: RawInput, signal: AbortSignal) => Promise<unknown>
      }
    | {
        readonly kind: 'stream'
        readonly open: (
          input: RawInput,
          options: StreamOptions
        ) => Promise<AsyncIterable<Streamed<unknown>>>
      }
    | {
        readonly kind: 'upload'
        readonly take: (
          input: RawInput,
          chunks: AsyncIterable<Uint8Array>,
          signal: AbortSignal
        ) => Promise<unknown>
      }
    | { readonly kind: 'download'; readonly read: (input: RawInput) => Promise<BlobBytes> }
  )

export function answerRoute<Params, Query, Body, Result>(
  spec: AnswerSpec<Params, Query, Body, Result>
): Route {
  return {
    ...spec,
    kind: 'answer',
    status: spec.status ?? 200,
    deadlineMs: spec.isLong === true ? LONG_REQUEST_DEADLINE_MS : REQUEST_DEADLINE_MS,
    call: async (raw, signal) => spec.call(checked(spec, raw), signal)
  }
}

export function streamRoute<Params, Query, Item>(spec: StreamSpec<Params, Query, Item>): Route {
  return {
    ...spec,
    kind: 'stream',
    open: async (raw, options) => spec.open(checked(spec, raw), options)
  }
}

export function uploadRoute<Params, Query, Result>(spec: UploadSpec<Params, Query, Result>): Route {
  return {
    ...spec,
    kind: 'upload',
    take: async (raw, chunks, signal) => spec.take(checked(spec, raw), chunks, signal)
  }
}

export function downloadRoute<Params, Query>(spec: DownloadSpec<Params, Query>): Route {
  return {
    ...spec,
    gives: z.unknown(),
    kind: 'download',
    read: async (raw) => spec.read(checked(spec, raw))
  }
}

function checked<Params, Query, Body>(
  spec: Pick<Shape<Params, Query, Body, unknown>, 'params' | 'query' | 'body'>,
  raw: RawInput
): Input<Params, Query, Body> {
  return {
    params: parsed('path', spec.params, raw.params),
    query: parsed('query', spec.query, raw.query),
    body: parsed('body', spec.body, raw.body)
  }
}

/** @throws ApiRefusal `API_INVALID_REQUEST` naming the first thing that is wrong */
export function parsed<T>(where: string, schema: z.ZodType<T>, value: unknown): T {
  checkShape(where, value)
  const result = schema.safeParse(value, { error: mistakeWords })
  if (result.success) return result.data
  const { place, words } = firstMistake(result.error)
  throw invalidRequest(place === '' ? where : `${where} field '${place}'`, words)
}
