import { once } from 'node:events'
import { systemClock } from '../lib/clock.ts'
import { createLogger } from '../lib/logging.ts'
import { startExport } from '../lib/telemetry.ts'
import { VERSION } from '../lib/version.ts'
import { createAgent } from './agent.ts'
import type { AgentOptions } from './options.ts'

/** The variable with the path of Performance Co-Pilot's configuration, see pcp.conf(5). */
const pcpConf = ({ PCP_CONF }: NodeJS.ProcessEnv): Record<string, string> =>
  PCP_CONF ? { 'pcp.conf': PCP_CONF } : {}

/**
 * Runs an agent until the signal aborts, then ends everything that it started.
 * @throws OperatingError when it cannot listen
 */
export const runAgent = async (options: AgentOptions, { signal }: { signal: AbortSignal }): Promise<void> => {
  const logger = createLogger('meshgauge-agent', options.logLevel)
  const identity = { service: 'meshgauge-agent', version: VERSION, node: options.node }
  const telemetry = await startExport(process.env, identity)
  // On some systems, fping is in sbin, which may not be on the PATH.
  const path = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`
  const agent = await createAgent(
    { clock: systemClock, logger, tracer: telemetry.tracer, path },
    { ...options, programs: { ...pcpConf(process.env), ...options.programs }, version: VERSION },
  )
  logger.info(
    {
      node: options.node,
      listen: options.listen,
      port: agent.server.port,
      http: agent.http?.port,
      version: VERSION,
    },
    'agent ready',
  )
  // Frees what only the start needed: V8 lets a heap grow far before its first collection.
  globalThis.gc?.()
  if (!signal.aborted) await once(signal, 'abort')
  logger.info('agent stopping')
  await agent.close()
  await telemetry.close()
}
