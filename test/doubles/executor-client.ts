import { channelPair } from '../../core/index.ts'
import type { FrameChannel, NodeId } from '../../core/index.ts'
import type {
  ExecutorClient,
  Offer,
  OfferAnswer,
  RunStatus,
  TaskRun
} from '../../scheduler/index.ts'

export interface PendingOffer {
  readonly node: NodeId
  readonly offer: Offer
  readonly answer: (answer: OfferAnswer) => void
  readonly fail: (error: Error) => void
}

/** Executors that answer what the test says, when it says so. */
export class ScriptedExecutors implements ExecutorClient {
  readonly offers: PendingOffer[] = []
  readonly calls: string[] = []
  /** The executor's ends of attached channels, in order. */
  readonly attached: FrameChannel[] = []
  /** What the next questions about a task are answered, oldest first; an error rejects. */
  readonly statuses: (RunStatus | Error)[] = []
  cancelError: Error | null = null

  offer(node: NodeId, offer: Offer): Promise<OfferAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<OfferAnswer>()
    this.offers.push({ node, offer, answer: resolve, fail: reject })
    return promise
  }

  attach(_node: NodeId, run: TaskRun): FrameChannel {
    this.calls.push(`attach ${run.epoch}`)
    const [mine, theirs] = channelPair()
    this.attached.push(theirs)
    return mine
  }

  async status(_node: NodeId, run: TaskRun): Promise<RunStatus> {
    this.calls.push(`status ${run.epoch}`)
    const status = this.statuses.shift() ?? new Error('no answer')
    if (status instanceof Error) throw status
    return status
  }

  async cancel(_node: NodeId, run: TaskRun): Promise<void> {
    this.calls.push(`cancel ${run.epoch}`)
    if (this.cancelError !== null) throw this.cancelError
  }

  async signal(_node: NodeId, run: TaskRun, name: string): Promise<void> {
    this.calls.push(`signal ${run.epoch} ${name}`)
  }

  async acknowledge(_node: NodeId, run: TaskRun): Promise<void> {
    this.calls.push(`acknowledge ${run.epoch}`)
  }

  /** The newest offer. */
  get last(): PendingOffer {
    const last = this.offers.at(-1)
    if (last === undefined) throw new Error('nothing was offered')
    return last
  }
}
