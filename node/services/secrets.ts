import { checkSecretName } from '../../governance/index.ts'
import type { Rooms } from '../rooms.ts'
import type { KernelService } from '../service.ts'

type SecretOperations = Pick<KernelService, 'secrets' | 'setSecret' | 'removeSecret'>

/** Names come and go by these; a value comes in by one of them, and none gives one out. */
export function secretOperations({ secrets, gate }: Rooms): SecretOperations {
  const ask = async (name: string, change: 'set' | 'remove'): Promise<void> => {
    const resource = `secret:${name}`
    const principal = { kind: 'owner' } as const
    await gate.authorize({ principal, action: 'secret.write', resource, context: { change } })
  }
  return {
    secrets: () => secrets.list(),
    setSecret: async (name, value) => {
      checkSecretName(name)
      await ask(name, 'set')
      await secrets.set(name, value)
      return await secrets.list()
    },
    removeSecret: async (name) => {
      checkSecretName(name)
      await ask(name, 'remove')
      await secrets.remove(name)
      return await secrets.list()
    }
  }
}
