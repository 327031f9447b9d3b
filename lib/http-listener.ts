import type { Server } from 'node:http'
import { hostOf } from './credentials.ts'
import { OperatingError } from './errors.ts'
import { listenProblem } from './serving.ts'

export type HttpServer = {
  /** The bound port. */
  port: number
  close(): Promise<void>
}

/** Time for open requests to finish when the server closes. */
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
 * Listens on `host:port`; port 0 selects a free port.
 * @returns the bound port
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

/** Refuses new connections, and closes the open ones after GRACE_MS. */
export const closeHttp = (server: Server): Promise<void> =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
  })
