import type { Command } from '../command.ts'

export const verifyCommand: Command = {
  summary: 'Check an export or a proof offline',
  usage: 'FILE',
  words: { min: 1, max: 1 },
  about:
    'Needs no kernel, no home and no network. What is checked hangs on the mesh that the file names: ' +
    'compare its id with the one you know, or pass it with --mesh. Exit code 1 when anything is wrong.',
  options: {
    mesh: { value: 'ID', help: 'The file must be of this mesh' },
    witnesses: { value: 'N', help: 'Each checkpoint must be cosigned by as many members' }
  },
  examples: [
    'weaver verify proof.json',
    'weaver verify all.weft --mesh 3f0c... --witnesses 2 --json'
  ],
  load: async () => (await import('../actions/verify.ts')).verify
}
