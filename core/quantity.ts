// Durations (`90s`, `10m`, `4h`) and sizes (`512MB`, `24GB`, `8GiB`) as people write them.

import { WeaverError } from './errors.ts'
import { millis } from './ids.ts'
import type { Millis } from './ids.ts'

const MILLIS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000
}

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4
}

/** @throws WeaverError `CORE_INVALID_DURATION` */
export function parseDuration(text: string): Millis {
  const value = parseQuantity(text, MILLIS_PER_UNIT)
  if (value === null) {
    throw new WeaverError(
      'CORE_INVALID_DURATION',
      `Cannot read '${text.slice(0, 64)}' as a duration: write 500ms, 90s, 10m, 4h or 2d`
    )
  }
  return millis(value)
}

/** @throws WeaverError `CORE_INVALID_SIZE` */
export function parseBytes(text: string): number {
  const value = parseQuantity(text, BYTES_PER_UNIT)
  if (value === null) {
    throw new WeaverError(
      'CORE_INVALID_SIZE',
      `Cannot read '${text.slice(0, 64)}' as a size: write 512MB, 24GB or 8GiB`
    )
  }
  return value
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(text)
  const unit = match?.[2] === undefined ? undefined : units[match[2]]
  if (match === null || unit === undefined) return null
  const value = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(value) ? value : null
}

/** `1.4 GB`, `512 MB`, `0 B`: three digits at most before the unit, as tables show sizes. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0
  return `${value.toFixed(digits)} ${units[unit]}`
}

/** `850ms`, `42s`, `12m`, `5h`, `3d`: one unit, rounded down, as `kubectl get` shows ages. */
export function formatDuration(duration: number): string {
  if (duration < 1000) return `${Math.floor(duration)}ms`
  if (duration < 120_000) return `${Math.floor(duration / 1000)}s`
  if (duration < 7_200_000) return `${Math.floor(duration / 60_000)}m`
  if (duration < 172_800_000) return `${Math.floor(duration / 3_600_000)}h`
  return `${Math.floor(duration / 86_400_000)}d`
}
