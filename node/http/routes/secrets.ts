import { z } from 'zod'
import { secretRow, secretValue } from '../../api/schemas/secrets.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, NO_INPUT } from '../route.ts'
import type { Route } from '../route.ts'
import { byName } from './inputs.ts'

const tag = 'secrets'

export function secretRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/secrets',
      tag,
      summary: 'The names of the secrets of this home; never a value',
      gives: z.array(secretRow),
      call: async () => [...(await service.secrets())]
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/secrets/{name}',
      tag,
      summary: 'Keep a secret under this name, in the place of what was there',
      params: byName,
      body: secretValue,
      gives: z.array(secretRow),
      call: async ({ params, body }) => [
        ...(await service.setSecret(params.name, Buffer.from(body.base64, 'base64')))
      ]
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/secrets/{name}/remove',
      tag,
      summary: 'Forget a secret',
      params: byName,
      gives: z.array(secretRow),
      call: async ({ params }) => [...(await service.removeSecret(params.name))]
    })
  ]
}
