/** fping's command line. One process probes all targets, of both families. */

import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import type { PingSource, Violation } from '../engine.ts'
import { type PingPlan, sourceFor, validatePing } from '../ping-request.ts'

/** fping spreads the targets this far apart by itself; closer only where they would not fit in a period. */
const DEFAULT_SPREAD_SECONDS = 0.01

/** Share of the period that all targets together may take, so that a late timer does not stretch the period. */
const PERIOD_SHARE = 0.8

/** Fewer bytes leave no room for what fping puts into a packet. The most is a limit of the command line's length. */
const BOUNDS = { minIntervalSeconds: 0.01, minSizeBytes: 12, maxSizeBytes: 65487, maxTargets: 10_000 }

export const validateFping = (request: PingRequest): Violation[] => validatePing(request, BOUNDS)

/** fping takes milliseconds, with decimals down to its own resolution of 10 µs. */
const milliseconds = (seconds: number): string => String(Math.max(0.01, Number((seconds * 1000).toFixed(2))))

/** Time between two packets to different targets. */
export const spreadSeconds = (plan: PingPlan): number =>
  Math.min(DEFAULT_SPREAD_SECONDS, (PERIOD_SHARE * plan.intervalSeconds) / plan.addresses.length)

/** Over the whole period: what goes on for ever is to be no burst, each second anew. */
const evenSpreadSeconds = ({ intervalSeconds, addresses }: PingPlan): number =>
  (PERIOD_SHARE * intervalSeconds) / addresses.length

export const fpingArgs = (plan: PingPlan, source: PingSource): string[] => [
  // The time of each line, which -D prints, is not read; it is there for who reads the output of a failed run.
  '-D',
  ...(plan.count === undefined ? ['-l'] : ['-c', String(plan.count)]),
  ...sharedArgs(plan, source, spreadSeconds(plan)),
]

/** For `watch`: without end, and no word more than is read. */
export const fpingLoopArgs = (plan: PingPlan, source: PingSource): string[] => [
  '-l',
  ...sharedArgs(plan, source, evenSpreadSeconds(plan)),
]

const sharedArgs = (plan: PingPlan, source: PingSource, spread: number): string[] => {
  const sources = new Set(plan.addresses.map((address) => sourceFor(address, source)))
  return [
    ...['-p', milliseconds(plan.intervalSeconds)],
    ...['-t', milliseconds(plan.timeoutSeconds)],
    ...['-i', milliseconds(spread)],
    ...['-b', String(plan.sizeBytes)],
    ...(plan.dontFragment ? ['-M'] : []),
    ...(plan.ttl === undefined ? [] : ['-H', String(plan.ttl)]),
    ...(plan.tos === undefined ? [] : ['-O', String(plan.tos)]),
    // Bound to the device, the kernel picks the best of its addresses by itself. -S takes one of each family.
    ...(source.interface
      ? ['-I', source.interface]
      : Array.from(sources, (address) => (address ? ['-S', address] : [])).flat()),
    // The same address twice would give two series of lines that cannot be told apart.
    ...new Set(plan.addresses),
  ]
}
