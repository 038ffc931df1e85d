// The real kernel: real clock, files, LevelDB, libp2p, child processes, control API. Reads from top to
// bottom in the order in which things are opened; what is open is closed in reverse, also when the next
// step fails.

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { agentStore } from '../agents/index.ts'
import { millis, parseBytes, signerFromSeed, toHex } from '../core/index.ts'
import type { Logger, Signer } from '../core/index.ts'
import { systemClock, systemEntropy, systemPrng } from '../core/system.ts'
import { libp2pNetwork } from '../mesh/index.ts'
import type { Mesh } from '../mesh/index.ts'
import { createSandbox } from '../sandbox-wasm/index.ts'
import type { KernelStatus, LogLine } from './api/index.ts'
import type { RepairWish } from './chain-repair.ts'
import { blobDisk } from './blob-disk.ts'
import { threadedChecker } from './chain-checker.ts'
import { formatConfig, mergeConfig, parseHostAndPort, readConfig } from './config.ts'
import type { NodeConfig, StartFlags } from './config.ts'
import { openLaneDisk } from './disk.ts'
import { EgressProxies } from './egress/index.ts'
import type { EgressLedger } from './egress/index.ts'
import { Feed } from './feed.ts'
import type { GovernedDeps } from './govern.ts'
import { writeWhole } from './home-files.ts'
import { removeKernelFile, writeKernelFile } from './home-kernel-file.ts'
import { homePaths } from './home-layout.ts'
import { adoptKey, prepareKey } from './home-identity.ts'
import { noteOwner, openHome } from './home.ts'
import type { Home, HomeKey } from './home.ts'
import { HttpServer, processSockets } from './http/index.ts'
import { secretFiles, Secrets } from './secrets.ts'
import { handOver } from './key-rotation.ts'
import { missing, openContainment, TRAPS_TOLD_MAX } from './containment/index.ts'
import type { OpenContainment } from './containment/index.ts'
import { createKernel } from './kernel.ts'
import type { Kernel, KernelDeps } from './kernel.ts'
import { kernelService } from './kernel-service.ts'
import { LOG_LINES_KEPT_MAX, POLICY_LOAD_DELAY_MS, STOP_GRACE_MS } from './limits.ts'
import { rememberPorts, withRememberedPorts } from './listen-ports.ts'
import { nextIncarnation } from './incarnation.ts'
import { collector } from './collector.ts'
import { guardGarbage } from './garbage-guard.ts'
import { collectWhenIdle, ownCpuMs, ownThreadMs } from './idle-garbage.ts'
import { LogFile } from './log-file.ts'
import { logStream, parseLogLine } from './log-stream.ts'
import { lookAtMachine } from './machine-look.ts'
import { PolicyKeeper } from './policy-keeper.ts'
import { PATH_FALLBACK } from './processes/environment.ts'
import { createPids } from './processes/pids.ts'
import { RealProcessHost } from './processes/host.ts'
import type { RealProcessHostDeps } from './processes/host.ts'
import type { ProcessSample } from './processes/sampler.ts'
import { systemProcesses } from './processes/system-processes.ts'
import type { Sample } from './process-table.ts'
import { machineLoadMeter, ownResources, runCommand } from './resources.ts'
import type { KernelService } from './service.ts'
import { garbageMeter, laneGarbageMeter } from './stream-garbage.ts'
import { clearTaskFolders, withTaskFolders } from './task-folders.ts'
import type { TaskFoldersDeps } from './task-folders.ts'
import { VERSION } from './version.ts'

export interface NodeOptions {
  readonly home: string
  readonly flags: StartFlags
  readonly invite: string | null
  /** Take the own lane back from other members first; null: a start as usual. */
  readonly repair: RepairWish | null
  /** Aborts the start, or stops the kernel once it runs. */
  readonly signal: AbortSignal
}

export interface RunningNode {
  status(): KernelStatus
  /** Resolves, never rejects, when the kernel has stopped and everything is closed. */
  readonly stopped: Promise<void>
}

/** What has been opened so far, to be closed in reverse. */
class Opened {
  readonly #closers: (() => Promise<void>)[] = []
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  add(close: () => Promise<void>): void {
    this.#closers.unshift(close)
  }

