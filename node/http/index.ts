export { HttpServer } from './server.ts'
export type { HttpServerDeps, HttpServerOptions } from './server.ts'
