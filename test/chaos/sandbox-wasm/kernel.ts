// Stands for a kernel: starts a worker that spins, says so, and waits to be killed.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { processLauncher } from '../../../sandbox-wasm/worker-process.ts'
import { realWalls } from '../../doubles/sandboxes.ts'
import { silentLog } from '../../unit/sandbox-wasm/doubles.ts'

const folder = process.argv[2] ?? ''
const { walls } = await realWalls()
const launcher = processLauncher({ log: silentLog, walls }, { execPath: process.execPath })
const link = await launcher.guest(folder, process.argv[3] === 'none' ? 'none' : 'os')
const source = readFileSync(join(folder, 'tool.js'))
const sha256 = createHash('sha256').update(source).digest('hex')
const files = [{ name: 'tool.js', sha256, sizeBytes: source.length }]
await link.request({ type: 'load', folder, files, outputBytesMax: 1, memoriesMax: 1 })
void link.request({ type: 'call', method: 'call', input: '' })
console.log('spinning')
await link.ended
