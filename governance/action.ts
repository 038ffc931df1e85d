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
  | 'approval.decide'
  | 'blob.collect'
  | 'blob.get'
  | 'blob.pin'
  | 'blob.put'
  | 'chain.keep'
  | 'chain.redact'
  | 'chain.rotate'
  | 'delegate.use'
  | 'env.pass'
  | 'exec.use'
  | 'fs.read'
  | 'fs.write'
  | 'ipc.send'
  | 'kernel.stop'
  | 'memory.read'
  | 'memory.write'
  | 'mesh.admit'
  | 'mesh.approve'
  | 'mesh.evict'
  | 'mesh.invite'
  | 'mesh.join'
  | 'mesh.label'
  | 'mesh.leave'
  | 'mesh.role'
  | 'mesh.signatures'
  | 'net.connect'
  | 'policy.apply'
  | 'process.attach'
  | 'process.exec'
  | 'process.signal'
  | 'process.spawn'
  | 'process.uncontained'
  | 'secret.read'
  | 'secret.write'
  | 'spawn.use'
  | 'task.accept'
  | 'task.cancel'
  | 'task.signal'
  | 'task.submit'
  | 'tool.call'
  | 'tool.use'

const START: readonly string[] = ['argv', 'cwd', 'envNames']

export const ACTIONS: Readonly<Record<Action, ActionRule>> = {
  'agent.spawn': {
    what: 'spawn an agent',
    resource: 'agent:<name>',
    needs: START
  },
  'agent.stop': { what: 'stop an agent', resource: 'agent:<name>', needs: [] },
  'approval.decide': {
    what: 'decide an approval',
    resource: 'approval:<number>@<node name>',
    needs: ['action', 'requester', 'isOwnRequest']
  },
  'blob.collect': {
    what: 'remove blobs that are not pinned',
    resource: 'node:<NodeId>',
    needs: []
  },
  'blob.get': { what: 'get a blob', resource: 'blob:<BlobId>', needs: [] },
  'blob.pin': { what: 'pin or release a blob', resource: 'blob:<BlobId>', needs: ['pinned'] },
  'blob.put': { what: 'store a blob', resource: 'node:<NodeId>', needs: ['pinned'] },
  'chain.keep': { what: 'choose which lanes to keep', resource: 'node:<NodeId>', needs: [] },
  'chain.redact': {
    what: 'redact a chain entry',
    resource: 'entry:<entry id>',
    needs: []
  },
  'chain.rotate': { what: 'give this node another key', resource: 'node:<NodeId>', needs: [] },
  'delegate.use': { what: 'hand on work', resource: 'delegate:<what>', needs: [] },
  'env.pass': {
    what: 'see a variable of the environment',
    resource: 'variable:<NAME>',
    needs: []
  },
  'exec.use': { what: 'ask for a program to be run', resource: 'program:<name>', needs: [] },
  'fs.read': { what: 'read files', resource: 'path:<normalised absolute path>', needs: [] },
  'fs.write': { what: 'write files', resource: 'path:<normalised absolute path>', needs: [] },
  'ipc.send': {
    what: 'send a message to a process',
    resource: 'agent:<name> or process:<gpid>',
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
  'mesh.label': {
    what: 'give labels to nodes',
    resource: 'node:<NodeId>',
    needs: ['labels', 'removed']
  },
  'mesh.leave': { what: 'leave the mesh', resource: 'mesh:<MeshId>', needs: [] },
  'mesh.role': { what: 'change the role of a member', resource: 'node:<NodeId>', needs: ['role'] },
  'mesh.signatures': {
    what: 'change how many admins must sign',
    resource: 'mesh:<MeshId>',
    needs: ['signatures']
  },
  'memory.read': { what: 'read shared memory', resource: 'memory:<key>', needs: [] },
  'memory.write': { what: 'change shared memory', resource: 'memory:<key>', needs: [] },
  'net.connect': {
    what: 'connect to a host',
    resource: 'host:<host>:<port>, the port * for any',
    needs: []
  },
  'policy.apply': {
    what: 'change policy',
    resource: 'policy:home or policy:mesh',
    needs: ['digest']
  },
  'process.attach': { what: 'attach to a process', resource: 'process:<gpid>', needs: [] },
  'process.exec': {
    what: 'run a command',
    resource: 'process:<gpid> or agent:<name>, that asks for it',
    needs: START
  },
  'process.signal': {
    what: 'signal a process',
    resource: 'process:<gpid>',
    needs: ['signal']
  },
  'process.spawn': {
    what: 'start a process',
    resource: 'process:<gpid>',
    needs: START
  },
  'process.uncontained': {
    what: 'start a process without containment',
    resource: 'what the process is started for: task:<TaskId>, agent:<name>, tool:<name>',
    needs: []
  },
  'secret.read': { what: 'be given a secret', resource: 'secret:<name>', needs: [] },
  'secret.write': {
    what: 'change a secret',
    resource: 'secret:<name>',
    needs: ['change']
  },
  'spawn.use': { what: 'start processes of its own', resource: 'spawn:any', needs: [] },
  'task.accept': {
    what: 'run a task on this node',
    resource: 'task:<TaskId>',
    needs: [...START, 'epoch']
  },
  'task.cancel': { what: 'cancel a task', resource: 'task:<TaskId>', needs: [] },
  'task.signal': { what: 'signal a task', resource: 'task:<TaskId>', needs: ['signal'] },
  'task.submit': {
    what: 'delegate a task',
    resource: 'task:<TaskId>',
    needs: START
  },
  'tool.call': { what: 'call a tool', resource: 'tool:<name>', needs: [] },
  'tool.use': { what: 'be given a tool', resource: 'tool:<name>', needs: [] }
}

export function isAction(text: string): text is Action {
  return Object.hasOwn(ACTIONS, text)
}
