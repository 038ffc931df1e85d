import type { Command } from '../command.ts'

export const selfCommand: Command = {
  summary: 'Show what this process is to its kernel, from inside it',
  about:
    'Only for processes that were granted something to ask for (tool:, exec:, spawn, delegate:): their ' +
    'WEAVER_SOCKET names the way. Other commands then speak in the name of that process too.',
  examples: ['weaver self', 'weaver self --json'],
  load: async () => (await import('../actions/self.ts')).self
}
