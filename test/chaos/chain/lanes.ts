// How lanes stand on real kernels, as their control API says.

import type { ChainLane } from '../../../node/api/index.ts'
import { until } from '../kernel/lab.ts'
import type { KernelHandle } from '../kernel/lab.ts'

/** The lane of a node, by its name or its id, on `kernel`; undefined where it holds none. */
export async function laneOf(
  { client }: Pick<KernelHandle, 'client'>,
  of: string
): Promise<ChainLane | undefined> {
  const { lanes } = await client.chainStatus()
  return lanes.find(({ node, nodeId }) => node === of || nodeId === of)
}

/** 0 where it holds none. */
export async function heightOf(kernel: Pick<KernelHandle, 'client'>, of: string): Promise<number> {
  return (await laneOf(kernel, of))?.height ?? 0
}

/** Waits until `holder` has, in good order, all that `owner` has of its own lane by then. */
export async function untilHeld(holder: KernelHandle, owner: KernelHandle): Promise<void> {
  await until(async () => {
    const own = await heightOf(owner, owner.name)
    const held = await laneOf(holder, owner.name)
    return own > 0 && held?.height === own && held.state === 'ok'
  })
}
