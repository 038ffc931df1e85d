import type { Group } from '../command.ts'

const ID = { usage: 'ID', words: { min: 1, max: 1 } }

export const taskGroup: Group = {
  summary: 'The commands that were run: list, wait for, cancel them',
  commands: {
    list: {
      summary: 'Show the tasks submitted on this node',
      examples: ['weaver task list'],
      load: async () => (await import('../actions/task.ts')).list
    },
    show: {
      ...ID,
      summary: 'Show one task',
      examples: ['weaver task show 0f3k9m2p7q8r4s6t'],
      load: async () => (await import('../actions/task.ts')).show
    },
    wait: {
      ...ID,
      summary: 'Wait for the end of a task; exit code 0 if it succeeded',
      options: { timeout: { value: 'D', help: 'Give up after this long: exit code 5' } },
      examples: ['weaver task wait 0f3k9m2p7q8r4s6t --timeout 10m'],
      load: async () => (await import('../actions/task.ts')).wait
    },
    cancel: {
      ...ID,
      summary: 'End a task',
      examples: ['weaver task cancel 0f3k9m2p7q8r4s6t'],
      load: async () => (await import('../actions/task.ts')).cancel
    },
    logs: {
      ...ID,
      summary: 'Show what a task has written',
      options: { follow: { short: 'f', help: 'Go on with what comes' } },
      examples: ['weaver task logs 0f3k9m2p7q8r4s6t -f'],
      load: async () => (await import('../actions/task.ts')).logs
    }
  }
}
