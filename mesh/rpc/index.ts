// What the rest of the mesh uses of RPC.

export { RpcNode } from './rpc-node.ts'
export type { RpcNodeDeps } from './rpc-node.ts'
export type {
  Hearing,
  RpcCall,
  RpcCallOptions,
  RpcClient,
  RpcRequest,
  RpcService
} from './types.ts'
