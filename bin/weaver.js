#!/usr/bin/env node
// Starts the command under Node 24. Plain, old JavaScript on purpose: any Node must be able to read it.

import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'

const MAJOR_MIN = 24

if (Number(process.versions.node.split('.')[0]) >= MAJOR_MIN) {
  // Keeps compiled code, and sources stripped of their types, between runs: 40 ms of 60.
  nodeModule.enableCompileCache()
  // In the published package there is only the compiled file, in a checkout only the source.
  const compiled = new URL('../cli/main.js', import.meta.url)
  const main = existsSync(compiled) ? compiled : new URL('../cli/main.ts', import.meta.url)
  const { main: weaver } = await import(main.href)
  await weaver(process.argv.slice(2))
} else {
  await runUnderNewerNode()
}

/** A checkout, and whoever installs the package `node` beside it, has a newer Node in node_modules. */
async function runUnderNewerNode() {
  const { spawn } = await import('node:child_process')
  const { fileURLToPath } = await import('node:url')
  const newer = ['../node_modules/node/bin/node', '../../node/bin/node']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path))
  if (newer === undefined) {
    process.stderr.write(
      `weaver: Cannot run under Node ${process.versions.node}: needs Node ${MAJOR_MIN} or newer; ` +
        'install it, or beside weftos the npm package that brings it: npm install node@24\n'
    )
    process.exit(1)
  }
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  const child = spawn(newer, args, { stdio: 'inherit' })
  // A terminal's signals reach the child by themselves, and twice would mean something else.
  const isFromTerminal = process.stdin.isTTY
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) {
    process.on(signal, () => (isFromTerminal && signal !== 'SIGTERM' ? null : child.kill(signal)))
  }
  child.on('error', (error) => {
    process.stderr.write(`weaver: Cannot start ${newer}: ${error.message}\n`)
    process.exit(1)
  })
  child.on('exit', (status, signal) => {
    if (signal === null) process.exit(status)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
