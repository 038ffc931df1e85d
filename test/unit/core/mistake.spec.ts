import assert from 'node:assert/strict'
import { z } from 'zod'
import { mistakeText, mistakeWords } from '../../../core/index.ts'

/** What a schema would say of each, if nobody said it for it. */
const SCHEMA_WORDS =
  /expected|received|invalid|too (?:small|big)|>=|<=|undefined|NaN|object Object/i
const SECRET = 'hunter2-4711'

describe('core/mistake', () => {
  const number = z.number().int().min(1).max(1000)
  const rows: readonly (readonly [schema: z.ZodType, value: unknown, words: string])[] = [
    [number, 0, 'must be at least 1, is 0'],
    [number, -1, 'must be at least 1, is -1'],
    [number, 1001, 'must be at most 1000, is 1001'],
    [number, 1e21, 'must be at most 9007199254740991, is 1e+21'],
    [number, 1.5, 'must be a whole number, is 1.5'],
    [number, Number.NaN, 'must be a number, is no number'],
    [number, SECRET, 'must be a number, is a text'],
    [number, undefined, 'is missing'],
    [number, null, 'must be a number, is null'],
    [z.int(), 0.5, 'must be a whole number, is 0.5'],
    [z.coerce.number().int().min(0), 'many', 'must be a number, is no number'],
    [z.coerce.number().int().min(0), '-3', 'must be at least 0, is -3'],
    [z.number().positive(), 0, 'must be more than 0, is 0'],
    [z.number().lt(5), 5, 'must be less than 5, is 5'],
    [z.number().multipleOf(4), 6, 'must be a multiple of 4, is 6'],
    [z.string().min(1), '', 'must not be empty'],
    [z.string().min(20), SECRET, 'must have at least 20 characters, has 12'],
    [z.string().max(4), SECRET, 'must have at most 4 characters, has 12'],
    [z.string(), 7, 'must be a text, is 7'],
    [z.string().regex(/^[a-z]+$/), SECRET, 'must be written as /^[a-z]+$/'],
    [z.boolean(), 'true', 'must be true or false, is a text'],
    [z.array(z.string()).max(1), ['a', 'b'], 'must have at most 1 entry, has 2'],
    [z.array(z.string()), {}, 'must be a list, is an object'],
    [z.object({}), [], 'must be an object, is a list'],
    [z.record(z.string(), z.string()), 'a', 'must be an object, is a text'],
    [
      z.record(z.string().regex(/^a$/), z.string()),
      { [SECRET]: 'b' },
      'has a key that it must not have'
    ],
    [z.enum(['os', 'none']), SECRET, 'must be one of os, none'],
    [z.literal(2), 1, 'must be 2'],
    [z.strictObject({}), { uses: 1 }, "has unknown fields: 'uses'"],
    [
      z.strictObject({}),
      { a: 1, b: 1, c: 1, d: 1, e: 1 },
      "has unknown fields: 'a', 'b', 'c' and 2 more"
    ],
    [z.union([z.string(), z.number()]), true, 'has another form than it must have'],
    [z.instanceof(Uint8Array), 'a', 'must be bytes, is a text'],
    [z.number().max(30, { message: 'must be at most 30 days' }), 31, 'must be at most 30 days'],
    [z.string().refine(() => false, 'must not contain NUL'), 'a', 'must not contain NUL']
  ]
  for (const [schema, value, words] of rows) {
    it(`says what is wrong, and repeats no text (M1): ${words}`, () => {
      const { error } = schema.safeParse(value, { error: mistakeWords })
      const message = error?.issues[0]?.message ?? 'nothing is wrong'
      assert.equal(message, words)
      assert.doesNotMatch(message, SCHEMA_WORDS)
      assert(!message.includes(SECRET))
    })
  }

  it('is said of its place, or of the whole', () => {
    const schema = z.object({ limits: z.object({ pids: z.int() }) })
    const said = (value: unknown): string => {
      const { error } = schema.safeParse(value, { error: mistakeWords })
      assert.ok(error !== undefined)
      return mistakeText(error)
    }
    assert.equal(said({ limits: { pids: 0.5 } }), "'limits.pids' must be a whole number, is 0.5")
    assert.equal(said([]), 'it must be an object, is a list')
  })
})
