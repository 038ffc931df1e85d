// The acts that somebody must be allowed to do, and what each request has to say about itself. An act that
// is not in this table does not exist for the gate: it is denied.

/** What one kind of act is, for the people who read a denial and for the gate that checks a request. */
export interface ActionRule {
  /** Reads after "may not": `may not delegate a task`. */
  readonly what: string
  /** What `resource` names, and its form. */
  readonly resource: string
  /** Keys that `context` must have, so that no decision is taken about half an act. */
  readonly needs: readonly string[]
}

/** Every privileged act there is. */
export type Action =
  | 'agent.spawn'
  | 'agent.stop'
  | 'blob.collect'
  | 'blob.get'
  | 'blob.pin'
  | 'blob.put'
  | 'chain.redact'
  | 'kernel.stop'
  | 'mesh.admit'
  | 'mesh.approve'
  | 'mesh.evict'
  | 'mesh.invite'
  | 'mesh.join'
  | 'mesh.leave'
  | 'mesh.role'
  | 'mesh.signatures'
  | 'process.attach'
  | 'process.signal'
  | 'process.spawn'
  | 'secret.write'
  | 'task.accept'
  | 'task.cancel'
  | 'task.signal'
  | 'task.submit'
  | 'tool.call'

export const ACTIONS: Readonly<Record<Action, ActionRule>> = {
  'agent.spawn': {
    what: 'spawn an agent',
    resource: 'agent:<name>',
    needs: ['argv', 'cwd', 'envNames']
  },
  'agent.stop': { what: 'stop an agent', resource: 'agent:<name>', needs: [] },
  'blob.collect': {
    what: 'remove blobs that are not pinned',
    resource: 'node:<NodeId>',
    needs: []
  },
  'blob.get': { what: 'get a blob', resource: 'blob:<BlobId>', needs: [] },
  'blob.pin': { what: 'pin or release a blob', resource: 'blob:<BlobId>', needs: ['pinned'] },
  'blob.put': { what: 'store a blob', resource: 'node:<NodeId>', needs: ['pinned'] },
  'chain.redact': {
    what: 'redact a chain entry',
    resource: 'entry:<entry id>',
    needs: []
  },
  'kernel.stop': { what: 'stop the kernel', resource: 'node:<NodeId>', needs: [] },
  'mesh.admit': { what: 'admit a member', resource: 'node:<NodeId>', needs: [] },
  'mesh.approve': {
    what: 'sign what other admins have said',
    resource: 'mesh:<MeshId>',
    needs: []
  },
  'mesh.evict': { what: 'evict a member', resource: 'node:<NodeId>', needs: [] },
  'mesh.invite': { what: 'invite members', resource: 'mesh:<MeshId>', needs: [] },
  'mesh.join': { what: 'join a mesh', resource: 'mesh:<MeshId>', needs: [] },
  'mesh.leave': { what: 'leave the mesh', resource: 'mesh:<MeshId>', needs: [] },
  'mesh.role': { what: 'change the role of a member', resource: 'node:<NodeId>', needs: ['role'] },
  'mesh.signatures': {
    what: 'change how many admins must sign',
    resource: 'mesh:<MeshId>',
    needs: ['signatures']
  },
  'process.attach': { what: 'attach to a process', resource: 'process:<gpid>', needs: [] },
  'process.signal': {
    what: 'signal a process',
    resource: 'process:<gpid>',
    needs: ['signal']
  },
  'process.spawn': {
    what: 'start a process',
    resource: 'process:<gpid>',
    needs: ['argv', 'cwd', 'envNames']
  },
  'secret.write': {
    what: 'change a secret',
    resource: 'secret:<name>',
    needs: ['change']
  },
  'task.accept': {
    what: 'run a task on this node',
    resource: 'task:<TaskId>',
    needs: ['argv', 'cwd', 'envNames', 'epoch']
  },
  'task.cancel': { what: 'cancel a task', resource: 'task:<TaskId>', needs: [] },
  'task.signal': { what: 'signal a task', resource: 'task:<TaskId>', needs: ['signal'] },
  'task.submit': {
    what: 'delegate a task',
    resource: 'task:<TaskId>',
    needs: ['argv', 'cwd', 'envNames']
  },
  'tool.call': { what: 'call a tool', resource: 'tool:<name>', needs: [] }
}

export function isAction(text: string): text is Action {
  return Object.hasOwn(ACTIONS, text)
}
