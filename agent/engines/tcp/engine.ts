/** Engine tcp: the time to open a connection, where ICMP is not allowed. Opened connections are reset immediately. */

import { connect, type TcpNetConnectOpts } from 'node:net'
import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { merge } from '../../../lib/merge.ts'
import {
  type EngineDeps,
  EngineError,
  type EngineOptions,
  type PingEngine,
  type PingProbe,
} from '../engine.ts'
import { planPing } from '../ping-request.ts'
import { connectOptions, validateTcp } from './args.ts'
import { readConnect } from './output.ts'

type Deps = Pick<EngineDeps, 'clock'>

/** Opens one connection; returns the error code, if any, and the time it took. */
const attempt = async (
  { clock }: Deps,
  options: TcpNetConnectOpts,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<{ code: string | undefined; seconds: number }> => {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const startedAt = clock.monotonicSeconds()
  const socket = connect(options)
  socket.once('connect', () => resolve(undefined))
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'UNKNOWN'))
  const settled = new AbortController()
  clock.sleep(timeoutSeconds, AbortSignal.any([signal, settled.signal])).then(
    () => resolve('ETIMEDOUT'),
    () => resolve('ABORTED'),
  )
  const code = await promise
  const seconds = clock.monotonicSeconds() - startedAt
  settled.abort()
  // A reset leaves no socket in TIME_WAIT. A mesh would accumulate thousands of them.
  if (code === undefined) socket.resetAndDestroy()
  else socket.destroy()
  return { code, seconds }
}

export const createTcp = ({ clock }: Deps, engineOptions: EngineOptions): PingEngine => {
  async function* probeTarget(
    targetIndex: number,
    request: PingRequest,
    options: TcpNetConnectOpts,
    signal: AbortSignal,
  ): AsyncGenerator<PingProbe, void> {
    const { count, intervalSeconds, timeoutSeconds, addresses } = planPing(request)
    // Spread over the interval, so that the targets are not probed in one burst.
    let due = clock.monotonicSeconds() + (intervalSeconds * targetIndex) / addresses.length
    for (let sequence = 0; count === undefined || sequence < count; sequence++) {
      await clock.sleep(Math.max(0, due - clock.monotonicSeconds()), signal)
      // Relative to the due time, so that delays do not add up; relative to now after a delay, to avoid a burst.
      due = Math.max(due + intervalSeconds, clock.monotonicSeconds())
      const { code, seconds } = await attempt({ clock }, options, timeoutSeconds, signal)
      signal.throwIfAborted()
      const answer = readConnect(code)
      if (answer.kind === 'broken') {
        const kind = answer.addressMissing ? 'address-missing' : 'failed'
        throw new EngineError(kind, Outcome.OUTCOME_NOT_RUN, answer.reason)
      }
      yield {
        targetIndex,
        rttSeconds: answer.kind === 'lost' ? undefined : seconds,
        refused: answer.kind === 'refused',
        reason: answer.kind === 'answer' ? '' : answer.reason,
      }
    }
  }

  return {
    name: 'tcp',
    // It is part of the agent: always available, with the version of Node.
    detect: async () => ({ available: true, version: 'connect', reasons: [] }),
    validate: (request) => validateTcp(request, [engineOptions.agentPort, ...(engineOptions.tcpPorts ?? [])]),
    ping: (request, source, signal) =>
      merge(
        (leaving) =>
          request.targets.map((target, index) =>
            probeTarget(index, request, connectOptions(target, source, engineOptions.agentPort), leaving),
          ),
        signal,
      ),
  }
}
