import type { Group } from '../command.ts'

export const nodeGroup: Group = {
  summary: 'What one machine is and has',
  commands: {
    show: {
      summary: 'Show a node: this one, or any of the mesh',
      usage: '[NODE]',
      words: { min: 0, max: 1 },
      examples: ['weaver node show', 'weaver node show server'],
      load: async () => (await import('../actions/node.ts')).show
    }
  }
}
