// An agent for the tests of one file, and helpers to call it.

import type { ServiceError } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, vi } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { type IndependentClient, openIndependentClient } from '../testing/independent-client.ts'
import { measuringProgramsOf } from '../testing/process-tree.ts'
import { type ServiceProcess, startAgent } from '../testing/service-process.ts'

export const AGENT = 'meshgauge.agent.v1.AgentService'
export const CHECK = 'meshgauge.agent.v1.CheckService'
export const PING = 'meshgauge.agent.v1.PingService'
export const IPERF = 'meshgauge.agent.v1.IperfService'

export type Event = {
  event: string
  started?: { listeners?: { port: number }[] }
  summary?: { results: { outcome: string; reason: string }[] }
}

/** Reads a stream to its end. */
export const collect = async (stream: AsyncIterable<unknown>): Promise<Event[]> => {
  const events: Event[] = []
  for await (const event of stream) events.push(event as Event)
  return events
}

/** The error that `work` rejects with. Throws when it resolves. */
export const failureOf = async (work: Promise<unknown>): Promise<ServiceError> =>
  work.then(
    () => {
      throw new Error('expected a failure')
    },
    (error: ServiceError) => error,
  )

/** The encoded google.rpc.Status of an error. */
export const detailsOf = (error: ServiceError): Buffer =>
  Buffer.concat((error.metadata.get('grpc-status-details-bin') as Buffer[]) ?? [])

/** google.rpc.ErrorInfo.reason, found in the details as plain bytes. */
export const reasonOf = (error: ServiceError): string =>
  /[A-Z]+_[A-Z_]+[A-Z]/.exec(detailsOf(error).toString('latin1').replace(error.details, ''))?.[0] ?? ''

/**
 * Starts an agent for all tests of a file. After each test, waits until no program of the agent is left. The agent uses
 * eight measurement ports from `firstPort`. Test files run at the same time, so each needs different ports.
 */
export const useAgentUnderTest = (firstPort: number) => {
  const subject = {} as { agent: ServiceProcess; client: IndependentClient }
  beforeAll(async () => {
    const ports = `${firstPort}-${firstPort + 7}`
    subject.agent = await startAgent('--ports', ports, '--max-duration', '60s', '--max-bitrate', '2G')
    subject.client = openIndependentClient(subject.agent.port)
  })
  afterEach(() =>
    eventually(
      () => measuringProgramsOf(subject.agent.pid),
      (found) => found.length === 0,
    ),
  )
  afterAll(async () => {
    subject.client.close()
    await subject.agent.stop('SIGTERM')
  })

  const serve = (request: object) =>
    subject.client.stream<Event>(IPERF, 'Serve', { listeners: [{ interface: 'lo' }], ...request })
  return Object.assign(subject, {
    serve,
    run: (port: number, options: object = {}) =>
      subject.client.stream<Event>(IPERF, 'Run', {
        flows: [{ address: '127.0.0.1', port, interface: 'lo' }],
        options: { duration: { seconds: 1 }, bitsPerSecond: 5e7, ...options },
      }),
    /**
     * Opens Serve and resolves with the port when the server listens; the stream is then read in the background. Retries
     * while the agent is busy, because the resources of a cancelled stream are free only after its program has ended.
     */
    listen: async (request: object = {}) => {
      const open = async () => {
        const stream = serve(request)
        const iterator = stream[Symbol.asyncIterator]()
        const { value } = await iterator.next()
        return { stream, iterator, value }
      }
      const { stream, iterator, value } = await vi.waitFor(open, { timeout: 60_000, interval: 50 })
      const rest = (async () => {
        const events: Event[] = []
        for (let next = await iterator.next(); !next.done; next = await iterator.next())
          events.push(next.value)
        return events
      })()
      return { port: (value as Event).started!.listeners![0]!.port, rest, cancel: () => stream.cancel() }
    },
  })
}
