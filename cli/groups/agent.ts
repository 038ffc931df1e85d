import type { Group } from '../command.ts'
import { SANDBOX_OPTIONS } from '../sandbox.ts'

const PROC = { usage: 'PROC', words: { min: 1, max: 1 } }

export const agentGroup: Group = {
  summary: 'Named processes that are kept alive',
  commands: {
    spawn: {
      summary: 'Start a named, supervised process on any node',
      usage: '[-- ARGS...]',
      words: { min: 0, max: Infinity },
      isWrapper: true,
      options: {
        runtime: { value: 'RUNTIME', help: 'What kind of agent it is (custom: any command)' },
        name: { value: 'NAME', help: 'Its name' },
        on: { value: 'NODE', help: 'Where it runs (default: here)' },
        gpu: { value: 'SPEC', help: 'GPUs that it holds from its start to its end' },
        ...SANDBOX_OPTIONS,
        restart: {
          value: 'RULE',
          help: 'permanent, transient or temporary: always, after a failure or never (default: permanent)'
        }
      },
      examples: [
        "weaver agent spawn --runtime custom --name ticker --on server -- sh -c 'while date; do sleep 1; done'"
      ],
      load: async () => (await import('../actions/agent.ts')).spawn
    },
    list: {
      summary: 'Show the agents of all nodes',
      examples: ['weaver agent list'],
      load: async () => (await import('../actions/agent.ts')).list
    },
    inspect: {
      ...PROC,
      summary: 'Show all about one agent',
      examples: ['weaver agent inspect ticker'],
      load: async () => (await import('../actions/agent.ts')).inspect
    },
    attach: {
      ...PROC,
      summary: 'Watch what an agent writes',
      examples: ['weaver agent attach ticker'],
      load: async () => (await import('../actions/kernel-attach.ts')).attach
    },
    stop: {
      ...PROC,
      summary: 'Stop an agent and its whole process tree',
      examples: ['weaver agent stop ticker'],
      load: async () => (await import('../actions/agent.ts')).stop
    },
    restart: {
      ...PROC,
      summary: 'Stop an agent and start it again',
      examples: ['weaver agent restart ticker'],
      load: async () => (await import('../actions/agent.ts')).restart
    },
    runtimes: {
      summary: 'Show what kinds of agents this node can start',
      examples: ['weaver agent runtimes'],
      load: async () => (await import('../actions/agent.ts')).runtimes
    }
  }
}
