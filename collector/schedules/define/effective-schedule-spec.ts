import { OverlapPolicy } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import type { ScheduleSpec } from './schedule-spec.ts'

export const DEFAULT_BUDGET_PERIOD_SECONDS = 86_400

/** A mesh has no starts that could overlap. The review refuses a policy for it, also in a stored spec. */
const effectiveOverlap = ({ work, overlap }: ScheduleSpec): OverlapPolicy =>
  work?.kind === 'mesh'
    ? OverlapPolicy.OVERLAP_POLICY_UNSPECIFIED
    : overlap || OverlapPolicy.OVERLAP_POLICY_SKIP

/** The spec with all defaults filled in that do not depend on the fleet. An effective spec stays as it is. */
export const effectiveScheduleSpec = (spec: ScheduleSpec): ScheduleSpec => ({
  ...spec,
  overlap: effectiveOverlap(spec),
  budget: spec.budget && {
    ...spec.budget,
    period: spec.budget.period ?? toDuration(DEFAULT_BUDGET_PERIOD_SECONDS),
  },
})
