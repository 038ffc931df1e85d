// What is wrong with a value that somebody sent, in words for people. A schema library finds the mistake; its own words
// are about schemas. Pure, and of no library: it reads what a mistake says of itself.
//
// Invariants
//   M1. A value that is a text is never repeated: it may be a secret. Numbers are, and names of fields.

/** One mistake, as schemas report it. */
export interface Mistake {
  readonly code?: unknown
  readonly input?: unknown
  readonly expected?: unknown
  readonly origin?: unknown
  readonly minimum?: unknown
  readonly maximum?: unknown
  readonly inclusive?: unknown
  readonly values?: unknown
  readonly keys?: unknown
  readonly pattern?: unknown
  readonly divisor?: unknown
}

/** Of keys that are not known, so many are named, each so far. */
const NAMED_MAX = 3
const NAME_LENGTH_MAX = 64

const UNKNOWN = 'is not as it must be'

/** Where the first mistake of several is, and what it is: all that one person mends at a time. */
export function firstMistake({
  issues: [first]
}: {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]
}): { /** `limits.count`; empty: the whole. */ readonly place: string; readonly words: string } {
  return { place: first?.path.map(String).join('.') ?? '', words: first?.message ?? UNKNOWN }
}

/** The first mistake as a sentence: `'limits.count' must be at least 1, is 0`. */
export function mistakeText(error: Parameters<typeof firstMistake>[0]): string {
  const { place, words } = firstMistake(error)
  return `${place === '' ? 'it' : `'${place}'`} ${words}`
}

/** What follows the name of the field: `must be at least 1, is 0`. Of a check that has words of its own nobody asks here. */
export function mistakeWords(mistake: Mistake): string {
  switch (mistake.code) {
    case 'invalid_type':
      if (mistake.input === undefined) return 'is missing'
      return `must be ${kindWords(mistake.expected)}, is ${shown(mistake.input)}`
    case 'too_small':
      return boundWords(mistake, mistake.minimum, ['at least', 'more than'])
    case 'too_big':
      return boundWords(mistake, mistake.maximum, ['at most', 'less than'])
    case 'not_multiple_of':
      return `must be a multiple of ${String(mistake.divisor)}, is ${shown(mistake.input)}`
    case 'invalid_value':
      return `must be ${choiceWords(listed(mistake.values))}`
    case 'invalid_format':
      if (typeof mistake.pattern !== 'string') return 'is not written as it must be'
      return `must be written as ${mistake.pattern}`
    case 'unrecognized_keys':
      return unknownWords(listed(mistake.keys))
    case 'invalid_key':
      return 'has a key that it must not have'
    case 'invalid_union':
    case 'invalid_element':
      return 'has another form than it must have'
    default:
      return UNKNOWN
  }
}

type Bound = readonly [reached: string, notReached: string]

function boundWords(
  { input, origin, inclusive }: Mistake,
  limit: unknown,
  [reached, notReached]: Bound
): string {
  const bound = `${inclusive === false ? notReached : reached} ${String(limit)}`
  switch (origin) {
    case 'number':
    case 'int':
    case 'bigint':
      return `must be ${bound}, is ${shown(input)}`
    case 'string': {
      if (input === '') return 'must not be empty'
      const length = typeof input === 'string' ? `, has ${input.length}` : ''
      return `must have ${bound} ${Number(limit) === 1 ? 'character' : 'characters'}${length}`
    }
    case 'array': {
      const length = Array.isArray(input) ? `, has ${input.length}` : ''
      return `must have ${bound} ${Number(limit) === 1 ? 'entry' : 'entries'}${length}`
    }
    default:
      return UNKNOWN
  }
}

const KINDS: ReadonlyMap<unknown, string> = new Map([
  ['int', 'a whole number'],
  ['number', 'a number'],
  ['bigint', 'a whole number'],
  ['string', 'a text'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['tuple', 'a list'],
  ['object', 'an object'],
  ['record', 'an object'],
  ['map', 'an object'],
  ['null', 'null'],
  ['Uint8Array', 'bytes']
])

function kindWords(expected: unknown): string {
  return KINDS.get(expected) ?? 'something else'
}

/** Numbers as they are, and of everything else what it is (M1). */
function shown(input: unknown): string {
  if (Number.isNaN(input)) return 'no number'
  if (input === null) return 'null'
  if (Array.isArray(input)) return 'a list'
  if (input instanceof Uint8Array) return 'bytes'
  switch (typeof input) {
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(input)
    case 'string':
      return 'a text'
    case 'object':
      return 'an object'
    default:
      return 'something else'
  }
}

function choiceWords(values: readonly unknown[]): string {
  const texts = values.map(String)
  return texts.length === 1 ? (texts[0] ?? '') : `one of ${texts.join(', ')}`
}

function unknownWords(keys: readonly unknown[]): string {
  const named = keys.slice(0, NAMED_MAX).map((key) => `'${String(key).slice(0, NAME_LENGTH_MAX)}'`)
  const more = keys.length > NAMED_MAX ? ` and ${keys.length - NAMED_MAX} more` : ''
  return `has unknown fields: ${named.join(', ')}${more}`
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
