// What answers requests that were admitted: hono, the routes, their schemas. Loading it takes a fifth of a kernel's start,
// and nobody can ask before the kernel is ready: so it is imported by whoever needs it, then, and never at the top of a
// file.

export { getRequestListener } from '@hono/node-server'
export { createApp, createProcessApp } from './app.ts'
