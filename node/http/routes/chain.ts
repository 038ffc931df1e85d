import { z } from 'zod'
import {
  chainEntry,
  chainKeep,
  chainKept,
  chainProof,
  chainRedaction,
  chainRedactionRequest,
  chainRepair,
  chainReport,
  chainStatus,
  chainVerifyStep,
  exportChunk,
  keyRotation
} from '../../api/schemas/chain.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, NO_INPUT, streamRoute } from '../route.ts'
import type { Route } from '../route.ts'
import { byId, flag, lines, optionalText, optionalTime } from './inputs.ts'

const tag = 'chain'
const verifyQuery = z.strictObject({ lane: optionalText, full: flag })

export function chainRoutes(service: KernelService): readonly Route[] {
  return [...checkingRoutes(service), ...upkeepRoutes(service)]
}

function checkingRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/chain/status',
      tag,
      summary: 'The lanes that this node holds, and how far each goes',
      gives: chainStatus,
      call: () => service.chainStatus()
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/chain/verify',
      tag,
      summary: 'Check every stored block: links, roots, payloads, signatures',
      query: verifyQuery,
      gives: chainReport,
      isLong: true,
      call: ({ query }, signal) => service.verifyChain(query, signal)
    }),
    streamRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/chain/verify/steps',
      tag,
      summary: 'The same with progress; the last item carries the report',
      query: verifyQuery,
      gives: chainVerifyStep,
      open: ({ query }, options) => service.verifySteps(query, options)
    })
  ]
}

function upkeepRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/chain/keep',
      tag,
      summary: 'Choose how much of the lanes of others this node keeps; null for all',
      body: chainKeep,
      gives: chainKept,
      call: ({ body }) => service.keepLanes(body)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/chain/rotate',
      tag,
      summary: 'Prepare another key for this node; the next start hands over to it',
      gives: keyRotation,
      call: () => service.rotateKey()
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/chain/redact',
      tag,
      summary: 'Take back the payload of one entry, on every member, and record who did and why',
      body: chainRedactionRequest,
      gives: chainRedaction,
      call: ({ body }) => service.redactEntry(body)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/chain/repair',
      tag,
      summary: 'Fetch damaged and missing blocks from other members',
      query: z.strictObject({ lane: optionalText }),
      gives: chainRepair,
      isLong: true,
      call: ({ query }, signal) => service.repairChain(query.lane, signal)
    })
  ]
}

export function chainEntryRoutes(service: KernelService): readonly Route[] {
  return [
    streamRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/chain/log',
      tag,
      summary: 'The newest entries, then those to come if `follow` is set',
      query: z.strictObject({
        lines,
        kind: optionalText,
        process: optionalText,
        actor: optionalText,
        lane: optionalText,
        since: optionalTime,
        until: optionalTime,
        follow: flag
      }),
      gives: chainEntry,
      open: ({ query }, options) => service.chainLog(query, options)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/chain/entries/{id}',
      tag,
      summary: 'One entry',
      params: byId,
      gives: chainEntry,
      call: ({ params }) => service.chainEntry(params.id)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/chain/proofs/{id}',
      tag,
      summary: 'A file that proves one entry to anybody, offline',
      params: byId,
      query: z.strictObject({ payload: flag }),
      gives: chainProof,
      call: ({ params, query }) => service.chainProof(params.id, query)
    }),
    streamRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/chain/export',
      tag,
      summary: 'One lane or all, as the bytes of an export file in base64',
      query: z.strictObject({ lane: optionalText }),
      gives: exportChunk,
      open: ({ query }, options) => service.exportChain(query.lane, options)
    })
  ]
}
