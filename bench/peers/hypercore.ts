// Hypercore, where somebody has installed it: it brings up to 200 MB of native builds, too much for everybody.

export interface Log {
  append(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

interface HypercoreLike {
  ready(): Promise<void>
  append(bytes: Uint8Array): Promise<unknown>
  close(): Promise<void>
}

/** Null where it is not installed. */
export async function openHypercore(folder: string): Promise<Log | null> {
  const name: string = process.env['WEAVER_BENCH_HYPERCORE'] ?? 'hypercore'
  let Hypercore: new (folder: string) => HypercoreLike
  try {
    const module: { default: new (folder: string) => HypercoreLike } = await import(name)
    Hypercore = module.default
  } catch {
    return null
  }
  const core = new Hypercore(folder)
  await core.ready()
  return {
    append: async (bytes) => {
      await core.append(bytes)
    },
    close: () => core.close()
  }
}
