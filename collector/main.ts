import { once } from 'node:events'
import os from 'node:os'
import { systemClock } from '../lib/clock.ts'
import { createLogger } from '../lib/logging.ts'
import { meter, startTelemetry } from '../lib/telemetry.ts'
import { VERSION } from '../lib/version.ts'
import { createCollector } from './collector.ts'
import { type CollectorArguments, readCollectorOptions } from './options.ts'
import { createMetricReaders } from './telemetry/expose/otlp-reader.ts'

/**
 * Runs a collector until the signal aborts; then runs are interrupted and everything is closed.
 * @throws ConfigError for an inventory with problems; OperatingError when it cannot listen or cannot use its store
 */
export const runCollector = async (
  given: CollectorArguments,
  {
    signal,
    onHangup,
    load,
  }: {
    signal: AbortSignal
    /** Calls the handler for each SIGHUP, which reads the config again. */
    onHangup(handler: () => void): void
    /** Runs the work that reads the config. It can take seconds and must end with the first Ctrl-C. */
    load<T>(work: () => Promise<T>): Promise<T>
  },
): Promise<void> => {
  const readOptions = () => readCollectorOptions(given)
  const logger = createLogger('meshgauge-collector', given.logLevel)
  const { file } = given.inventory
  logger.info({ file }, 'reading the inventory')
  const startSeconds = systemClock.monotonicSeconds()
  const options = await load(readOptions)
  const seconds = Number((systemClock.monotonicSeconds() - startSeconds).toFixed(3))
  logger.info({ file, nodes: options.nodes.length, seconds }, 'inventory read')
  const identity = { service: 'meshgauge-collector', version: VERSION, node: os.hostname() }
  const telemetry = await startTelemetry(process.env, identity, () => createMetricReaders(process.env))
  const deps = {
    clock: systemClock,
    logger,
    tracer: telemetry.tracer,
    meter: meter(identity.service, VERSION),
    readOptions,
  }
  const collector = await createCollector(deps, { ...options, version: VERSION })
  const { server, http } = collector
  onHangup(() => {
    void collector.reload().catch((error: Error) => logger.error(error.message))
  })
  logger.info(
    { listen: options.listen, port: server.port, httpPort: http.port, nodes: options.nodes.length },
    'collector ready',
  )
  if (!signal.aborted) await once(signal, 'abort')
  logger.info('collector stopping')
  await collector.close()
  await telemetry.close()
}
