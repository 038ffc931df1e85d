// The names of what members, and strangers at an open door, speak with each other.

import type { MeshId } from '../core/index.ts'
import { helloProtocol } from './membership/hello.ts'
import { JOIN_PROTOCOL } from './membership/join-messages.ts'
import { guestProtocol, KNOCK_PROTOCOL } from './membership/knock.ts'

export function serviceProtocol(mesh: MeshId, service: string): string {
  return `/weft/${mesh.slice(0, 16)}/${service}/1`
}

/** All that a member of `mesh` answers; the gater says whom. */
export function meshProtocols(mesh: MeshId, services: readonly string[]): readonly string[] {
  const before = [JOIN_PROTOCOL, KNOCK_PROTOCOL, helloProtocol(mesh), guestProtocol(mesh)]
  return [...before, ...services.map((service) => serviceProtocol(mesh, service))]
}
