/**
 * Limits the connections of a server so that those of one peer, or those that never send a request, do not keep others
 * out: a connection above a limit replaces the oldest one that is not in use.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

type Limits = { max: number; maxPerPeer: number }

/** A few scrapers, probes and browsers need far fewer. */
const HTTP_LIMITS: Limits = { max: 64, maxPerPeer: 16 }
/** Time for the headers of a request: they fit into one packet. */
const HEADER_MS = 3000

/** Descriptors that a process needs besides its connections: files, libraries, and the pipes of its programs. */
const RESERVED_DESCRIPTORS = 44
/** Each connection may need a second descriptor while it is served. */
const MAX_GRPC_CONNECTIONS = 512
const MIN_GRPC_CONNECTIONS = 6
/** The preface of HTTP/2 and its first frames. A connection with fewer bytes has no call. */
const PREFACE_BYTES = 33

type Entry = { socket: Socket; peer: string }

/** @param isInUse whether a connection has a request, and must not be replaced */
export const createConnectionCap = ({ max, maxPerPeer }: Limits, isInUse: (socket: Socket) => boolean) => {
  const open = new Set<Entry>()
  const ofPeer = (peer: string): Entry[] => [...open].filter((entry) => entry.peer === peer)
  /** The oldest connection that is not in use, of the peer with the most connections. */
  const victim = (candidates: readonly Entry[]): Entry | undefined => {
    const unused = candidates.filter(({ socket }) => !isInUse(socket))
    const counts = Map.groupBy(unused, ({ peer }) => peer)
    return [...counts.values()].sort((a, b) => b.length - a.length)[0]?.[0]
  }
  return (socket: Socket): void => {
    const peer = socket.remoteAddress ?? ''
    const own = ofPeer(peer)
    if (own.length >= maxPerPeer || open.size >= max) {
      const replaced = victim(own.length >= maxPerPeer ? own : [...open])
      if (!replaced) {
        socket.destroy()
        return
      }
      open.delete(replaced)
      replaced.socket.destroy()
    }
    const entry = { socket, peer }
    open.add(entry)
    socket.once('close', () => open.delete(entry))
  }
}

/** Limits the connections of an HTTP server, and the time of those that send no request. Call it before it listens. */
export const capHttpConnections = (server: Server, limits: Limits = HTTP_LIMITS): void => {
  const busy = new Map<Socket, number>()
  const add = createConnectionCap(limits, (socket) => (busy.get(socket) ?? 0) > 0)
  server.requestTimeout = 10_000
  server.on('connection', (socket: Socket) => {
    const timer = setTimeout(() => {
      if (!busy.has(socket)) socket.destroy()
    }, HEADER_MS)
    timer.unref()
    socket.once('close', () => {
      clearTimeout(timer)
      busy.delete(socket)
    })
    add(socket)
  })
  server.on('request', ({ socket }, response) => {
    busy.set(socket, (busy.get(socket) ?? 0) + 1)
    response.once('close', () => {
      if (busy.has(socket)) busy.set(socket, busy.get(socket)! - 1)
    })
  })
}

/** The number of gRPC connections for which this process has descriptors. */
export const maxGrpcConnections = (limitsText: string): number => {
  const descriptors = Number(/^Max open files\s+(\d+)/m.exec(limitsText)?.[1] ?? Number.POSITIVE_INFINITY)
  const free = Math.floor((descriptors - RESERVED_DESCRIPTORS) / 2)
  return Math.max(MIN_GRPC_CONNECTIONS, Math.min(MAX_GRPC_CONNECTIONS, free))
}

const readProcessLimits = (): string => {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    // Not Linux.
    return ''
  }
}

/**
 * Limits the connections of the gRPC server on a port, which has no setting for it.
 * @returns ends the limit
 */
export const capGrpcConnections = (port: number): (() => void) => {
  const max = maxGrpcConnections(readProcessLimits())
  const add = createConnectionCap({ max, maxPerPeer: max }, ({ bytesRead }) => bytesRead >= PREFACE_BYTES)
  const onSocket = (message: unknown) => {
    const { socket } = message as { socket: Socket }
    if (socket.localPort === port) add(socket)
  }
  subscribe('net.server.socket', onSocket)
  return () => {
    unsubscribe('net.server.socket', onSocket)
  }
}
