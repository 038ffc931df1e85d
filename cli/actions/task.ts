import type { Task, TaskState } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { CliError, EXIT } from '../errors.ts'
import { pairs } from '../output.ts'
import type { Column } from '../output.ts'
import { stateColour } from '../paint.ts'
import { ageText, commandText, durationText, exitText, orNothing, timeText } from '../quantity.ts'
import { showOutput } from '../streams.ts'

const ENDED: ReadonlySet<TaskState> = new Set([
  'succeeded',
  'failed',
  'cancelled',
  'timed-out',
  'lost'
])
const COMMAND_SHOWN_MAX = 60

export const list: Runner = async ({ client, output }) => {
  await output.rows(await client.tasks(), columns(client.answeredAt), 'no tasks')
  return EXIT.done
}

export const show: Runner = async ({ client, output }, args) => {
  await output.document(await client.task(args.words[0] ?? ''), taskText)
  return EXIT.done
}

export const cancel: Runner = async ({ client, output }, args) => {
  const task = await client.cancelTask(args.words[0] ?? '')
  await output.document(task, ({ taskId }) => `task ${taskId} will end`)
  return EXIT.done
}

export const logs: Runner = async ({ client, output }, args) => {
  const follow = args.flag('follow')
  await showOutput(client.taskOutput(args.words[0] ?? '', { follow }), output)
  return EXIT.done
}

export const wait: Runner = async ({ client, output }, args) => {
  const { durationOf } = await import('../duration.ts')
  const timeoutMs = durationOf(args, 'timeout')
  const deadline = new AbortController()
  const settled = new AbortController()
  if (timeoutMs !== null) {
    const { sleep } = await import('../clock.ts')
    const within = args.text('timeout') ?? ''
    const late = new CliError('CLI_TIMED_OUT', `The task has not ended within ${within}`)
    void sleep(timeoutMs, settled.signal).then(() => deadline.abort(late))
  }
  try {
    const task = await ended(client.taskEvents(args.words[0] ?? '', { signal: deadline.signal }))
    await output.document(task, taskText)
    return task.state === 'succeeded' ? EXIT.done : EXIT.failed
  } finally {
    settled.abort()
  }
}

async function ended(events: AsyncIterable<{ readonly item: Task }>): Promise<Task> {
  for await (const { item } of events) {
    if (ENDED.has(item.state)) return item
  }
  throw new CliError('CLI_STREAM_ENDED', 'The kernel stopped telling of the task before its end')
}

function columns(now: number): readonly Column<Task>[] {
  return [
    { title: 'TASK', text: ({ taskId }) => taskId },
    { title: 'STATE', text: ({ state }) => state, colour: ({ state }) => stateColour(state) },
    { title: 'EXECUTOR', text: ({ executor }) => orNothing(executor) },
    { title: 'EXIT', text: ({ exit }) => exitText(exit), isRight: true },
    { title: 'AGE', text: ({ submittedAt }) => ageText(submittedAt, now), isRight: true },
    { title: 'COMMAND', text: ({ command }) => shortened(commandText(command)) }
  ]
}

function taskText(task: Task): string {
  const { startedAt, endedAt } = task
  const took = startedAt === null || endedAt === null ? null : endedAt - startedAt
  return pairs([
    ['task', task.taskId],
    ['state', `${task.state}${task.reason === null ? '' : `: ${task.reason}`}`],
    ['command', commandText(task.command)],
    ['containment', task.containment],
    ['role', orNothing(task.role)],
    ['grants', orNothing(task.grants.join(', '))],
    ['origin', task.origin],
    ['executor', orNothing(task.executor)],
    ['exit', exitText(task.exit)],
    ['attempts', `${task.attempts}, epoch ${task.epoch}`],
    ['submitted', timeText(task.submittedAt)],
    ['started', startedAt === null ? '-' : timeText(startedAt)],
    ['ended', endedAt === null ? '-' : timeText(endedAt)],
    ['took', took === null ? '-' : durationText(Math.max(0, took))],
    ['receipt', orNothing(task.receipt)]
  ])
}

function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length <= COMMAND_SHOWN_MAX ? line : `${line.slice(0, COMMAND_SHOWN_MAX - 1)}…`
}
