import type { ProcessRow } from '../../node/api/index.ts'
import type { Context, Runner } from '../command.ts'
import { EXIT } from '../errors.ts'
import type { Column } from '../output.ts'
import { stateColour } from '../paint.ts'
import { ageText, exitText, percentText, sizeText } from '../quantity.ts'

export const ps: Runner = async (context, args) => {
  const query = { node: args.text('node'), all: args.flag('all') }
  const show = async (): Promise<void> => {
    const rows = await context.client.processes(query)
    const now = context.client.answeredAt
    const hasGpus = rows.some(({ gpus }) => gpus.length > 0)
    await context.output.rows(rows, columns(now, hasGpus), 'no processes')
  }
  await show()
  if (args.flag('watch')) await watch(context, show)
  return EXIT.done
}

function columns(now: number, hasGpus: boolean): readonly Column<ProcessRow>[] {
  const gpus = { title: 'GPU', text: (row: ProcessRow) => row.gpus.join(',') }
  return [
    { title: 'PID', text: ({ pid }) => String(pid) },
    { title: 'NODE', text: ({ node }) => node },
    { title: 'NAME', text: ({ name }) => name },
    { title: 'KIND', text: ({ kind }) => kind },
    {
      title: 'STATE',
      text: (row) => stateText(row, now),
      colour: ({ state }) => stateColour(state)
    },
    { title: 'CONTAINED', text: ({ containment }) => containment },
    ...(hasGpus ? [gpus] : []),
    { title: 'CPU', text: ({ cpuPercent }) => percentText(cpuPercent), isRight: true },
    { title: 'MEMORY', text: ({ memoryBytes }) => sizeText(memoryBytes), isRight: true },
    { title: 'AGE', text: ({ startedAt }) => ageText(startedAt, now), isRight: true }
  ]
}

function stateText({ state, exit, lostSince }: ProcessRow, now: number): string {
  if (state === 'lost') return `lost ${ageText(lostSince, now)}`
  return exit === null ? state : `${state}(${exitText(exit)})`
}

/** Again after every event of the kernel. While it shows it reads on, so that no event is queued. */
async function watch({ client, output }: Context, show: () => Promise<void>): Promise<void> {
  const state = { isStale: false, isShowing: false }
  const refresh = async (): Promise<void> => {
    state.isShowing = true
    while (state.isStale) {
      state.isStale = false
      if (!output.isJson) await output.write(process.stdout.isTTY ? '\u001B[H\u001B[2J' : '\n')
      await show()
    }
    state.isShowing = false
  }
  for await (const event of client.events()) {
    void event
    state.isStale = true
    // When the kernel has gone, the stream of events says so too, and ends the command.
    if (!state.isShowing) void refresh().catch(() => undefined)
  }
}
