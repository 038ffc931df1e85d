import { z } from 'zod'
import {
  approval,
  approvalDecision,
  meshPolicyView,
  policyCheck,
  policyCheckRequest,
  policyLockView,
  policyText,
  policyValidation,
  policyView
} from '../../api/schemas/policy.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, NO_INPUT } from '../route.ts'
import type { Route } from '../route.ts'
import { byId } from './inputs.ts'

const tag = 'policy'

export function policyRoutes(service: KernelService): readonly Route[] {
  return [...readingRoutes(service), ...changingRoutes(service)]
}

function readingRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/policy',
      tag,
      summary: 'Every rule in force, where it is from, and whether it is as it was locked',
      gives: policyView,
      call: () => service.policy()
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/policy/check',
      tag,
      summary: 'What would be decided, and by which rules; nothing is done or recorded',
      body: policyCheckRequest,
      gives: policyCheck,
      call: ({ body }) => service.checkPolicy(body)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/policy/validate',
      tag,
      summary: 'What is wrong with a text of policies',
      body: policyText,
      gives: policyValidation,
      call: ({ body }) => service.validatePolicy(body)
    })
  ]
}

function changingRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/policy/apply',
      tag,
      summary: 'Give policies to the whole mesh, in the place of what it had; for an admin',
      body: policyText,
      gives: meshPolicyView,
      call: ({ body }) => service.applyPolicy(body.text)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/policy/add',
      tag,
      summary: "Add policies to this home's own",
      body: policyText,
      gives: policyView,
      call: ({ body }) => service.addPolicy(body.text)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/policy/reload',
      tag,
      summary: "Take this home's policy files as they are now",
      gives: policyView,
      call: () => service.reloadPolicy()
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/policy/lock',
      tag,
      summary: "Take this home's policy files as they are now, and sign what was made of them",
      gives: policyLockView,
      call: () => service.lockPolicy()
    })
  ]
}

export function approvalRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/approvals',
      tag: 'approvals',
      summary:
        'What waits for an approval, here and on connected members, and what was decided lately',
      gives: z.array(approval),
      call: async () => [...(await service.approvals())]
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/approvals/{id}',
      tag: 'approvals',
      summary: 'One approval, with exactly what would run',
      params: byId,
      gives: approval,
      call: ({ params }) => service.approval(params.id)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/approvals/{id}',
      tag: 'approvals',
      summary: 'Approve or deny it, once',
      params: byId,
      body: approvalDecision,
      gives: approval,
      call: ({ params, body }) => service.decideApproval(params.id, body)
    })
  ]
}
