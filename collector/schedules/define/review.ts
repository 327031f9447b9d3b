import { ConfigError, closest } from '../../../lib/config.ts'
import { throwIfInvalid, type Violation } from '../../../lib/errors.ts'
import { fromDuration, toDuration } from '../../../lib/protobuf-time.ts'
import { interfaceNames } from '../../inventory/endpoints.ts'
import type { FleetNode } from '../../inventory/node.ts'
import { isReady, selectNodes } from '../../inventory/selectors.ts'
import { checkMeshSpec, type MeshSpec } from '../../mesh/assign/mesh-spec.ts'
import type { RequestedRunSpec } from '../../plan/run-spec.ts'
import { type Profile, readProfile } from '../../profiles/profile.ts'
import { reviewRun } from '../../runs/prepare.ts'
import { cronProblem, timeZoneProblem } from './cron.ts'
import type { ProfileSource, ScheduleSpec } from './schedule-spec.ts'

export const SCHEDULE_NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/
export const NAME_RULE =
  'must be letters, digits, ".", "_" and "-", at most 63, and begin and end with a letter or digit'

/** For shorter intervals there are the ping mesh and sustained traffic. */
export const MIN_EVERY_SECONDS = 1

/** Fields that do not apply to a mesh, with how to see that they are given. */
const FIELDS_NOT_FOR_A_MESH = [
  ['jitter', ({ jitter }: ScheduleSpec) => jitter !== undefined],
  ['overlap', ({ overlap }: ScheduleSpec) => overlap !== 0],
  ['blackouts', ({ blackouts }: ScheduleSpec) => blackouts.length > 0],
  ['budget', ({ budget }: ScheduleSpec) => budget !== undefined],
  ['every_pair_within', ({ everyPairWithin }: ScheduleSpec) => everyPairWithin !== undefined],
  ['each_interface', ({ eachInterface }: ScheduleSpec) => eachInterface],
] as const

type Report = (field: string, description: string) => void

/** Longer times are typing errors, and end in dates that JavaScript cannot represent. */
const MAX_DAYS = 3_650

/** Reports a duration that is given and is not above 0 and at most MAX_DAYS. */
const reviewDuration = (
  report: Report,
  field: string,
  duration: { seconds: number; nanos: number } | undefined,
) => {
  if (!duration) return
  if (fromDuration(duration) <= 0) report(field, 'must be more than 0')
  if (fromDuration(duration) > MAX_DAYS * 86_400) report(field, `must be at most ${MAX_DAYS}d`)
}

const reviewWhen = (spec: ScheduleSpec, report: Report) => {
  const { when, work, timeZone } = spec
  const zone = timeZoneProblem(timeZone)
  if (zone) report('time_zone', zone)
  if (work?.kind === 'mesh') {
    if (when) report(when.kind, 'does not apply to a mesh, which always runs')
  } else if (!when) report('cron', 'is missing: write a crontab line, or every')
  else if (when.kind === 'cron') {
    const problem = cronProblem(when.cron, timeZone)
    if (problem) report('cron', problem)
  } else if (when.seconds < MIN_EVERY_SECONDS) report('every', `must be at least ${MIN_EVERY_SECONDS}s`)
  else reviewDuration(report, 'every', toDuration(when.seconds))
  for (const [index, { cron, duration }] of spec.blackouts.entries()) {
    const problem = cronProblem(cron, timeZone)
    if (problem) report(`blackouts[${index}].cron`, problem)
    reviewDuration(report, `blackouts[${index}].duration`, duration ?? toDuration(0))
  }
}

const reviewLimits = (spec: ScheduleSpec, report: Report) => {
  const { budget, jitter, everyPairWithin, work } = spec
  if (jitter && fromDuration(jitter) < 0) report('jitter', 'must not be negative')
  else if (jitter && fromDuration(jitter) > 0) reviewDuration(report, 'jitter', jitter)
  if (budget?.bytes !== undefined && budget.bytes <= 0) report('budget.bytes', 'must be more than 0')
  reviewDuration(report, 'budget.busy', budget?.busy)
  reviewDuration(report, 'budget.period', budget?.period)
  reviewDuration(report, 'every_pair_within', everyPairWithin)
  if (budget && budget.bytes === undefined && !budget.busy) report('budget', 'must have bytes or busy')
  if (everyPairWithin && work?.kind === 'profile')
    report('every_pair_within', 'applies to runs, not to profiles')
  if (work?.kind === 'run' && work.run.label !== '' && work.run.label !== spec.name)
    report('run.label', 'is the name of the schedule; leave it out')
}