  /** Every closer runs, whatever the others do. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0)) {
      try {
        await close()
      } catch (error) {
        this.#log.error('Cannot close a part of the kernel', { error: String(error) })
      }
    }
  }
}

const SYSTEM = { entropy: systemEntropy, clock: systemClock }

/** @throws WeaverError for whatever keeps it from starting; then nothing is left open */
export async function openNode(options: NodeOptions): Promise<RunningNode> {
  const lines = new Feed<LogLine>(toHex(systemEntropy.bytes(4)), LOG_LINES_KEPT_MAX)
  const directory = homePaths(options.home).logs
  const onLine = (line: string): void => {
    for (const parsed of parseLogLine(line)) lines.publish(parsed)
  }
  const logFile = new LogFile({ clock: systemClock }, { directory, level: 'info', onLine })
  const log = logFile.logger
  const opened = new Opened(log)
  let hasHome = false
  let isNew = false
  let mesh: Mesh | null = null
  try {
    // The home's lock is taken here: from now on this process alone works on it.
    const home = await openHome({ ...SYSTEM, log }, { path: options.home })
    hasHome = true
    isNew = home.isNew
    opened.add(() => home.close())
    const config = mergedConfig(home, options.flags)
    const parts = {
      home,
      log,
      logFile,
      config,
      opened,
      repair: options.repair,
      signal: options.signal
    }
    keepSmall(parts)
    const { kernel, reaped } = await openKernel(parts)
    const stopAsked = Promise.withResolvers<string>()
    const service = kernelService(kernel.rooms, {
      osPid: process.pid,
      http: () => http.url,
      requestStop: () => stopAsked.resolve('asked through the control API'),
      logs: (wanted) => logStream({ directory, feed: lines }, wanted)
    })
    const http = httpServer(service, parts)
    mesh = kernel.rooms.mesh
    await kernel.start({ invite: options.invite, signal: options.signal, reaped })
    await rememberPorts(home.store, kernel.rooms.network.addresses())
    await http.start()
    opened.add(() => http.stop())
    keepConfig(home, config) // Only now: flags that kept it from starting must not keep it from starting again.
    log.info('kernel is ready', { pid: process.pid, version: VERSION, home: home.paths.home })
    loadSoon(kernel, http, parts)
    void kernel.failed.then(({ message }) => {
      stopAsked.resolve(message)
      return message
    })
    options.signal.addEventListener('abort', () => stopAsked.resolve(String(options.signal.reason)))
    if (options.signal.aborted) stopAsked.resolve(String(options.signal.reason))
    const stop = async (): Promise<void> => {
      const why = await stopAsked.promise
      log.info('kernel is stopping', { why })
      await http.stop()
      await kernel.stop(why)
      await opened.close()
      lines.close()
      logFile.close()
    }
    return { status: () => service.status(), stopped: stop() }
  } catch (error) {
    // A home that is refused stays as it was found: then not even a line is logged there.
    if (hasHome) log.error('kernel did not start', { error: String(error) })
    await opened.close()
    logFile.close()
    // A home that this start made, and that no mesh has heard of, goes with it.
    if (isNew && (mesh?.meshId() ?? null) === null) rmSync(options.home, { recursive: true })
    throw error
  }
}

function mergedConfig({ paths }: Home, flags: StartFlags): NodeConfig {
  const kept = readConfig(paths.config)
  return mergeConfig(kept, flags)
}

function keepConfig({ paths }: Home, config: NodeConfig): void {
  const text = existsSync(paths.config) ? readFileSync(paths.config, 'utf8') : null
  const next = formatConfig(config)
  if (next !== text) writeWhole(paths.config, next)
}

interface Parts {
  readonly home: Home
  readonly log: Logger
  readonly logFile: LogFile
  readonly config: NodeConfig
  readonly opened: Opened
  readonly repair: RepairWish | null
  readonly signal: AbortSignal
}

async function openKernel(
  parts: Parts
): Promise<{ readonly kernel: Kernel; readonly reaped: readonly string[] }> {
  const { home, log, config, opened } = parts
  const { paths, store } = home
  const clock = systemClock
  const incarnation = await nextIncarnation({ store, entropy: systemEntropy })
  const resources = await ownResources({ run: runCommand, log }, { gpu: config.gpu })
  const listen = await withRememberedPorts(store, config.listen)

  const samples = new Map<number, Sample>()
  const { lane, containment, onTraps, confinement } = await containmentOf(parts, incarnation.bootId)
  const processes = processHost(parts, { ...incarnation, samples, containment, onTraps })
  const reaped = await processes.start()
  opened.add(() => processes.stop(STOP_GRACE_MS))
  await clearTaskFolders(paths.work, agentStore({ store, log }))
  writeKernelFile(paths, { pid: process.pid, version: VERSION, startedAt: clock.wall() })
  opened.add(async () => removeKernelFile(paths))

  const meters = { streamMeter: garbageMeter(), laneMeter: laneGarbageMeter() }
  const secrets = await Secrets.open({ files: secretFiles(paths), clock, entropy: systemEntropy })
  parts.logFile.redactBy((text) => secrets.redacted(text))
  const checker = checkerOf(parts)
  const build = async ({ seed, signer }: HomeKey): Promise<Kernel> =>
    createKernel(
      {
        clock,
        prng: systemPrng,
        entropy: systemEntropy,
        log,
        signer,
        store,
        laneDisk: await openLaneDisk(paths.chain, { clock }),
        blobDisk: blobDisk(await openLaneDisk(paths.blobs, { clock }, { isBulk: true })),
        checker,
        network: libp2pNetwork(
          { seed, clock, log: log.child({ room: 'mesh' }) },
          { listen, mdns: config.mdns, upnp: config.upnp }
        ),
        pids: createPids({ store }),
        ...foldered({ processes, log, ...meters }, paths.work),
        outputs: processes.spool,
        sandbox: createSandbox(
          { clock, log, walls: containment.workers },
          { cacheFolder: paths.tools, execPath: process.execPath }
        ),
        secrets,
        ...policyPorts(parts, signer, containment),
        ...confinement,
        ...meters,
        machineLoad: machineLoadMeter({ clock }),
        samples: () => samples,
        prepareKey: () => signerFromSeed(prepareKey({ entropy: systemEntropy }, paths))
      },
      {
        name: config.name,
        labels: config.labels,
        peers: config.peers,
        resources,
        containment: containment.detected.name,
        version: VERSION,
        home: paths.home,
        incarnation,
        repair: parts.repair,
        ...(config.blobBudget === null ? {} : { blobBudgetBytes: parseBytes(config.blobBudget) })
      }
    )
  const kernel = await build(await currentKey(parts, build))
  lane(kernel.rooms.ledger)
  opened.add(() => kernel.stop('the start failed'))
  return { kernel, reaped: reaped.map(({ command }) => command) }
}

/** The key of this home; where a change of it was asked for, the old one hands over first. */
async function currentKey(
  { home, log, signal }: Parts,
  build: (key: HomeKey) => Promise<Kernel>
): Promise<HomeKey> {
  const { next, paths, store } = home
  if (next === null) return home
  log.info('handing over to another key', { from: home.signer.nodeId, to: next.signer.nodeId })
  const keys = { old: home.signer, next: next.signer }
  const isDone = await handOver(await build(home), keys, { store, signal })
  if (!isDone) return home
  await noteOwner(store, next.signer.nodeId) // Before: both keys are known by then.
  adoptKey(paths)
  return next
}

/** An agent's folder stays for its next start; a task's goes with the task. */
function foldered(
  deps: TaskFoldersDeps,
  directory: string
): Pick<KernelDeps, 'agentProcesses' | 'taskProcesses'> {
  return {
    agentProcesses: withTaskFolders(deps, { directory, isKept: true }),
    taskProcesses: withTaskFolders(deps, { directory, isKept: false })
  }
}

/** The way out of contained processes. It is there before the lane that it records in. */
function wayOut({ home, log, opened }: Parts): {
  readonly egress: EgressProxies
  readonly lane: (ledger: EgressLedger) => void
  readonly ledger: EgressLedger
} {
  const lane = Promise.withResolvers<EgressLedger>()
  const ledger: EgressLedger = { record: async (drafts) => (await lane.promise).record(drafts) }
  const egress = new EgressProxies(
    { clock: systemClock, ledger, log: log.child({ room: 'egress' }), resolve: null },
    { runDirectory: home.paths.run }
  )
  opened.add(() => egress.stop())
  return { egress, lane: lane.resolve, ledger }
}

function checkerOf({ opened }: Parts): ReturnType<typeof threadedChecker> {
  const checker = threadedChecker({ clock: systemClock })
  opened.add(() => checker.stop())
  return checker
}

/** `lane` is to be called once there is one: the way out records in it. */
async function containmentOf(
  parts: Parts,
  boot: string
): Promise<{
  readonly containment: OpenContainment
  readonly lane: (ledger: EgressLedger) => void
  readonly onTraps: RealProcessHostDeps['onTraps']
  readonly confinement: Pick<KernelDeps, 'missingContainment' | 'waysOut'>
}> {
  const { home, log } = parts
  const { paths } = home
  const { egress, lane, ledger } = wayOut(parts)
  mkdirSync(paths.run, { recursive: true, mode: 0o700 })
  const opened = await openContainment(
    { clock: systemClock, log: log.child({ room: 'containment' }), egress },
    {
      home: home.id,
      boot,
      runDirectory: paths.run,
      closedPaths: [paths.home],
      environment: process.env,
      platform: process.platform,
      arch: process.arch,
      execPath: process.execPath
    }
  )
  const { detected } = opened
  if (detected.name === null) {
    log.warn('No process can be contained on this machine', {
      why: detected.why,
      fix: detected.fix
    })
  }
  const confinement = { missingContainment: () => missing(detected), waysOut: egress }
  return { containment: opened, lane, onTraps: trapRecorder(parts, ledger), confinement }
}

/** Which policies decide, and how a command looks before it is approved. */
function policyPorts(
  { home, log }: Parts,
  signer: Signer,
  { podman }: OpenContainment
): GovernedDeps {
  const { paths, store } = home
  const shared = { store, signer, log: log.child({ room: 'governance' }) }
  const deps = { ...shared, clock: systemClock, workClock: { now: () => millis(ownThreadMs()) } }
  return {
    sockets: processSockets({ clock: systemClock, log }, { directory: join(paths.run, 'ask') }),
    policies: (facts, meshId) =>
      new PolicyKeeper({ ...deps, facts, meshId }, { folder: paths.policy }),
    look: (argv, looked) =>
      lookAtMachine(argv, looked, {
        kernelPath: process.env['PATH'] ?? PATH_FALLBACK,
        imageId: (image) => podman.imageId(image)
      })
  }
}

function keepSmall({ log, opened }: Parts): void {
  const stopping = new AbortController()
  const deps = { clock: systemClock, log, cpuMs: ownCpuMs, collect: collector('last') }
  const tidying = collectWhenIdle(deps, stopping.signal)
  const endGuard = guardGarbage(collector('thorough'))
  opened.add(async () => {
    endGuard()
    stopping.abort()
    await tidying
  })
}

/** What the first request would wait for, 0.1 s, and the first act that is decided, a join for one: 0.25 s. */
function loadSoon({ rooms }: Kernel, http: HttpServer, { opened }: Pick<Parts, 'opened'>): void {
  const stopping = new AbortController()
  opened.add(async () => stopping.abort())
  for (const [delayMs, load] of [
    [millis(0), () => http.load()], // When it has been said that the kernel is ready.
    [POLICY_LOAD_DELAY_MS, () => rooms.policies?.policy.load()]
  ] as const) {
    systemClock
      .sleep(delayMs, stopping.signal)
      .then(load)
      .catch(() => undefined) // We stop; or it cannot be loaded, which the first who needs it hears.
  }
}

function processHost(
  { home, log }: Parts,
  {
    bootId,
    samples,
    containment,
    onTraps
  }: {
    readonly bootId: string
    readonly samples: Map<number, Sample>
    readonly containment: OpenContainment
    readonly onTraps: RealProcessHostDeps['onTraps']
  }
): RealProcessHost {
  const { paths } = home
  const onSamples = (taken: readonly ProcessSample[]): void => {
    samples.clear()
    for (const { pid, ...sample } of taken) samples.set(pid, sample)
  }
  return new RealProcessHost(
    {
      os: systemProcesses,
      clock: systemClock,
      log: log.child({ room: 'processes' }),
      containment,
      onSamples,
      onTraps
    },
    {
      runDirectory: paths.run,
      spoolDirectory: paths.spool,
      homeId: home.id,
      bootId,
      directory: paths.work,
      environment: process.env,
      platform: process.platform
    }
  )
}

/** What a process left for its owner's tools to obey, as an entry of this lane. */
function trapRecorder(
  { config, log }: Parts,
  ledger: EgressLedger
): RealProcessHostDeps['onTraps'] {
  return (pid, changes) => {
    const told = changes.slice(0, TRAPS_TOLD_MAX).map((change) => ({ ...change }))
    const payload = { changes: told, changed: changes.length }
    const subject = `process:${pid}@${config.name}`
    ledger
      .record([{ kind: 'workspace.changed', actor: `process:${pid}`, subject, payload }])
      .catch((error: unknown) => {
        log.error('Cannot record what a process changed', { pid, why: String(error) })
      })
  }
}

function httpServer(service: KernelService, { home, config, log }: Parts): HttpServer {
  return new HttpServer(
    { service, clock: systemClock, entropy: systemEntropy, log: log.child({ room: 'http' }) },
    {
      socketPath: home.paths.socket,
      version: VERSION,
      tcp:
        config.http === null
          ? null
          : { ...parseHostAndPort(config.http), tokenFile: home.paths.httpToken }
    }
  )
}
