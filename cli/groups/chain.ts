import type { Group } from '../command.ts'

export const chainGroup: Group = {
  summary: 'The signed record of what happened',
  commands: {
    status: {
      summary: 'Show the lanes and how far each goes',
      examples: ['weaver chain status'],
      load: async () => (await import('../actions/chain.ts')).status
    },
    verify: {
      summary: 'Check every stored block; exit code 1 when anything is wrong',
      about:
        'Checks what is new block by block. What was verified before is read again and compared with a signed ' +
        'fingerprint, unless its file has not been written to since by the word of the file system, and was ' +
        'read within a week. Where anything differs, everything is checked anew. With --full everything is ' +
        'read and checked: that alone finds at once what rots on the disk without the file system.',
      options: {
        lane: { value: 'NODE', help: 'Only the lane of this node' },
        full: { help: 'Read and check everything anew' }
      },
      examples: ['weaver chain verify', 'weaver chain verify --lane server --json'],
      load: async () => (await import('../actions/chain-upkeep.ts')).verify
    },
    repair: {
      summary: 'Fetch damaged and missing blocks from other members, and check them',
      about:
        'Works on a running kernel. Where none runs, it starts one that takes back the blocks that its ' +
        'own lane has lost before it does anything else.',
      options: {
        lane: { value: 'NODE', help: 'Only the lane of this node' },
        'accept-loss': { help: 'Go on without own blocks that nobody has, and record that' }
      },
      examples: ['weaver chain repair', 'weaver chain repair --lane server'],
      load: async () => (await import('../actions/chain-upkeep.ts')).repair
    },
    keep: {
      summary: 'Choose how much of the lanes of other nodes this one keeps',
      usage: '[OPTIONS]',
      about:
        'Every node keeps all lanes, unless told otherwise. What is not kept is removed from this disk, ' +
        'fetched no more, and no damage; checkpoints of it are witnessed all the same. With --headers the ' +
        'other lanes are kept without payloads: who did what and when stays, and is checked, but not the ' +
        'details. Of admins at least the headers are kept, since their redactions count here.',
      options: {
        lane: { value: 'NODE', isMultiple: true, help: 'Keep the lane of this node' },
        headers: { help: 'Keep of all other lanes the headers, without payloads' },
        own: { help: 'Keep the own lane only' },
        all: { help: 'Keep all lanes again, and fetch what is lacking' }
      },
      examples: [
        'weaver chain keep --lane server',
        'weaver chain keep --headers',
        'weaver chain keep --all'
      ],
      load: async () => (await import('../actions/chain-keep.ts')).keep
    },
    rotate: {
      summary: 'Give this node a new key; its lane ends, and goes on under the new one',
      about:
        'Restarts the kernel. The old key signs its last entry together with the new one, the other ' +
        'members hear of it from the old key, and the old key is deleted. Name, role, tasks and data stay. ' +
        'No task may be running, and another member must be connected, if there is any.',
      examples: ['weaver chain rotate'],
      load: async () => (await import('../actions/chain-rotate.ts')).rotate
    },
    redact: {
      summary: 'Take back the payload of an entry on every member; its hash stays',
      usage: 'ENTRY',
      words: { min: 1, max: 1 },
      options: { reason: { value: 'TEXT', help: 'Why; it goes on record' } },
      examples: ['weaver chain redact 7.0@server --reason privacy'],
      load: async () => (await import('../actions/chain-upkeep.ts')).redact
    },
    log: {
      summary: 'Show the newest entries',
      options: {
        lines: { short: 'n', value: 'N', help: 'Begin with the newest N (default: 20)' },
        kind: { value: 'K', help: 'Only entries of this kind' },
        process: { value: 'PROC', help: 'The story of a process or agent, with its tasks' },
        actor: { value: 'WHO', help: 'Only what user:local, a node or process:PROC did' },
        node: { value: 'NODE', help: 'Only entries that this node wrote' },
        lane: { value: 'NODE', help: 'The same' },
        since: { value: 'WHEN', help: 'From 2h ago, or from 2026-11-21T02:30 on' },
        until: { value: 'WHEN', help: 'Only what came before' },
        follow: { short: 'f', help: 'Go on with what comes' }
      },
      examples: [
        'weaver chain log -n 5',
        'weaver chain log -f --kind policy.decision',
        'weaver chain log --process coder --since 2h'
      ],
      load: async () => (await import('../actions/chain.ts')).log
    },
    prove: {
      summary: 'Write a file that proves one entry to anybody',
      usage: 'ENTRY -o FILE',
      words: { min: 1, max: 1 },
      about:
        'The file holds the entry, its path to a checkpoint that the lane has signed, the cosignatures of ' +
        'the other members, and the statements that make all these keys meaningful. Check it with ' +
        'weaver verify, or in a browser with docs/verify.html.',
      options: {
        output: { short: 'o', value: 'FILE', help: 'Where to write it; - for stdout' },
        'no-payload': { help: 'Leave the payload out: only its hash is shown' }
      },
      examples: ['weaver chain prove 7.0@server -o proof.json'],
      load: async () => (await import('../actions/proof.ts')).prove
    },
    export: {
      summary: 'Write all lanes, or one, to a file that can be checked anywhere',
      usage: '-o FILE',
      options: {
        output: { short: 'o', value: 'FILE', help: 'Where to write it; - for stdout' },
        lane: { value: 'NODE', help: 'Only the lane of this node' }
      },
      examples: [
        'weaver chain export -o all.weft',
        'weaver chain export --lane server -o server.weft'
      ],
      load: async () => (await import('../actions/proof.ts')).exportLanes
    },
    show: {
      summary: 'Show one entry',
      usage: 'ENTRY',
      words: { min: 1, max: 1 },
      examples: ['weaver chain show 7.0@server'],
      load: async () => (await import('../actions/chain.ts')).show
    }
  }
}
