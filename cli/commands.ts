// The first word of a command line. Each group's own table is loaded when it is needed.

import type { Command, Group } from './command.ts'

export interface GroupEntry {
  readonly kind: 'group'
  readonly summary: string
  readonly load: () => Promise<Group>
}

export interface CommandEntry {
  readonly kind: 'command'
  readonly summary: string
  readonly load: () => Promise<Command>
}

export const COMMANDS: Readonly<Record<string, GroupEntry | CommandEntry>> = {
  kernel: {
    kind: 'group',
    summary: 'Start, stop and watch this machine’s kernel',
    load: async () => (await import('./groups/kernel.ts')).kernelGroup
  },
  mesh: {
    kind: 'group',
    summary: 'Bring machines together',
    load: async () => (await import('./groups/mesh.ts')).meshGroup
  },
  node: {
    kind: 'group',
    summary: 'What one machine is and has',
    load: async () => (await import('./groups/node.ts')).nodeGroup
  },
  run: {
    kind: 'command',
    summary: 'Run a command on whichever machine fits, attached to this terminal',
    load: async () => (await import('./groups/run.ts')).runCommand
  },
  task: {
    kind: 'group',
    summary: 'The commands that were run: list, wait for, cancel them',
    load: async () => (await import('./groups/task.ts')).taskGroup
  },
  agent: {
    kind: 'group',
    summary: 'Named processes that are kept alive',
    load: async () => (await import('./groups/agent.ts')).agentGroup
  },
  tool: {
    kind: 'group',
    summary: 'Tools in WASM sandboxes',
    load: async () => (await import('./groups/tool.ts')).toolGroup
  },
  policy: {
    kind: 'group',
    summary: 'Who may do what, and why',
    load: async () => (await import('./groups/policy.ts')).policyGroup
  },
  approvals: {
    kind: 'group',
    summary: 'What waits for somebody to approve it',
    load: async () => (await import('./groups/policy.ts')).approvalsGroup
  },
  secrets: {
    kind: 'group',
    summary: 'Values that processes get by grant, and nobody sees',
    load: async () => (await import('./groups/secrets.ts')).secretsGroup
  },
  blob: {
    kind: 'group',
    summary: 'Files and other bytes, by their hash, on any machine',
    load: async () => (await import('./groups/blob.ts')).blobGroup
  },
  chain: {
    kind: 'group',
    summary: 'The signed record of what happened',
    load: async () => (await import('./groups/chain.ts')).chainGroup
  },
  verify: {
    kind: 'command',
    summary: 'Check an export or a proof offline',
    load: async () => (await import('./groups/verify.ts')).verifyCommand
  },
  doctor: {
    kind: 'command',
    summary: 'Say what works on this machine, what does not, and what mends it',
    load: async () => (await import('./groups/doctor.ts')).doctorCommand
  },
  self: {
    kind: 'command',
    summary: 'Show what this process is to its kernel, from inside it',
    load: async () => (await import('./groups/self.ts')).selfCommand
  },
  version: {
    kind: 'command',
    summary: 'Show the version',
    load: async () => (await import('./actions/version.ts')).versionCommand
  },
  completion: {
    kind: 'command',
    summary: 'Print a completion script for a shell',
    load: async () => (await import('./actions/completion.ts')).completionCommand
  }
}
