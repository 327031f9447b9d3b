/** What the kernel knows about a running program: whether it works at all, and how far its connection is. Linux only. */

import { readdirSync, readlinkSync } from 'node:fs'
import { type ReadText, readText } from '../host/files.ts'
import { plausible } from '../plausibility.ts'

/** States of TCP sockets in /proc/net/tcp, see tcp_states.h. */
const ESTABLISHED = '01'
const SYN_SENT = '02'
const LISTEN = '0A'

type Socket = {
  state: string
  localPort: number
  remotePort: number
  sendQueue: number
  receiveQueue: number
}

const hex = (text: string | undefined): number => Number.parseInt(text ?? '', 16)

/** Parses /proc/net/tcp and /proc/net/tcp6 by inode, see proc(5). Pure. */
export const parseSockets = (text: string): Map<string, Socket> =>
  new Map(
    text.split('\n').flatMap((line): [string, Socket][] => {
      const [, local, remote, state, queues, , , , , inode] = line.trim().split(/\s+/)
      if (!local || !remote || !state || !queues || !inode || !/^[0-9A-F]{2}$/.test(state)) return []
      const [sendQueue, receiveQueue] = queues.split(':').map(hex)
      const [localPort, remotePort] = [local, remote].map((end) => hex(end.split(':').at(-1)))
      return [
        [
          inode,
          {
            state,
            localPort: localPort!,
            remotePort: remotePort!,
            sendQueue: sendQueue!,
            receiveQueue: receiveQueue!,
          },
        ],
      ]
    }),
  )

/** The TCP sockets of a process; undefined when they cannot be read. */
const socketsOf = (pid: number, read: ReadText): Socket[] | undefined => {
  const sockets = parseSockets(
    `${read(`/proc/${pid}/net/tcp`) ?? ''}\n${read(`/proc/${pid}/net/tcp6`) ?? ''}`,
  )
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1]
      return sockets.get(inode ?? '') ?? []
    })
  } catch {
    // The process has ended, or belongs to another user.
    return undefined
  }
}

/**
 * How far the connection of a client to a port is. `acknowledged`: the peer's kernel has all that the client sent, so the
 * network works in both directions and the peer's program is silent. `unknown` where the kernel does not tell.
 */
export type ConnectionState = 'none' | 'connecting' | 'unacknowledged' | 'acknowledged' | 'unknown'

export const connectionTo = (pid: number, port: number, read: ReadText = readText): ConnectionState => {
  const sockets = socketsOf(pid, read)?.filter(({ remotePort }) => remotePort === port)
  if (!sockets) return 'unknown'
  if (sockets.some(({ state }) => state === SYN_SENT)) return 'connecting'
  const open = sockets.filter(({ state }) => state === ESTABLISHED)
  if (open.length === 0) return 'none'
  return open.some(({ sendQueue }) => sendQueue > 0) ? 'unacknowledged' : 'acknowledged'
}

/** Number of connections to a listening port that the program has not accepted yet. */
export const waitingClients = (pid: number, port: number, read: ReadText = readText): number =>
  socketsOf(pid, read)?.find(({ state, localPort }) => state === LISTEN && localPort === port)
    ?.receiveQueue ?? 0

/** Whether somebody has stopped the program, as with SIGSTOP. */
export const isStopped = (pid: number, read: ReadText = readText): boolean =>
  /^\d+ \(.*\) [Tt] /s.test(read(`/proc/${pid}/stat`) ?? '')

/**
 * Whether a program has not run at all since it had run `count` times, although it was not kept from running: one that
 * waits for processor time does not hang.
 */
export const hasNotRunSince = (pid: number, count: number | undefined, read: ReadText = readText): boolean =>
  count !== undefined &&
  runCountOf(pid, read) === count &&
  !/^\d+ \(.*\) R /s.test(read(`/proc/${pid}/stat`) ?? '')

/** How often the program has run since its start; it grows as long as the program does anything. Undefined when unknown. */
export const runCountOf = (pid: number, read: ReadText = readText): number | undefined => {
  const counts = Array.from(
    (read(`/proc/${pid}/status`) ?? '').matchAll(/^(?:non)?voluntary_ctxt_switches:\s*(\d+)$/gm),
  )
  if (counts.length === 0) return undefined
  return counts.reduce((sum, [, count]) => sum + (plausible('kernel.counter', count) ?? 0), 0)
}
