import type { Group } from '../command.ts'

export const meshGroup: Group = {
  summary: 'Bring machines together',
  commands: {
    invite: {
      summary: 'Make a line that lets another machine join',
      options: {
        ttl: { value: 'D', help: 'How long it is valid (default: 10m)' },
        uses: { value: 'N', help: 'How many machines may use it (default: 1)' },
        role: { value: 'member|admin', help: 'What they become (default: member)' }
      },
      examples: ['weaver mesh invite', 'weaver mesh invite --ttl 4h --uses 3'],
      load: async () => (await import('../actions/mesh.ts')).invite
    },
    join: {
      summary: 'Join the mesh of an invite',
      usage: 'INVITE',
      words: { min: 1, max: 1 },
      examples: ['weaver mesh join weft1...'],
      load: async () => (await import('../actions/mesh.ts')).join
    },
    evict: {
      summary: 'Lock a machine out of the mesh for good',
      usage: 'NODE',
      words: { min: 1, max: 1 },
      about:
        'Its key stays out everywhere, also on members that are away now, and also if it comes back ' +
        'with an old copy of everything. The machine itself can join again with a new WEAVER_HOME.',
      examples: ['weaver mesh evict old-laptop', 'weaver mesh evict 12D3KooWGQmMsLFF-7aK'],
      load: async () => (await import('../actions/membership.ts')).evict
    },
    leave: {
      summary: 'Leave the mesh, for one of its own',
      options: {
        force: { help: 'Also as the only admin: nobody could admit or evict any more' }
      },
      examples: ['weaver mesh leave'],
      load: async () => (await import('../actions/membership.ts')).leave
    },
    role: {
      summary: 'Make a machine an admin or a member',
      usage: 'NODE admin|member',
      words: { min: 2, max: 2 },
      examples: ['weaver mesh role server admin'],
      load: async () => (await import('../actions/membership.ts')).role
    },
    label: {
      summary: 'Give labels to a node, or show where those it has come from',
      usage: 'NODE [KEY=VALUE...] [KEY-...]',
      words: { min: 1, max: Infinity },
      about:
        'KEY=VALUE sets a label, KEY- takes it away. On any admin’s machine, also while NODE is away: it ' +
        'takes effect when NODE is back. Where NODE was started with --label for the same key, the ' +
        'mesh’s label wins, and taking it away brings the other back. Without labels it shows what NODE ' +
        'has: start is given by kernel start --label on that machine, mesh by an admin.',
      examples: [
        'weaver mesh label server tier=fast site=attic',
        'weaver mesh label server tier-',
        'weaver mesh label server'
      ],
      load: async () => (await import('../actions/label.ts')).label
    },
    signatures: {
      summary: 'Set how many admins must sign what changes the membership',
      usage: 'COUNT',
      words: { min: 1, max: 1 },
      examples: ['weaver mesh signatures 2'],
      load: async () => (await import('../actions/membership.ts')).signatures
    },
    pending: {
      summary: 'Show what waits for the signatures of admins',
      examples: ['weaver mesh pending'],
      load: async () => (await import('../actions/membership.ts')).pending
    },
    approve: {
      summary: 'Sign what waits for signatures: all of it, or one statement',
      usage: '[STATEMENT]',
      words: { min: 0, max: 1 },
      examples: ['weaver mesh approve', 'weaver mesh approve 1f09a2c4'],
      load: async () => (await import('../actions/membership.ts')).approve
    },
    ping: {
      summary: 'Show the round trip to a node and the path it takes, until that is direct',
      usage: 'NODE',
      words: { min: 1, max: 1 },
      options: {
        count: { value: 'N', help: 'How many times at most (default: 10; 0: without end)' }
      },
      about:
        'Looks for a better path meanwhile. Ends with 1 when the path was still relayed at the end.',
      examples: ['weaver mesh ping server', 'weaver mesh ping server --count 3 --json'],
      load: async () => (await import('../actions/mesh-paths.ts')).ping
    },
    netcheck: {
      summary: 'Find out in five seconds what this network allows, and what to do about the rest',
      examples: ['weaver mesh netcheck', 'weaver mesh netcheck --json'],
      load: async () => (await import('../actions/mesh-paths.ts')).netcheck
    },
    peers: {
      summary: 'Show all nodes of the mesh',
      examples: ['weaver mesh peers', 'weaver mesh peers --json'],
      load: async () => (await import('../actions/mesh.ts')).peers
    },
    status: {
      summary: 'Show the mesh that this node belongs to',
      examples: ['weaver mesh status'],
      load: async () => (await import('../actions/mesh.ts')).status
    }
  }
}
