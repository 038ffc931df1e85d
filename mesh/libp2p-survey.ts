// What this machine and its LAN allow, found out by asking: for `mesh netcheck`.

import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { networkInterfaces } from 'node:os'

const MULTICAST = '224.0.0.251'
const SSDP = '239.255.255.250'
const SSDP_PORT = 1900
const SSDP_SEARCH = [
  'M-SEARCH * HTTP/1.1',
  `HOST: ${SSDP}:${SSDP_PORT}`,
  'MAN: "ssdp:discover"',
  'MX: 1',
  'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1',
  '\r\n'
].join('\r\n')

/** Addresses of this machine with the length of their network, sorted: equal texts, equal network. */
export function machineAddresses(): string {
  const all = Object.values(networkInterfaces()).flat()
  const shown = all.filter((each) => each?.internal === false)
  return shown
    .map((each) => each?.cidr ?? each?.address ?? '')
    .toSorted()
    .join(' ')
}

/** Global unicast IPv6 addresses: those that could be dialled from anywhere. */
export function globalIp6(): readonly string[] {
  const all = Object.values(networkInterfaces()).flat()
  const globals = all.filter((each) => each?.internal === false && /^[23]/.test(each.address))
  return globals.flatMap((each) => (each?.family === 'IPv6' ? [each.address] : []))
}

/** Whether a datagram to the mDNS group comes back to this machine. */
export function hearsMulticast(signal: AbortSignal): Promise<boolean> {
  const probe = Buffer.from(`weft netcheck ${process.pid}`)
  return answered(signal, {
    port: 0,
    isAnswer: (bytes) => bytes.equals(probe),
    begin: (socket) => {
      socket.addMembership(MULTICAST)
      socket.setMulticastLoopback(true)
      socket.send(probe, socket.address().port, MULTICAST, () => undefined)
    }
  })
}

/** Whether a router answers that it is an Internet gateway which opens ports by UPnP. */
export function hearsUpnp(signal: AbortSignal): Promise<boolean> {
  return answered(signal, {
    port: 0,
    isAnswer: (bytes) => /InternetGatewayDevice/i.test(bytes.toString('latin1')),
    begin: (socket) => socket.send(SSDP_SEARCH, SSDP_PORT, SSDP, () => undefined)
  })
}

interface Question {
  readonly port: number
  readonly isAnswer: (bytes: Buffer) => boolean
  readonly begin: (socket: Socket) => void
}

/** False when `signal` aborts before an answer, or the system refuses to ask. */
async function answered(signal: AbortSignal, question: Question): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  const giveUp = (): void => resolve(false)
  signal.addEventListener('abort', giveUp, { once: true })
  socket.on('error', giveUp)
  socket.on('message', (bytes) => {
    if (question.isAnswer(bytes)) resolve(true)
  })
  socket.bind(question.port, () => {
    try {
      question.begin(socket)
    } catch {
      giveUp() // No interface that could.
    }
  })
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', giveUp)
    socket.removeAllListeners('message')
    socket.close()
  }
}
