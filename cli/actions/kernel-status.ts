import { ApiError, NO_KERNEL } from '../../node/api/index.ts'
import type { KernelStatus } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT } from '../errors.ts'
import { pairs } from '../output.ts'
import { durationText, gpusText, labelsText, linesOrNothing, sizeText } from '../quantity.ts'

export const status: Runner = async ({ client, output, home }) => {
  try {
    await output.document(await client.status(), statusText)
    return EXIT.done
  } catch (error) {
    if (!output.isJson || !(error instanceof ApiError) || error.code !== NO_KERNEL) throw error
    const { code, message, hint } = error
    await output.document({ running: false, home, error: { code, message, hint } }, String)
    output.note(`weaver: ${message}; ${hint ?? ''}`)
    return EXIT.noKernel
  }
}

function statusText(kernel: KernelStatus): string {
  return `kernel ${kernel.name} is running (pid ${kernel.pid}, for ${durationText(kernel.uptimeMs)})\n${details(kernel)}`
}

/** The lines beneath the first: the same after `kernel start`. */
export function details({ mesh, resources, ...kernel }: KernelStatus): string {
  const refused = mesh.refused === null ? '' : `; refused: ${mesh.refused}`
  return pairs([
    ['  node', kernel.nodeId],
    ['  home', kernel.home],
    ['  listens on', linesOrNothing(kernel.listen)],
    ['  mesh', `${meshText(mesh)}${refused}`],
    ['  resources', `${resources.cpus} CPUs, ${sizeText(resources.memoryBytes)} memory`],
    ['  GPUs', gpusText(resources.gpus)],
    ['  labels', labelsText(kernel.labels)],
    ['  HTTP', kernel.http ?? 'off'],
    ['  policy', policyText(kernel.policy)],
    ['  version', kernel.version]
  ])
}

function policyText(policy: KernelStatus['policy']): string {
  if (policy === null) return 'the plain rules'
  const mesh = policy.meshVersion === null ? '' : `, version ${policy.meshVersion} of the mesh`
  const lock = policy.lock === 'none' ? '' : `, lock ${policy.lock}`
  const drift = policy.drift.length === 0 ? '' : `: ${policy.drift.join('; ')}`
  return `${policy.state}${mesh}${lock}${drift}`
}

function meshText(mesh: KernelStatus['mesh']): string {
  if (mesh.id === null) return 'none'
  const members = `${mesh.members} member${mesh.members === 1 ? '' : 's'}`
  return `${mesh.id.slice(0, 16)}, ${members}, ${mesh.connected} connected`
}
