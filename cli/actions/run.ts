// `weaver run`: a task with this terminal's stdin, stdout, stderr and signals.

import { constants } from 'node:os'
import { ApiError, loadRunClient } from '../../node/api/index.ts'
import type { Task, TaskSubmission } from '../../node/api/index.ts'
import { checkEachOnce } from '../args.ts'
import type { Args, Context, Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import { attachTask } from '../attached-task.ts'
import { jsonText } from '../output.ts'
import { confinementOf } from '../sandbox.ts'

export const run: Runner = async (context, args) => {
  const { client, output } = context
  const submission = await submissionOf(args)
  if (args.flag('detach')) {
    await output.document(await client.submitTask(submission), ({ taskId }) => taskId)
    return EXIT.done
  }
  const runClient = await loadRunClient()
  const channel = await runClient.runTask(client.socketPath, submission)
  const end = await attachTask({ context, runClient, channel })
  switch (end.kind) {
    case 'left':
      return signalExit(end.signal)
    case 'failure':
      throw new ApiError(end.error)
    case 'outcome':
      return report(context, end.task)
    case 'unwritten':
      output.note(`weaver: Cannot write the output of task ${end.task.taskId}: ${end.why}`)
      return EXIT.runFailed
    default:
      return end satisfies never
  }
}

async function submissionOf(args: Args): Promise<TaskSubmission> {
  const { durationOf } = await import('../duration.ts')
  const { sandbox, cwd } = await confinementOf(args)
  return {
    command: args.words,
    env: {},
    cwd,
    gpu: args.text('gpu'),
    labels: labelsOf(args.texts('label')),
    node: args.text('on'),
    timeoutMs: durationOf(args, 'timeout'),
    sandbox
  }
}

function labelsOf(texts: readonly string[]): TaskSubmission['labels'] {
  const labels = texts.map(labelOf)
  checkEachOnce(
    '--label',
    labels.map(([key, value]) => [key, `${key}=${value}`])
  )
  return Object.fromEntries(labels)
}

function labelOf(text: string): [key: string, value: string] {
  const [, key, value] = /^([^=]+)=(.*)$/.exec(text) ?? []
  if (key === undefined || value === undefined) {
    throw usageError(`--label '${text}' is not of the form KEY=VALUE`)
  }
  return [key, value]
}

/** The exit code of the command if it ran to an end of its own, else 125 and one line why. */
async function report({ output }: Context, task: Task): Promise<number> {
  if (output.isJson) process.stderr.write(`${jsonText(task)}\n`)
  const { exit } = task
  const isOwnEnd = task.state === 'succeeded' || task.state === 'failed'
  if (isOwnEnd && exit !== null) {
    if (exit.signal !== null) return signalExit(exit.signal)
    if (task.reason !== null) output.note(`weaver: ${task.reason}`)
    return exit.code ?? EXIT.runFailed
  }
  output.note(`weaver: task ${task.taskId} ${stateText(task)}`)
  return EXIT.runFailed
}

function stateText({ state, reason }: Task): string {
  const what: Partial<Record<Task['state'], string>> = {
    cancelled: 'was cancelled',
    'timed-out': 'ran out of time',
    lost: 'was lost with its node',
    failed: 'failed'
  }
  return `${what[state] ?? state}${reason === null ? '' : `: ${reason}`}`
}

/** As shells report a death by signal. */
function signalExit(name: string): number {
  const number = Object.entries(constants.signals).find(([known]) => known === name)?.[1]
  return number === undefined ? EXIT.runFailed : 128 + number
}
