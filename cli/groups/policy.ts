import type { Group } from '../command.ts'

const FILE = { usage: 'FILE', words: { min: 1, max: 1 } }

export const policyGroup: Group = {
  summary: 'Who may do what, and why',
  commands: {
    show: {
      summary: 'Show every rule in force, where it is from, and whether it is as it was locked',
      examples: ['weaver policy show'],
      load: async () => (await import('../actions/policy.ts')).show
    },
    explain: {
      summary:
        'Say in words what the rules allow: all of them, or those of one source, role or name',
      usage: '[WORD]',
      words: { min: 0, max: 1 },
      about: 'WORD is a part of a rule’s name, its source, or a role: coder, base, home, mesh.',
      examples: ['weaver policy explain', 'weaver policy explain coder'],
      load: async () => (await import('../actions/policy.ts')).explain
    },
    check: {
      summary: 'Ask what would be decided, by which rules, and what would change it',
      usage: '[-- COMMAND [ARGS...]]',
      words: { min: 0, max: 4096 },
      isWrapper: true,
      options: {
        principal: {
          value: 'WHO',
          help: 'user:local, agent:NAME, node:NAME, process:PID or stranger (default: user:local)'
        },
        action: { value: 'ACTION', help: 'Such as exec, task.submit, fs.read (default: exec)' },
        resource: { value: 'WHAT', help: 'Such as path:/srv/project or host:example.com:443' },
        role: { value: 'ROLE', help: 'Of an agent that does not run: the role it would have' },
        cwd: { value: 'DIR', help: 'Where the command would run' },
        containment: { value: 'os|none', help: 'How it would be contained (default: os)' },
        image: {
          value: 'IMAGE',
          help: 'The image in whose container it would run (default: none)'
        },
        gpu: {
          value: 'SPEC',
          help: 'GPUs that it would be given, such as 1 or nvidia:1:24GB (default: none)'
        }
      },
      about: 'Nothing is done or recorded. Exit code 4 when it would be denied.',
      examples: [
        'weaver policy check --principal agent:reviewer --action exec -- rm -rf /',
        'weaver policy check --principal agent:a --role coder --action fs.write --resource path:/srv'
      ],
      load: async () => (await import('../actions/policy.ts')).check
    },
    validate: {
      ...FILE,
      summary: 'Say what is wrong with a file of policies',
      examples: ['weaver policy validate team.cedar'],
      load: async () => (await import('../actions/policy.ts')).validate
    },
    apply: {
      ...FILE,
      summary: 'Give policies to the whole mesh, in the place of what it had; for an admin',
      about:
        'They are signed by this node and reach every member, also those that are offline now. An older ' +
        'set never takes the place of a newer one.',
      examples: ['weaver policy apply team.cedar'],
      load: async () => (await import('../actions/policy.ts')).apply
    },
    add: {
      usage: 'POLICY...',
      words: { min: 1, max: 256 },
      summary: "Add a policy to this home's own (policy/local.cedar)",
      examples: [
        `weaver policy add 'permit(principal, action == Weft::Action::"fs.read", resource);'`
      ],
      load: async () => (await import('../actions/policy.ts')).add
    },
    reload: {
      summary: "Take this home's policy files as they are now",
      examples: ['weaver policy reload'],
      load: async () => (await import('../actions/policy.ts')).reload
    },
    lock: {
      summary: "Take this home's policy files as they are now, and sign what was made of them",
      about:
        'Afterwards files that are not as they were locked are not used: a kernel that starts with them ' +
        'allows nothing until they are locked anew.',
      examples: ['weaver policy lock'],
      load: async () => (await import('../actions/policy.ts')).lock
    }
  }
}

const ID = { usage: 'ID', words: { min: 1, max: 1 } }

export const approvalsGroup: Group = {
  summary: 'What waits for somebody to approve it',
  commands: {
    list: {
      summary: 'Show what waits here and on connected members, and what was decided lately',
      examples: ['weaver approvals list'],
      load: async () => (await import('../actions/approvals.ts')).list
    },
    show: {
      ...ID,
      summary: 'Show exactly what would run',
      examples: ['weaver approvals show 7', 'weaver approvals show 7@server'],
      load: async () => (await import('../actions/approvals.ts')).show
    },
    approve: {
      ...ID,
      summary: 'Allow it, once',
      options: { hash: { value: 'HASH', help: 'Only if it is this that would run' } },
      examples: ['weaver approvals approve 7'],
      load: async () => (await import('../actions/approvals.ts')).approve
    },
    deny: {
      ...ID,
      summary: 'Deny it',
      examples: ['weaver approvals deny 7@server'],
      load: async () => (await import('../actions/approvals.ts')).deny
    }
  }
}
