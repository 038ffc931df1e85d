export { HttpServer } from './server.ts'
export type { HttpServerDeps, HttpServerOptions } from './server.ts'
export { processSockets } from './process-sockets.ts'
