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
  // The command checks files without a kernel: chain/offline is the verifier, and imports nothing.
  cli: ['core', 'node', 'chain']
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
  '@noble/*': [],
  '@bytecodealliance/*': ['sandbox-wasm'],
  '@cedar-policy/*': ['governance'],
  '@biscuit-auth/*': ['governance'],
  'mvdan-sh': ['governance'],
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

/**
 * The one file by which a room enters another. The command sees of the kernel only the API's types and client, and
 * of the chain only the verifier, which must run where there is no kernel.
 */
function door(room: Room, other: Room): string {
  if (room === 'cli' && other === 'node') return '**/node/api/index.ts'
  return room === 'cli' && other === 'chain' ? '**/chain/offline/index.ts' : `**/${other}/index.ts`
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
      group: [
        ...open.flatMap((other) => [`**/${other}/**`, `!**/${other}`, `!${door(room, other)}`]),
        // The real clock, dice and entropy: composition alone passes them in.
        ...(room === 'node' ? ['!**/core/system.ts'] : []),
        // A checking thread loads what it needs, and not the whole chain: that takes twice as long to start.
        ...(room === 'node' ? ['!**/chain/check-batch.ts'] : []),
        // The doctor looks at a machine on which no kernel may run.
        ...(room === 'cli' ? ['!**/node/doctor/index.ts'] : [])
      ],
      message: `Enter a room by its index.ts (from cli/: node/api/index.ts, chain/offline/index.ts).`
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
  // tools/ is AssemblyScript: it looks like TypeScript and is another language.
  ignorePatterns: ['node_modules/**', 'dist/**', 'coverage/**', 'tools/**'],
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
    // A page in a browser has no Clock; it shows dates, and decides nothing by them.
    { files: ['scripts/verify-page/page.js'], rules: { 'no-restricted-globals': 'off' } },
    // Where the simulator waits for the queue of microtasks to run dry.
    { files: ['test/sim/world/quiet.ts'], rules: { 'no-restricted-globals': 'off' } },
    {
      files: ['test/chaos/**', 'test/netns/**', 'bench/**'],
      rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' }
    },
    {
      files: ['test/**', 'bench/**'],
      rules: {
        'max-lines-per-function': 'off',
        'no-console': 'off',
        // Tests shape hostile input on purpose, and fast-check is written `fc.` everywhere.
        'typescript/no-unsafe-type-assertion': 'off',
        'import/no-named-as-default-member': 'off',
        // A suite's own small functions stand beside the tests that use them.
        'unicorn/consistent-function-scoping': 'off'
      }
    }
  ]
}
