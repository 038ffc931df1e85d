import type { Json, Tool, ToolSummary } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import { pairs } from '../output.ts'
import type { Column } from '../output.ts'
import { orNothing, sizeText } from '../quantity.ts'

export const list: Runner = async ({ client, output }) => {
  const columns: readonly Column<ToolSummary>[] = [
    { title: 'TOOL', text: ({ name }) => name },
    { title: 'VERSION', text: ({ version }) => version },
    { title: 'DIGEST', text: ({ digest }) => digest.slice(0, 16) },
    { title: 'DESCRIPTION', text: ({ description }) => description }
  ]
  await output.rows(await client.tools(), columns, 'no tools')
  return EXIT.done
}

export const inspect: Runner = async ({ client, output }, args) => {
  await output.document(await client.tool(args.words[0] ?? ''), toolText)
  return EXIT.done
}

function toolText(tool: Tool): string {
  return pairs([
    ['tool', `${tool.name} ${tool.version}`],
    ['about', tool.description],
    ['digest', tool.digest],
    ['size', sizeText(tool.sizeBytes)],
    ['may reach', orNothing(tool.grants.join(', '))],
    ['time', `at most ${tool.limits.timeoutMs} ms`],
    ['memory', `at most ${sizeText(tool.limits.memoryBytes)}`],
    ['input', JSON.stringify(tool.input)]
  ])
}

export const call: Runner = async ({ client, output }, args) => {
  const [name = '', text = '{}'] = args.words
  const input = parseInput(text === '-' ? await wholeStdin() : text)
  const containment = args.oneOf('containment', ['os', 'none'], 'os')
  const { withProgress } = await import('../clock.ts')
  const result = await withProgress(
    () => output.note(`weaver: ${name} is at work ...`),
    client.callTool(name, { input, node: args.text('on'), containment })
  )
  if (output.isJson || result.ok) {
    await output.document(result, (it) => shown(it.output))
  } else {
    output.note(`weaver: tool ${name} failed: ${result.error?.message ?? 'it did not say why'}`)
  }
  return result.ok ? EXIT.done : EXIT.failed
}

function parseInput(text: string): Json {
  try {
    const value: Json = JSON.parse(text)
    return value
  } catch {
    throw usageError(
      `Cannot read '${text.slice(0, 60)}' as JSON`,
      `quote it for the shell: '{"text":"hello"}'`
    )
  }
}

function shown(output: Json): string {
  return typeof output === 'string' ? output : JSON.stringify(output, null, 2)
}

async function wholeStdin(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) {
    if (Buffer.isBuffer(chunk)) chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
