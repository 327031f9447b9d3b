import type { ServeResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { OperatingError } from '../../../lib/errors.ts'
import { EngineError, type IperfServer } from '../../engines/engine.ts'
import type { Serving } from './stream.ts'

/** A server that listens; `done` is how it ends. */
export type ListeningServer = { port: number; done: Promise<ServeResult> }

/**
 * Starts the server of one listener on a leased port, and on the next one where another program has the port.
 * @returns once it listens; the lease of the port ends with the stream
 * @throws OperatingError PORTS_EXHAUSTED or ENGINE_UNAVAILABLE
 */
export const startOnLeasedPort = async (
  {
    deps,
    engine,
    request,
    lease,
  }: Pick<Serving, 'engine' | 'request' | 'lease'> & {
    deps: Pick<Serving['deps'], 'ports'>
  },
  index: number,
  start: (port: number) => IperfServer,
): Promise<{ port: number; server: IperfServer }> => {
  const width = engine.portsPerServer
  const wantedPort = request.listeners[index]!.port
  const wanted =
    wantedPort > 0
      ? { first: wantedPort, last: wantedPort + width - 1 }
      : (request.ports ?? { first: 1, last: 65535 })
  const taken = new Set<number>()
  while (true) {
    const port = deps.ports.lease(wanted, taken, width)
    lease.onEnd(() => deps.ports.release(port, width))
    const server = start(port)
    lease.waitFor(server.done)
    try {
      await server.ready
      return { port, server }
    } catch (error) {
      await server.done
      if (!(error instanceof EngineError)) throw error
      if (error.kind !== 'address-in-use') {
        const metadata = { ...error.programFault }
        throw new OperatingError('ENGINE_UNAVAILABLE', error.message, { metadata })
      }
      taken.add(port)
    }
  }
}
