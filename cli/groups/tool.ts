import type { Group } from '../command.ts'

export const toolGroup: Group = {
  summary: 'Tools in WASM sandboxes',
  commands: {
    list: {
      summary: 'Show the tools of this node',
      examples: ['weaver tool list'],
      load: async () => (await import('../actions/tool.ts')).list
    },
    inspect: {
      summary: 'Show one tool: its input, its limits, what it may reach',
      usage: 'TOOL',
      words: { min: 1, max: 1 },
      examples: ['weaver tool inspect hash'],
      load: async () => (await import('../actions/tool.ts')).inspect
    },
    call: {
      summary: 'Call a tool, here or on another node',
      usage: 'TOOL [JSON]',
      words: { min: 1, max: 2 },
      options: {
        on: { value: 'NODE', help: 'Where to call it (default: here)' },
        containment: {
          value: 'os|none',
          help: 'none: without the walls of the operating system, where policy allows that (default: os)'
        }
      },
      about: 'JSON is the tool’s input; - reads it from stdin. Exit code 1 when the tool fails.',
      examples: [`weaver tool call hash '{"algorithm":"shake256","text":"hello"}' --on server`],
      load: async () => (await import('../actions/tool.ts')).call
    }
  }
}
