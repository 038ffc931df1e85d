import type { Group } from '../command.ts'

export const blobGroup: Group = {
  summary: 'Files and other bytes, by their hash, on any machine',
  commands: {
    put: {
      summary: 'Store a file on this node and print its id',
      usage: 'FILE|-',
      words: { min: 1, max: 1 },
      about:
        'The id is made of the bytes alone: the same file has the same id everywhere. It stays until it ' +
        'is released with: weaver blob pin --off ID. - reads stdin.',
      options: { unpinned: { help: 'It may be removed when room is needed' } },
      examples: ['weaver blob put model.gguf', 'tar c src | weaver blob put -'],
      load: async () => (await import('../actions/blob.ts')).put
    },
    get: {
      summary: 'Write the bytes of a blob, fetched from the members that have it',
      usage: 'ID [-o FILE]',
      words: { min: 1, max: 1 },
      about:
        'Goes on where an earlier attempt ended. Every byte is checked before it is written anywhere. ' +
        'Without -o the bytes go to stdout; with --json and without -o it is fetched and kept here only.',
      options: { output: { short: 'o', value: 'FILE', help: 'Where to write it; - for stdout' } },
      examples: ['weaver blob get 3b1f0c... -o model.gguf', 'weaver blob get 3b1f0c... | tar x'],
      load: async () => (await import('../actions/blob.ts')).get
    },
    pin: {
      summary: 'Keep a blob on this node until it is released; fetches it if need be',
      usage: 'ID',
      words: { min: 1, max: 1 },
      options: { off: { help: 'Release it: it may be removed when room is needed' } },
      examples: ['weaver blob pin 3b1f0c...', 'weaver blob pin --off 3b1f0c...'],
      load: async () => (await import('../actions/blob.ts')).pin
    },
    list: {
      summary: 'Show the blobs of this node, the last used first',
      examples: ['weaver blob list'],
      load: async () => (await import('../actions/blob.ts')).list
    },
    gc: {
      summary: 'Remove blobs that are not pinned, the least recently used first',
      options: { to: { value: 'SIZE', help: 'Until so much is left (default: the budget)' } },
      examples: ['weaver blob gc --to 2GB', 'weaver blob gc --to 0B'],
      load: async () => (await import('../actions/blob.ts')).gc
    }
  }
}
