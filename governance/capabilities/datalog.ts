// What a capability says, in Biscuit's Datalog (https://doc.biscuitsec.org/reference/datalog): every right as
// a check that the request must pass. A token with one more block has one more check: it allows less.

import { unreachable } from '../../core/index.ts'
import type { Grant } from '../../core/index.ts'
import type { Datalog } from './biscuit.ts'

/** Collects the parameters of a program, so that no text of others ever becomes code. */
class Program {
  readonly parameters: Record<string, string> = {}
  #code = ''

  text(value: string): string {
    const name = `p${Object.keys(this.parameters).length}`
    this.parameters[name] = value
    return `{${name}}`
  }

  add(line: string): void {
    this.#code += `${line};\n`
  }

  get datalog(): Datalog {
    return { code: this.#code, parameters: this.parameters }
  }
}

/** What a block narrows a token to. Null or absent: not narrowed in this. */
export interface Bounds {
  readonly task?: string
  readonly epoch?: number
  readonly node?: string
  /** Milliseconds since 1970, the last at which it holds. */
  readonly until?: number
  readonly grants?: readonly Grant[]
}

export function blockOf(bounds: Bounds): Datalog {
  const program = new Program()
  const { task, epoch, node, until, grants } = bounds
  if (task !== undefined) program.add(`check if task(${program.text(task)})`)
  if (epoch !== undefined) program.add(`check if epoch(${epoch})`)
  if (node !== undefined) program.add(`check if node(${program.text(node)})`)
  if (until !== undefined) program.add(`check if time($t), $t <= ${until}`)
  if (grants !== undefined) {
    // `check all`, and the base request is always there: no request passes unexamined.
    const any = ['$kind == "base"', ...grants.map((grant) => coverOf(program, grant))]
    program.add(`check all request($kind, $scope, $port), ${any.join(' || ')}`)
  }
  return program.datalog
}

/** The act that is about to happen: what it is, where and when, and everything it wants. */
export interface Request {
  readonly task: string | null
  readonly epoch: number | null
  readonly node: string
  readonly time: number
  readonly grants: readonly Grant[]
}

export function authorizerOf(request: Request): Datalog {
  const program = new Program()
  if (request.task !== null) program.add(`task(${program.text(request.task)})`)
  if (request.epoch !== null) program.add(`epoch(${request.epoch})`)
  program.add(`node(${program.text(request.node)})`)
  program.add(`time(${request.time})`)
  program.add('request("base", "", 0)')
  for (const grant of request.grants) {
    const { kind, scope, port } = requested(grant)
    program.add(`request(${program.text(kind)}, ${program.text(scope)}, ${port})`)
  }
  program.add('allow if true')
  return program.datalog
}

/** No port is 0, so 0 is any. */
function requested(grant: Grant): {
  readonly kind: string
  readonly scope: string
  readonly port: number
} {
  switch (grant.kind) {
    case 'fs.read':
    case 'fs.write':
      return { kind: grant.kind, scope: grant.path, port: 0 }
    case 'net':
      return { kind: 'net', scope: grant.host, port: grant.port ?? 0 }
    case 'spawn':
      return { kind: 'spawn', scope: '', port: 0 }
    case 'env':
    case 'secret':
    case 'tool':
    case 'exec':
    case 'ipc':
    case 'delegate':
      return { kind: grant.kind, scope: grant.name, port: 0 }
    default:
      return unreachable(grant)
  }
}

/** When a request is within the grant: `isGrantWithin` of core/grant.ts, in Datalog. A test compares them. */
function coverOf(program: Program, grant: Grant): string {
  switch (grant.kind) {
    case 'fs.read':
      return `($kind == "fs.read" && ${below(program, grant.path)})`
    case 'fs.write':
      return `(($kind == "fs.read" || $kind == "fs.write") && ${below(program, grant.path)})`
    case 'net': {
      const port = grant.port === null ? '' : ` && $port == ${grant.port}`
      return `($kind == "net" && ${hostWithin(program, grant.host)}${port})`
    }
    case 'spawn':
      return '$kind == "spawn"'
    case 'env':
    case 'secret':
    case 'tool':
    case 'exec':
    case 'ipc':
    case 'delegate': {
      const kind = `$kind == ${program.text(grant.kind)}`
      return grant.name === '*' ? kind : `(${kind} && $scope == ${program.text(grant.name)})`
    }
    default:
      return unreachable(grant)
  }
}

function below(program: Program, folder: string): string {
  if (folder === '/') return 'true'
  const same = `$scope == ${program.text(folder)}`
  return `(${same} || $scope.starts_with(${program.text(`${folder}/`)}))`
}

function hostWithin(program: Program, host: string): string {
  if (host === '*') return 'true'
  const same = `$scope == ${program.text(host)}`
  if (!host.startsWith('*.')) return same
  const suffix = program.text(host.slice(1))
  // `*.example.com` does not cover the name `.example.com`, nor itself without the star.
  return `(${same} || ($scope.ends_with(${suffix}) && $scope != ${suffix} && $scope != "*"))`
}
