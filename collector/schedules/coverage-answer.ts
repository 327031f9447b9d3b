import type { GetCoverageRequest, GetCoverageResponse } from '#proto/meshgauge/collector/v1/schedule.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { coverageMessage, fullMesh, scopeOf } from './coverage.ts'
import { overduePage } from './coverage-page.ts'
import { coverageOf } from './due.ts'
import type { ScheduleDeps } from './schedule.ts'

const DEFAULT_WITHIN_SECONDS = 7 * 86_400

const TESTS = ['ping', 'iperf'] as const

/** Answers GetCoverage. @throws OperatingError SPEC_INVALID, STORE_UNAVAILABLE */
export const answerCoverage = async (
  { clock, fleet, ledger, breathe }: Pick<ScheduleDeps, 'clock' | 'fleet' | 'ledger' | 'breathe'>,
  request: GetCoverageRequest,
): Promise<GetCoverageResponse> => {
  await fleet.settled
  const within = fromDuration(request.within) ?? DEFAULT_WITHIN_SECONDS
  const test = TESTS.find((each) => each === (request.test || 'iperf'))
  throwIfInvalid('the request', [
    ...(test ? [] : [{ field: 'test', description: `"${request.test}" is none of ${TESTS.join(', ')}` }]),
    ...(within > 0 ? [] : [{ field: 'within', description: 'must be more than 0' }]),
  ])
  const scope = await scopeOf(ledger, fullMesh(test!, request.interface), fleet.nodes())
  const now = Math.floor(clock.now().getTime() / 1000)
  const found = await coverageOf(scope.lasts, { now, within, breathe })
  const page = { size: request.pageSize, token: request.pageToken }
  return {
    coverage: coverageMessage(found, now),
    ...(await overduePage(scope, now - within, page, breathe)),
  }
}
