import type { Group } from '../command.ts'

const NAME = { usage: 'NAME', words: { min: 1, max: 1 } }

export const secretsGroup: Group = {
  summary: 'Values that processes get by grant, and nobody sees',
  commands: {
    set: {
      ...NAME,
      summary: 'Keep a secret: from a prompt, or from stdin',
      about:
        'The value is never an argument: others could read it there. One line break at its end is not ' +
        'part of it. A process gets it by the grant secret:NAME, in the variable NAME; in what it prints, ' +
        'in logs and in the chain it is replaced by [redacted].',
      examples: ['weaver secrets set API_KEY', 'cat key.txt | weaver secrets set API_KEY'],
      load: async () => (await import('../actions/secrets.ts')).set
    },
    list: {
      summary: 'Show the names of the secrets of this home',
      examples: ['weaver secrets list'],
      load: async () => (await import('../actions/secrets.ts')).list
    },
    remove: {
      ...NAME,
      summary: 'Forget a secret',
      examples: ['weaver secrets remove API_KEY'],
      load: async () => (await import('../actions/secrets.ts')).remove
    }
  }
}
