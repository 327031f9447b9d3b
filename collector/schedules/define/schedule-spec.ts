import type { ScheduleSpec as ScheduleSpecMessage } from '#proto/meshgauge/collector/v1/schedule.ts'
import type { MeshSpec } from '../../mesh/assign/mesh-spec.ts'
import type { RequestedRunSpec } from '../../plan/run-spec.ts'

/** When a schedule starts its runs. */
export type When = { kind: 'cron'; cron: string } | { kind: 'every'; seconds: number }

/** A profile by its name, or its YAML text. `file` names the text in messages about problems. */
export type ProfileSource = { file: string } & (
  | { kind: 'name'; name: string }
  | { kind: 'yaml'; yaml: string }
)

/** What a schedule starts or operates. */
export type Work =
  | { kind: 'run'; run: RequestedRunSpec }
  | { kind: 'profile'; source: ProfileSource }
  | { kind: 'mesh'; mesh: MeshSpec }

/** What a schedule does and when. A mesh has no times. A request may lack both; the review reports that. */
export type ScheduleSpec = Omit<ScheduleSpecMessage, 'when' | 'work'> & {
  when: When | undefined
  work: Work | undefined
}
