import type { Group } from '../command.ts'

export const kernelGroup: Group = {
  summary: 'Start, stop and watch this machine’s kernel',
  commands: {
    start: {
      summary: 'Start the kernel and return when it is ready',
      about:
        'What is given here is kept in the home: a later start needs no options. GPUs: auto asks the ' +
        'vendor’s tool, none offers none, SPEC (1, 2, 1:24GB, nvidia:1:24GB) declares them by hand.',
      options: {
        foreground: { help: 'Stay attached to this terminal' },
        name: { value: 'NAME', help: 'Name of this node in the mesh (default: the host name)' },
        listen: { value: 'MULTIADDR', isMultiple: true, help: 'Where peers reach this node' },
        join: { value: 'INVITE', help: 'Join the mesh of this invite' },
        label: { value: 'K=V', isMultiple: true, help: 'A label that tasks can ask for' },
        gpu: { value: 'auto|none|SPEC', help: 'GPUs that this node offers (default: auto)' },
        'no-mdns': { help: 'Do not look for members on the LAN by multicast' },
        mdns: { help: 'Look for them again (default)' },
        'no-upnp': { help: 'Do not ask the router to open ports' },
        upnp: { help: 'Ask it again (default)' },
        'blob-budget': { value: 'SIZE', help: 'What all blobs may take on disk (default: 10GiB)' },
        http: { value: 'HOST:PORT|off', help: 'Serve the control API on TCP too (default: off)' }
      },
      examples: [
        'weaver kernel start --name laptop',
        'weaver kernel start --name server --gpu 1:24GB --join weft1...'
      ],
      load: async () => (await import('../actions/kernel-start.ts')).start
    },
    stop: {
      summary: 'Stop the kernel and all that it runs, and return when it is gone',
      options: { timeout: { value: 'D', help: 'How long to wait for its end (default: 60s)' } },
      examples: ['weaver kernel stop'],
      load: async () => (await import('../actions/kernel-stop.ts')).stop
    },
    restart: {
      summary: 'Stop the kernel, then start it as it was',
      examples: ['weaver kernel restart'],
      load: async () => (await import('../actions/kernel-restart.ts')).restart
    },
    status: {
      summary: 'Show who this kernel is and what it has',
      examples: ['weaver kernel status', 'weaver kernel status --json'],
      load: async () => (await import('../actions/kernel-status.ts')).status
    },
    ps: {
      summary: 'Show the process table of this node, of another or of all',
      options: {
        node: { value: 'NODE', help: 'The processes of this node' },
        all: { short: 'a', help: 'The processes of all nodes' },
        watch: { short: 'w', help: 'Show them again whenever something changes' }
      },
      examples: ['weaver kernel ps --all', 'weaver kernel ps --node server --json'],
      load: async () => (await import('../actions/kernel-ps.ts')).ps
    },
    logs: {
      summary: 'Show the kernel’s log, or what a process has written',
      options: {
        follow: { short: 'f', help: 'Go on with what comes' },
        lines: { short: 'n', value: 'N', help: 'Begin with the newest N lines (default: 100)' },
        process: { value: 'PROC', help: 'The output of this process instead' }
      },
      examples: ['weaver kernel logs -f', 'weaver kernel logs --process ticker'],
      load: async () => (await import('../actions/kernel-logs.ts')).logs
    },
    attach: {
      summary: 'Watch what happens live: in the kernel, or in one process',
      usage: '[PROC]',
      words: { min: 0, max: 1 },
      examples: ['weaver kernel attach', 'weaver kernel attach ticker'],
      load: async () => (await import('../actions/kernel-attach.ts')).attach
    }
  }
}
