import type { Command } from '../command.ts'
import { SANDBOX_OPTIONS } from '../sandbox.ts'

export const runCommand: Command = {
  summary: 'Run a command on whichever machine fits, attached to this terminal',
  usage: '-- COMMAND [ARGS...]',
  words: { min: 1, max: Infinity },
  isWrapper: true,
  about:
    'Streams stdin, stdout, stderr and signals, and ends with the command’s own exit code; 125 is a ' +
    'failure of weaver itself, 126 a command that is not executable, 127 one that is not found. ' +
    'The command is contained: it runs in a fresh folder of its own, sees the system read-only and ' +
    'nothing else of the machine, and has no network; --workspace and --grant give it more. ' +
    'A second Ctrl-C within a second cancels and leaves.',
  options: {
    on: { value: 'NODE', help: 'Run it there (default: where it fits best)' },
    gpu: { value: 'SPEC', help: 'GPUs that it needs: 1, 1:24GB, nvidia:1:24GB' },
    label: { value: 'K=V', isMultiple: true, help: 'Only nodes that carry this label' },
    timeout: { value: 'D', help: 'End it when it has waited, or run, this long' },
    ...SANDBOX_OPTIONS,
    detach: { short: 'd', help: 'Print the task id and leave it running' }
  },
  examples: [
    "weaver run --gpu 1 -- sh -c 'nvidia-smi -L'",
    'git archive HEAD | weaver run --on server -- tar tf -'
  ],
  load: async () => (await import('../actions/run.ts')).run
}
