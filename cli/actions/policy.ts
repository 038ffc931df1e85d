import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type {
  PolicyCheck,
  PolicyCheckRequest,
  PolicyRule,
  PolicyView
} from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import type { Column } from '../output.ts'
import { oneLine, pairs } from '../output.ts'
import { commandText } from '../quantity.ts'

export const show: Runner = async ({ client, output }) => {
  const view = await client.policy()
  await output.document(view, viewText)
  return EXIT.done
}

export const explain: Runner = async ({ client, output }, args) => {
  const word = args.words[0] ?? ''
  const { rules } = await client.policy()
  const wanted = rules.filter(({ id, source }) => id.includes(word) || source.includes(word))
  const columns: readonly Column<PolicyRule>[] = [
    { title: 'RULE', text: ({ id }) => id },
    { title: 'SAYS', text: ({ words }) => words }
  ]
  await output.rows(wanted, columns, `no rule has '${word}' in its name or source`)
  return EXIT.done
}

export const check: Runner = async ({ client, output }, args) => {
  const asked = {
    principal: args.text('principal') ?? 'user:local',
    action: args.text('action') ?? 'exec',
    resource: args.text('resource'),
    argv: args.words,
    cwd: args.text('cwd'),
    role: args.text('role'),
    containment: args.oneOf('containment', ['os', 'none'], 'os'),
    image: args.text('image'),
    gpu: args.text('gpu')
  }
  const result = await client.checkPolicy(asked)
  await output.document(result, (it) => checkText(asked, it))
  return result.decision === 'deny' ? EXIT.denied : EXIT.done
}

export const validate: Runner = async ({ client, output }, args) => {
  const file = args.words[0] ?? ''
  const result = await client.validatePolicy({ name: basename(file), text: await textOf(file) })
  await output.document(result, ({ ok, policies, problems }) =>
    ok ? `${policies} policies, nothing wrong` : problems.map(oneLine).join('\n')
  )
  return result.ok ? EXIT.done : EXIT.failed
}

export const apply: Runner = async ({ client, output }, args) => {
  const applied = await client.applyPolicy(await textOf(args.words[0] ?? ''))
  await output.document(
    applied,
    ({ version, by }) => `policy ${version} of the mesh is in force, signed by ${by}`
  )
  return EXIT.done
}

export const add: Runner = async ({ client, output }, args) => {
  await output.document(await client.addPolicy(args.words.join(' ')), () => 'added and in force')
  return EXIT.done
}

export const reload: Runner = async ({ client, output }) => {
  await output.document(
    await client.reloadPolicy(),
    ({ rules }) => `${rules.length} rules are in force`
  )
  return EXIT.done
}

export const lock: Runner = async ({ client, output }) => {
  const locked = await client.lockPolicy()
  await output.document(locked, ({ sources, rules }) =>
    [
      `locked ${sources.length} sources as rules ${rules.slice(0, 16)}`,
      ...sources.map(({ name, digest }) => `  ${digest.slice(0, 16)}  ${oneLine(name)}`)
    ].join('\n')
  )
  return EXIT.done
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw usageError(
      `Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`
    )
  }
}

function viewText({
  state,
  refused,
  lock: locked,
  drift,
  mesh,
  engine,
  rules
}: PolicyView): string {
  const bySource = Map.groupBy(rules, ({ source }) => source)
  const head = pairs([
    ['policies', state === 'in-force' ? 'in force' : `refused: ${refused ?? ''}`],
    ['lock', locked],
    ['drift', drift.length === 0 ? 'none' : drift],
    ['mesh', mesh === null ? 'none' : `version ${mesh.version}, signed by ${mesh.by}`],
    ['engine', engine]
  ])
  const sources = [...bySource].map(
    ([source, of]) =>
      `\n${oneLine(source)}\n${of
        .map(({ id, effect, ask }) => `  ${ask === null ? effect : 'ask'}\t${oneLine(id)}`)
        .join('\n')}`
  )
  return [head, ...sources].join('\n')
}

/** With what was asked: a word too early makes options part of the command, and the answer is about another act. */
function checkText(
  { principal, action, argv }: PolicyCheckRequest,
  { decision, rules, errors, hint }: PolicyCheck
): string {
  return pairs([
    ['principal', principal],
    ['action', [action, commandText(argv)].join(' ').trimEnd()],
    ['decision', decision],
    ['rules', rules.join(', ')],
    ...(errors.length === 0 ? [] : ([['errors', errors]] as const)),
    ...(hint === null ? [] : ([['hint', hint]] as const))
  ])
}