/** Checks a schedule without regard to the fleet. Returns all violations; their fields are those of ScheduleSpec. */
export const reviewSchedule = (spec: ScheduleSpec): Violation[] => {
  const violations: Violation[] = []
  const report: Report = (field, description) => violations.push({ field, description })
  if (!SCHEDULE_NAME.test(spec.name)) report('name', NAME_RULE)
  reviewWhen(spec, report)
  reviewLimits(spec, report)
  if (!spec.work) report('work', 'is missing: give a run, a profile or a mesh')
  if (spec.work?.kind === 'mesh') {
    for (const [field, isGiven] of FIELDS_NOT_FOR_A_MESH)
      if (isGiven(spec)) report(field, 'does not apply to a mesh, which always runs')
    // The mesh would refuse these later, when the schedule is stored already: then no collector could start any more.
    for (const { field, description } of checkMeshSpec(spec.work.mesh)) report(`mesh.${field}`, description)
  }
  return violations
}

/** The interfaces of a node are known once its agent has answered. Until then no interface name is reported as wrong. */
const reviewOnFleet = (run: RequestedRunSpec, nodes: readonly FleetNode[]): Violation[] => {
  const { chosen, violations } = reviewRun(run, nodes)
  return chosen.nodes.every(isReady)
    ? violations
    : violations.filter(({ field }) => !field.startsWith('interfaces'))
}

const reviewMeshOnFleet = (mesh: MeshSpec, fleet: readonly FleetNode[]): Violation[] => {
  const { nodes, violations } = selectNodes(fleet, mesh.nodes, 'nodes')
  const unknown = nodes.every(isReady) ? interfaceNames(nodes, mesh.interfaces).violations : []
  return [...violations, ...(nodes.length > 0 ? unknown : [])]
}

/** The profile with a name, or parsed from YAML. @throws OperatingError SPEC_INVALID with all problems */
export const resolveProfile = (source: ProfileSource, profiles: ReadonlyMap<string, Profile>): Profile => {
  if (source.kind === 'yaml') {
    const file = source.file || 'profile'
    try {
      return readProfile(file, source.yaml)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      const violations = error.problems.map(({ line, column, path, message }) => ({
        field: `${file}:${line}:${column}`,
        description: `${path} ${message}`.trim(),
      }))
      return throwViolations(violations)
    }
  }
  const { name } = source
  const profile = profiles.get(name)
  if (profile) return profile
  const meant = closest(name, [...profiles.keys()])
  const hint = meant ? `did you mean ${meant}?` : `there are ${[...profiles.keys()].join(', ')}`
  return throwViolations([{ field: 'profile', description: `there is no profile "${name}"; ${hint}` }])
}

const throwViolations = (violations: Violation[]): never => {
  throwIfInvalid('the schedule', violations)
  throw new RangeError('throwViolations was called without violations')
}

/** Checks the run, profile or mesh of a schedule against the current fleet. Returns all violations. */
export const reviewWork = (
  { work }: ScheduleSpec,
  nodes: readonly FleetNode[],
  profiles: ReadonlyMap<string, Profile>,
): Violation[] => {
  if (work?.kind === 'mesh')
    return reviewMeshOnFleet(work.mesh, nodes).map(({ field, description }) => ({
      field: `mesh.${field}`,
      description,
    }))
  if (work?.kind === 'run')
    return reviewOnFleet(work.run, nodes).map(({ field, description }) => ({
      field: `run.${field}`,
      description,
    }))
  if (work?.kind !== 'profile') return []
  return resolveProfile(work.source, profiles).steps.flatMap(({ name, spec }) =>
    reviewOnFleet(spec, nodes).map(({ field, description }) => ({
      field: `profile.tests["${name}"].${field}`,
      description,
    })),
  )
}
