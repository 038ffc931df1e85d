import { closeSync, readdirSync, readFileSync } from 'node:fs'

const CLOSES_ON_EXEC = 0o2_000_000

/**
 * Closes what whoever started this process had open and did not mean for it: a shell's own files, another
 * program's sockets. Else every process that this one starts, contained ones too, would have them. Node marks its own.
 */
export function closeInherited(above: number): void {
  for (const descriptor of openDescriptors()) {
    if (descriptor <= above) continue
    try {
      const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8')
      const flags = Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '', 8)
      if ((flags & CLOSES_ON_EXEC) === 0) closeSync(descriptor)
    } catch {
      // It was the one that listed the others, and is closed.
    }
  }
}

function openDescriptors(): readonly number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number)
  } catch {
    return [] // No Linux: there the system closes what is not named for a child.
  }
}
