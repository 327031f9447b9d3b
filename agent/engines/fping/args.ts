/** fping's command line. One process probes all targets, of both families. */

import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Violation } from '../../../lib/errors.ts'
import type { PingSource } from '../engine.ts'
import { type PingPlan, sourceFor, validatePing } from '../ping-request.ts'

/** fping's own time between two targets; smaller only where they would not fit in a period. */
const DEFAULT_SPREAD_SECONDS = 0.01

/** Share of the period that all targets together may take, so that a late timer does not stretch the period. */
const PERIOD_SHARE = 0.8

/** Fewer bytes do not fit fping's own data. The number of targets is limited by the length of a command line. */
const BOUNDS = { minIntervalSeconds: 0.01, minSizeBytes: 12, maxSizeBytes: 65487, maxTargets: 10_000 }

export const validateFping = (request: PingRequest): Violation[] => validatePing(request, BOUNDS)

/** fping takes milliseconds, with decimals down to its own resolution of 10 µs. */
const milliseconds = (seconds: number): string => String(Math.max(0.01, Number((seconds * 1000).toFixed(2))))

/** Time between two packets to different targets. */
export const spreadSeconds = (plan: PingPlan): number =>
  Math.min(DEFAULT_SPREAD_SECONDS, (PERIOD_SHARE * plan.intervalSeconds) / plan.addresses.length)

/** Spread over the whole period: a continuous ping must not send a burst in each period. */
const evenSpreadSeconds = ({ intervalSeconds, addresses }: PingPlan): number =>
  (PERIOD_SHARE * intervalSeconds) / addresses.length

export const fpingArgs = (plan: PingPlan, source: PingSource): string[] => [
  // The time of each line is not parsed; it helps people who read the output of a failed run.
  '-D',
  ...(plan.count === undefined ? ['-l'] : ['-c', String(plan.count)]),
  ...sharedArgs(plan, source, spreadSeconds(plan)),
]

/** For a ping without end; without the time of each line, which is not parsed. */
export const fpingContinuousArgs = (plan: PingPlan, source: PingSource): string[] => [
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
    // Bound to a device, the kernel picks the best of its addresses. -S takes one address of each family.
    ...(source.interface
      ? ['-I', source.interface]
      : Array.from(sources, (address) => (address ? ['-S', address] : [])).flat()),
    ...plan.addresses,
  ]
}
