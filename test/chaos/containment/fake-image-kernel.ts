// A kernel that runs one container and nothing else. Prints its guardian's pid, and waits to be killed.
// Arguments: the folder, the home's id, the number of this boot, and the word by which its command is known.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_SANDBOX, pid } from '../../../core/index.ts'
import { Stage } from '../processes/stage.ts'
import { IMAGE } from './images.ts'

const [directory = '', homeId = '', boot = '', word = ''] = process.argv.slice(2)
const stage = await Stage.open({ directory, homeId, bootId: `b${boot}` })
await stage.host.start()
const cwd = join(directory, 'work', boot)
mkdirSync(cwd, { recursive: true })
await stage.host.spawn({
  pid: pid(Number(boot)),
  // Without the kernel's mark.
  command: ['/usr/bin/env', '-i', '/usr/bin/sleep', word],
  env: {},
  cwd,
  isOwnFolder: true,
  io: null,
  sandbox: { ...DEFAULT_SANDBOX, image: IMAGE }
})
process.stdout.write(`${stage.host.guardianPid}\n`)
