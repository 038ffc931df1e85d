import { InvalidAgentCommandError } from './errors.ts'
import { COMMAND_ARGUMENTS_MAX, COMMAND_BYTES_MAX } from './limits.ts'
import type { LaunchPlan, LaunchSpec, RuntimeAdapter } from './ports.ts'

/** Runs the command as it is given. */
export const customRuntime: RuntimeAdapter = {
  name: 'custom',
  description: 'Any command, as it is given',
  plan: (spec) => ({ command: checkedCommand(spec), env: spec.env, cwd: spec.cwd })
}

function checkedCommand(spec: LaunchSpec): LaunchPlan['command'] {
  const [program, ...rest] = spec.command
  if (program === undefined || program === '') {
    throw new InvalidAgentCommandError(spec.name, 'no command was given; write it after --')
  }
  const bytes = spec.command.reduce((sum, argument) => sum + Buffer.byteLength(argument) + 1, 0)
  if (spec.command.length > COMMAND_ARGUMENTS_MAX || bytes > COMMAND_BYTES_MAX) {
    throw new InvalidAgentCommandError(
      spec.name,
      `its command has ${spec.command.length} arguments of ${bytes} bytes: must be ` +
        `<= ${COMMAND_ARGUMENTS_MAX} arguments of <= ${COMMAND_BYTES_MAX} bytes`
    )
  }
  return [program, ...rest]
}
