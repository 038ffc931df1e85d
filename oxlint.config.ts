// The house rules, as far as a linter can see them. The table `mayEnter` is the architecture:
// a room may import the index of the rooms listed for it, and nothing else.

const rooms = [
  'core',
  'chain',
  'mesh',
  'sandbox-wasm',
  'governance',
  'agents',
  'scheduler',
  'node',
  'cli'
] as const
type Room = (typeof rooms)[number]

const mayEnter: Record<Room, readonly Room[]> = {
  core: [],
  chain: ['core'],
  mesh: ['core'],
  'sandbox-wasm': ['core'],
  governance: ['core'],
  agents: ['core'],
  scheduler: ['core'],
  node: ['core', 'chain', 'mesh', 'sandbox-wasm', 'governance', 'agents', 'scheduler'],
  cli: ['core', 'node']
}

// Vendor packages, and the rooms that may name them. Elsewhere they are reached through a port.
const vendors: Record<string, readonly string[]> = {
  libp2p: ['mesh'],
  '@libp2p/*': ['mesh'],
  '@chainsafe/*': ['mesh'],
  '@multiformats/*': ['mesh'],
  '@automerge/*': ['mesh'],
  cborg: ['core'],
  multiformats: ['core', 'mesh'],
  'multiformats/*': ['core', 'mesh'],
  level: ['node'],
  hono: ['node'],
  'hono/*': ['node'],
  '@hono/*': ['node'],
  commander: ['cli'],
  '@noble/*': [],
  '@bytecodealliance/*': ['sandbox-wasm'],
  '@cedar-policy/*': ['governance'],
  '@biscuit-auth/*': ['governance'],
  '@agentclientprotocol/*': ['agents'],
  '@modelcontextprotocol/*': ['agents']
}

const impureModules = [
  ...['node:timers', 'node:timers/promises', 'node:perf_hooks'].map((name) => ({
    name,
    message: 'Take a Clock from deps.'
  })),
  {
    name: 'node:crypto',
    importNames: ['randomUUID', 'randomBytes', 'randomInt'],
    message: 'Take a Prng from deps.'
  }
]

/** The one file by which a room enters another. The command sees only the API's types and client. */
function door(room: Room, other: Room): string {
  return room === 'cli' && other === 'node' ? '**/node/api/index.ts' : `**/${other}/index.ts`
}

function doors(room: Room): object {
  const open: readonly Room[] = mayEnter[room]
  const shut = rooms.filter((other) => other !== room && !open.includes(other))
  const foreign = Object.keys(vendors).filter((name) => !vendors[name]?.includes(room))
  const patterns: object[] = [{ group: foreign, message: 'Another room wraps this package.' }]
  if (shut.length > 0) {
    patterns.push({
      group: shut.map((other) => `**/${other}/**`),
      message: `${room}/ may not enter.`
    })
  }
  if (open.length > 0) {
    patterns.push({
      group: open.flatMap((other) => [`**/${other}/**`, `!**/${other}`, `!${door(room, other)}`]),
      message: `Enter a room by its index.ts (node/ from cli/: by node/api/index.ts).`
    })
  }
  return {
    files: [`${room}/**`],
    rules: { 'no-restricted-imports': ['error', { paths: impureModules, patterns }] }
  }
}

export default {
  plugins: ['typescript', 'import', 'node', 'promise', 'unicorn'],
  categories: { correctness: 'error', suspicious: 'error' },
  options: { typeAware: true },
  ignorePatterns: ['node_modules/**', 'dist/**', 'coverage/**'],
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/switch-exhaustiveness-check': [
      'error',
      { considerDefaultExhaustiveForUnions: true }
    ],
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/consistent-type-imports': 'error',
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'import/no-default-export': 'error',
    'no-console': 'error',
    'no-warning-comments': ['error', { terms: ['fixme', 'xxx'] }],
    'no-restricted-globals': [
      'error',
      ...['Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate'].map((name) => ({
        name,
        message: 'Take a Clock from deps.'
      }))
    ],
    'no-restricted-properties': [
      'error',
      { object: 'Math', property: 'random', message: 'Take a Prng from deps.' },
      { object: 'crypto', property: 'randomUUID', message: 'Take a Prng from deps.' },
      { object: 'process', property: 'hrtime', message: 'Take a Clock from deps.' },
      { object: 'AbortSignal', property: 'timeout', message: 'Derive deadlines from Clock.' }
    ],
    'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
    'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
    'max-params': ['error', { max: 4 }]
  },
  overrides: [
    ...rooms.map(doors),
    { files: ['core/ids.ts'], rules: { 'typescript/no-unsafe-type-assertion': 'off' } },
    {
      files: ['core/system.ts'],
      rules: {
        'no-restricted-globals': 'off',
        'no-restricted-properties': 'off',
        'no-restricted-imports': 'off'
      }
    },
    { files: ['*.config.*'], rules: { 'import/no-default-export': 'off' } },
    {
      files: ['test/{unit,sim,conformance,doubles}/**'],
      rules: { 'no-restricted-imports': ['error', { paths: impureModules }] }
    },
    {
      files: ['test/chaos/**', 'bench/**'],
      rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' }
    },
    {
      files: ['test/**', 'bench/**'],
      rules: {
        'max-lines-per-function': 'off',
        'no-console': 'off',
        // Tests shape hostile input on purpose, and fast-check is written `fc.` everywhere.
        'typescript/no-unsafe-type-assertion': 'off',
        'import/no-named-as-default-member': 'off'
      }
    }
  ]
}
