// Sizes, ages and times for people. The first two are core's, written again: core/index.ts costs a third
// of a quick command's time. A test holds them equal.

import type { Exit } from '../node/api/index.ts'

const NOTHING = '-'

export function sizeText(bytes: number | null): string {
  if (bytes === null) return NOTHING
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value.toFixed(unit > 0 && value < 9.95 ? 1 : 0)} ${units[unit] ?? ''}`
}

export function durationText(millis: number): string {
  if (millis < 1000) return `${Math.floor(millis)}ms`
  if (millis < 120_000) return `${Math.floor(millis / 1000)}s`
  if (millis < 7_200_000) return `${Math.floor(millis / 60_000)}m`
  if (millis < 172_800_000) return `${Math.floor(millis / 3_600_000)}h`
  return `${Math.floor(millis / 86_400_000)}d`
}

/** How long ago, in whole seconds at least: clocks of two machines are never closer. */
export function ageText(since: number | null, now: number): string {
  return since === null ? NOTHING : durationText(Math.max(1000, now - since))
}

export function percentText(percent: number | null): string {
  return percent === null ? NOTHING : `${Math.round(percent)}%`
}

export function exitText(exit: Exit | null): string {
  return exit === null ? NOTHING : String(exit.signal ?? exit.code)
}

export function orNothing(text: string | null): string {
  return text === null || text === '' ? NOTHING : text
}

/** Each on a line of its own. */
export function linesOrNothing(texts: readonly string[]): string | readonly string[] {
  return texts.length === 0 ? NOTHING : texts
}

/** As a shell would read it back. */
export function commandText(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ')
}

export function labelsText(labels: Readonly<Record<string, string>>): string {
  return orNothing(
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(',')
  )
}

interface GpuLike {
  readonly vendor: string
  readonly model: string
  readonly memoryBytes: number
  readonly declared: boolean
}

/** `nvidia H200 24 GB`; one declared by hand says so, and names no model: nobody has asked it. */
export function gpusText(gpus: readonly GpuLike[]): string {
  const texts = gpus.map((gpu) => {
    const known = [gpu.vendor, gpu.model].filter((word) => !/^(?:unknown|declared)$/.test(word))
    const size = gpu.memoryBytes > 0 ? [sizeText(gpu.memoryBytes)] : []
    return [...known, ...size, ...(gpu.declared ? ['(declared)'] : [])].join(' ')
  })
  return orNothing(texts.join(', '))
}

let clockFormat: Intl.DateTimeFormat | null = null

/** `2026-11-21 02:18:54`, in local time: Swedish dates are ISO dates. */
export function timeText(time: number): string {
  clockFormat ??= new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium' })
  return clockFormat.format(time)
}
