import type { Agent, Runtime } from '../../node/api/index.ts'
import type { Args, Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import { pairs } from '../output.ts'
import type { Column } from '../output.ts'
import { stateColour } from '../paint.ts'
import { confinementOf } from '../sandbox.ts'
import { ageText, commandText, exitText, orNothing, percentText, sizeText } from '../quantity.ts'

export const spawn: Runner = async ({ client, output }, args) => {
  const { sandbox, cwd } = await confinementOf(args)
  const agent = await client.spawnAgent({
    runtime: required(args, 'runtime'),
    name: required(args, 'name'),
    node: args.text('on'),
    gpu: args.text('gpu'),
    restart: args.oneOf('restart', ['permanent', 'transient', 'temporary'], 'permanent'),
    args: args.words,
    env: {},
    cwd,
    sandbox
  })
  await output.document(agent, ({ name, gpid }) => `agent ${name} started: ${gpid}`)
  return EXIT.done
}

function required(args: Args, name: string): string {
  const value = args.text(name)
  if (value !== null) return value
  throw usageError(
    `agent spawn needs --${name} ${name.toUpperCase()}`,
    'see: weaver agent spawn --help'
  )
}

export const list: Runner = async ({ client, output }) => {
  const agents = await client.agents()
  await output.rows(agents, agentColumns(client.answeredAt), 'no agents')
  return EXIT.done
}

export const inspect: Runner = async ({ client, output }, args) => {
  const agent = await client.agent(args.words[0] ?? '')
  await output.document(agent, (it) => agentText(it, client.answeredAt))
  return EXIT.done
}

export const stop: Runner = async ({ client, output }, args) => {
  const { withProgress } = await import('../clock.ts')
  const agent = await withProgress(
    () => output.note('weaver: stopping ...'),
    client.stopAgent(args.words[0] ?? '')
  )
  await output.document(agent, ({ name, gpid }) => `agent ${name} stopped: ${gpid}`)
  return EXIT.done
}

export const restart: Runner = async ({ client, output }, args) => {
  const { withProgress } = await import('../clock.ts')
  const agent = await withProgress(
    () => output.note('weaver: restarting ...'),
    client.restartAgent(args.words[0] ?? '')
  )
  await output.document(agent, ({ name, gpid }) => `agent ${name} restarted: ${gpid}`)
  return EXIT.done
}

export const runtimes: Runner = async ({ client, output }) => {
  const columns: readonly Column<Runtime>[] = [
    { title: 'RUNTIME', text: ({ name }) => name },
    { title: 'AVAILABLE', text: ({ available }) => (available ? 'yes' : 'no') },
    { title: 'DESCRIPTION', text: ({ description, reason }) => reason ?? description }
  ]
  await output.rows(await client.runtimes(), columns, 'no runtimes')
  return EXIT.done
}

function agentColumns(now: number): readonly Column<Agent>[] {
  return [
    { title: 'NAME', text: ({ name }) => name },
    { title: 'PROC', text: ({ gpid }) => gpid },
    { title: 'RUNTIME', text: ({ runtime }) => orNothing(runtime) },
    { title: 'STATE', text: ({ state }) => state, colour: ({ state }) => stateColour(state) },
    { title: 'RESTARTS', text: ({ restarts }) => String(restarts), isRight: true },
    { title: 'CPU', text: ({ cpuPercent }) => percentText(cpuPercent), isRight: true },
    { title: 'MEMORY', text: ({ memoryBytes }) => sizeText(memoryBytes), isRight: true },
    { title: 'AGE', text: ({ startedAt }) => ageText(startedAt, now), isRight: true }
  ]
}

function agentText(agent: Agent, now: number): string {
  return pairs([
    ['agent', agent.name],
    ['process', agent.gpid],
    ['node', agent.node],
    ['runtime', orNothing(agent.runtime)],
    ['command', commandText(agent.command)],
    ['state', agent.state],
    ['exit', exitText(agent.exit)],
    ['why', orNothing(agent.reason)],
    ['restart', `${agent.restart}, ${agent.restarts} so far`],
    ['CPU', percentText(agent.cpuPercent)],
    ['memory', sizeText(agent.memoryBytes)],
    ['started', `${ageText(agent.startedAt, now)} ago`],
    ['containment', agent.containment],
    ['GPUs', orNothing(agent.gpus.join(', '))],
    ['grants', orNothing(agent.grants.join(', '))],
    ['role', orNothing(agent.role)],
    ['task', orNothing(agent.task)]
  ])
}
