// Goal: what the command sets for the kernel's process alone stays with it.
// Method: a real kernel's environment, and that of a child that it runs.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { Lab } from './lab.ts'

const OWN = ['MALLOC_ARENA_MAX', 'MALLOC_MMAP_THRESHOLD_', 'NODE_COMPILE_CACHE'] as const

describe('chaos: variables of the kernel’s process', function () {
  this.timeout(60_000)
  let lab: Lab

  before(async () => {
    lab = await Lab.open()
    await lab.start('laptop')
  })
  after(() => lab.close())

  it('it has compiled code from its first file on, and one arena; its children know of neither', async () => {
    const environ = await readFile(`/proc/${await lab.pidOf('laptop')}/environ`, 'latin1')
    const names = environ.split('\0').map((pair) => pair.split('=')[0])
    for (const name of OWN) assert(names.includes(name), name)
    const stdout = await lab.done('laptop', 'run', '--', 'env')
    for (const name of OWN) assert(!stdout.includes(name), name)
  })
})
