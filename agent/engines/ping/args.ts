/** The command line of iputils' ping. One process probes one target. */

import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Violation } from '../../../lib/errors.ts'
import type { PingSource } from '../engine.ts'
import { type PingPlan, sourceFor, validatePing } from '../ping-request.ts'

/** ping needs 16 bytes of payload for its time stamp. There is one process for each target, so the targets are few. */
const BOUNDS = { minIntervalSeconds: 0.01, minSizeBytes: 16, maxSizeBytes: 65507, maxTargets: 256 }

export const validateIputils = (request: PingRequest): Violation[] => validatePing(request, BOUNDS)

export const pingArgs = (address: string, plan: PingPlan, source: PingSource): string[] => {
  const from = source.interface || sourceFor(address, source)
  return [
    // No names; report unanswered probes; print the time of each line, for people who read a failed run.
    ...['-n', '-O', '-D'],
    ...(plan.count === undefined ? [] : ['-c', String(plan.count)]),
    ...['-i', String(plan.intervalSeconds)],
    ...['-W', String(plan.timeoutSeconds)],
    ...['-s', String(plan.sizeBytes)],
    ...(plan.dontFragment ? ['-M', 'do'] : []),
    ...(plan.ttl === undefined ? [] : ['-t', String(plan.ttl)]),
    ...(plan.tos === undefined ? [] : ['-Q', String(plan.tos)]),
    ...(from ? ['-I', from] : []),
    address,
  ]
}
