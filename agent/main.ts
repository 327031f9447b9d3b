import { once } from 'node:events'
import { systemClock } from '../lib/clock.ts'
import { createLogger } from '../lib/logging.ts'
import { startExport } from '../lib/telemetry.ts'
import { VERSION } from '../lib/version.ts'
import { createAgent } from './agent.ts'
import type { AgentOptions } from './options.ts'

/** Performance Co-Pilot's own way of saying where it is, pcp.conf(5). */
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
  // fping lives in sbin on some systems, which is not on everybody's PATH.
  const path = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`
  const agent = await createAgent(
    { clock: systemClock, logger, tracer: telemetry.tracer, path },
    { ...options, programs: { ...pcpConf(process.env), ...options.programs }, version: VERSION },
  )
  logger.info(
    { node: options.node, listen: options.listen, port: agent.server.port, version: VERSION },
    'agent ready',
  )
  // What only the start needed; and V8 lets a heap grow far that it has never collected.
  globalThis.gc?.()
  if (!signal.aborted) await once(signal, 'abort')
  logger.info('agent stopping')
  await agent.close()
  await telemetry.close()
}
