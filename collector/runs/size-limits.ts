import { pairsToSweep, type SizeLimits } from '../diagnosis/size-limits.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { packetBytesOf, sweepSizes } from '../dispatch/sweep-sizes.ts'
import { interfaceKey, pairKey } from '../inventory/keys.ts'
import type { PlannedRun } from '../plan/plan-run.ts'
import type { RunTest } from '../plan/run-spec.ts'
import type { RunDeps } from './deps.ts'

/** Pings up to this payload show nothing about large packets. */
const SMALL_PAYLOAD_BYTES = 56

/** Returns the size of the largest IP packets of a test; a bulk test fills every packet. */
export const largestPacketOf = (test: RunTest): number =>
  test.kind === 'iperf' ? Infinity : packetBytesOf(test.sizeBytes ?? 0, '')

/** A sweep takes 2 to 5 s. An agent that does not answer must not delay the end of the run. */
const MAX_SECONDS = 10

type Deps = Pick<RunDeps, 'clock' | 'connection' | 'logger'>

/**
 * Measures the largest packet that passes, on a few of the pairs that fail although small packets may pass. All at the same
 * time: it takes a few seconds, at most MAX_SECONDS. Returns the limits that it found.
 */
export const measureSizeLimits = async (
  { clock, connection, logger }: Deps,
  { spec: { test }, endpoints }: PlannedRun,
  results: readonly PairResult[],
  reversed: boolean,
  signal: AbortSignal,
): Promise<SizeLimits> => {
  const limits = new Map<string, number>()
  if (test.kind === 'ping' && (test.sizeBytes ?? 0) <= SMALL_PAYLOAD_BYTES) return limits
  const pairs = pairsToSweep(results, reversed)
  if (pairs.length === 0) return limits
  const mtus = new Map(endpoints.map((endpoint) => [interfaceKey(endpoint), endpoint.mtuBytes]))
  const ended = new AbortController()
  const sweeping = AbortSignal.any([signal, ended.signal])
  const timer = clock.sleep(MAX_SECONDS, sweeping).then(
    () => ended.abort(),
    () => undefined,
  )
  const sweeps = pairs.map(async ({ source, destination }) => {
    const { node, interface: name } = source
    const mtuBytes = mtus.get(interfaceKey(source)) ?? 0
    const sweep = { node, interface: name, address: destination.address, mtuBytes }
    const limit = await sweepSizes(connection(node), sweep, sweeping)
    if (limit === undefined) return
    limits.set(pairKey(source, destination), limit)
    logger.info({ source, destination, limit }, 'large packets do not pass')
  })
  try {
    await Promise.all(sweeps)
  } finally {
    ended.abort()
    await timer
  }
  return limits
}
