/** Where HTTP is served, with one clear line when it cannot be. */

import type { Server } from 'node:http'
import { hostOf } from '../../../lib/credentials.ts'
import { OperatingError } from '../../../lib/errors.ts'
import { listenProblem } from '../../../lib/serving.ts'

export type HttpServer = {
  /** The port that was bound. */
  port: number
  close(): Promise<void>
}

/** What is still being answered when the server closes gets so long. */
const GRACE_MS = 1000

const parseAddress = (address: string): { host: string; port: number } => {
  const port = Number(/:(\d+)$/.exec(address)?.[1])
  if (!(port >= 0 && port <= 65535)) {
    throw new OperatingError(
      'SPEC_INVALID',
      `cannot listen on ${address}: write HOST:PORT, such as 127.0.0.1:9464`,
    )
  }
  return { host: hostOf(address), port }
}

/**
 * Listens on `host:port`; port 0 takes a free one.
 * @returns the port that was bound
 * @throws OperatingError SPEC_INVALID with what to do
 */
export const listenOn = async (server: Server, address: string): Promise<number> => {
  const { host, port } = parseAddress(address)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(listenProblem(address, error))
    })
    server.listen(port, host, resolve)
  })
  const bound = server.address()
  return bound !== null && typeof bound === 'object' ? bound.port : port
}

/** Takes no more connections, and ends the open ones after a moment. */
export const closeHttp = (server: Server): Promise<void> =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
  })
