// A kernel that has processes and nothing else. Prints `{tree, reaped, guardian}` when all run, then each
// of its warnings, and waits to be killed. Arguments: the folder, the home's id, and the number of this boot.

import { pid } from '../../../core/index.ts'
import { uncontained } from '../../doubles/sandboxes.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { Stage } from './stage.ts'

const [directory = '', homeId = '', boot = ''] = process.argv.slice(2)
const own = pid(Number(boot)) // Never the same twice in a home.
const log = {
  ...silentLog,
  warn: (message: string): void => void process.stdout.write(`${message}\n`)
}
const stage = await Stage.open({ directory, homeId, bootId: `b${boot}`, log })
const reaped = await stage.host.start()

const script = `
  trap '' TERM
  sleep 1000 & echo $!
  setsid sh -c 'echo $$; exec sleep 1000' &
  (setsid sh -c '(sleep 1000 & echo $!); exec sleep 1000' &)
  wait`
const running = await stage.host.spawn({
  pid: own,
  command: ['sh', '-c', script],
  env: {},
  cwd: null,
  io: null,
  sandbox: uncontained
})
const tree: number[] = [running.osPid]
let text = ''
for await (const { bytes } of stage.host.spool.read(own, 0, new AbortController().signal)) {
  text += Buffer.from(bytes).toString()
  if (text.split('\n').length > 3) break
}
tree.push(...text.trim().split('\n').map(Number))
process.stdout.write(`${JSON.stringify({ tree, reaped, guardian: stage.host.guardianPid })}\n`)
