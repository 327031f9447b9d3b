import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { MeshSpec } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Profile, ProfileSource } from '#proto/meshgauge/collector/v1/profile.ts'
import type { RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import type { ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { ConfigError, closest } from '../../lib/config.ts'
import { throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { fromDuration, toDuration } from '../../lib/protobuf-time.ts'
import { interfaceNames } from '../inventory/endpoints.ts'
import { isReady, selectNodes } from '../inventory/selectors.ts'
import { checkMeshSpec } from '../mesh/assign/settings.ts'
import { readProfile } from '../profiles/profile.ts'
import { reviewRun } from '../runs/prepare.ts'
import { cronProblem, timeZoneProblem } from './times.ts'

export const SCHEDULE_NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/
export const NAME_WORDS =
  'must be letters, digits, ".", "_" and "-", at most 63, and begin and end with a letter or digit'

/** Shorter, a schedule is what a mesh or sustained traffic is for. */
export const MIN_EVERY_SECONDS = 1

/** What a mesh has no use for, with why. */
const NOT_OF_A_MESH = [
  ['jitter', ({ jitter }: ScheduleSpec) => jitter !== undefined],
  ['overlap', ({ overlap }: ScheduleSpec) => overlap !== 0],
  ['blackouts', ({ blackouts }: ScheduleSpec) => blackouts.length > 0],
  ['budget', ({ budget }: ScheduleSpec) => budget !== undefined],
  ['every_pair_within', ({ everyPairWithin }: ScheduleSpec) => everyPairWithin !== undefined],
  ['each_interface', ({ eachInterface }: ScheduleSpec) => eachInterface],
] as const

type Say = (field: string, description: string) => void

/** Longer times are typing errors, and end in dates that no calendar has. */
const MAX_DAYS = 3_650

/** Tells of an amount of time that is there and not above 0, or not one that anybody means. */
const positive = (say: Say, field: string, duration: { seconds: number; nanos: number } | undefined) => {
  if (!duration) return
  if (fromDuration(duration) <= 0) say(field, 'must be more than 0')
  if (fromDuration(duration) > MAX_DAYS * 86_400) say(field, `must be at most ${MAX_DAYS}d`)
}

const reviewWhen = (spec: ScheduleSpec, say: Say) => {
  const { when, work, timeZone } = spec
  const zone = timeZoneProblem(timeZone)
  if (zone) say('time_zone', zone)
  if (work?.$case === 'mesh') {
    if (when) say(when.$case, 'has no meaning for a mesh, which never stops')
  } else if (!when) say('cron', 'is missing: a crontab line, or every')
  else if (when.$case === 'cron') {
    const problem = cronProblem(when.value, timeZone)
    if (problem) say('cron', problem)
  } else if (fromDuration(when.value) < MIN_EVERY_SECONDS)
    say('every', `must be at least ${MIN_EVERY_SECONDS}s`)
  else positive(say, 'every', when.value)
  for (const [index, { cron, duration }] of spec.blackouts.entries()) {
    const problem = cronProblem(cron, timeZone)
    if (problem) say(`blackouts[${index}].cron`, problem)
    positive(say, `blackouts[${index}].duration`, duration ?? toDuration(0))
  }
}

const reviewLimits = (spec: ScheduleSpec, say: Say) => {
  const { budget, jitter, everyPairWithin, work } = spec
  if (jitter && fromDuration(jitter) < 0) say('jitter', 'must not be negative')
  else if (jitter && fromDuration(jitter) > 0) positive(say, 'jitter', jitter)
  if (budget?.bytes !== undefined && budget.bytes <= 0) say('budget.bytes', 'must be more than 0')
  positive(say, 'budget.busy', budget?.busy)
  positive(say, 'budget.period', budget?.period)
  positive(say, 'every_pair_within', everyPairWithin)
  if (budget && budget.bytes === undefined && !budget.busy) say('budget', 'needs bytes or busy')
  if (everyPairWithin && work?.$case === 'profile') say('every_pair_within', 'is for runs, not for profiles')
  if (work?.$case === 'run' && work.value.runId !== '' && work.value.runId !== spec.name)
    say('run.run_id', "is the schedule's name; leave it out")
}

/** Everything that is wrong with a schedule whatever the fleet is; fields are those of ScheduleSpec. */
export const reviewSchedule = (spec: ScheduleSpec): Violation[] => {
  const violations: Violation[] = []
  const say: Say = (field, description) => violations.push({ field, description })
  if (!SCHEDULE_NAME.test(spec.name)) say('name', NAME_WORDS)
  reviewWhen(spec, say)
  reviewLimits(spec, say)
  if (!spec.work) say('work', 'is missing: a run, a profile or a mesh')
  if (spec.work?.$case === 'mesh') {
    for (const [field, isThere] of NOT_OF_A_MESH)
      if (isThere(spec)) say(field, 'has no meaning for a mesh, which never stops')
    // Whatever the mesh would refuse later: by then the schedule would be stored, and end every start of a collector.
    for (const { field, description } of checkMeshSpec(spec.work.value)) say(`mesh.${field}`, description)
  }
  return violations
}

/** Interfaces are only known of agents that have answered: of others nobody can say that they are wrong. */
const reviewOnFleet = (run: RunSpec, nodes: readonly Node[]): Violation[] => {
  const { chosen, violations } = reviewRun(run, nodes)
  return chosen.nodes.every(isReady)
    ? violations
    : violations.filter(({ field }) => !field.startsWith('interfaces'))
}

const reviewMeshOnFleet = (mesh: MeshSpec, fleet: readonly Node[]): Violation[] => {
  const { nodes, violations } = selectNodes(fleet, mesh.nodes, 'nodes')
  const unknown = nodes.every(isReady) ? interfaceNames(nodes, mesh.interfaces).violations : []
  return [...violations, ...(nodes.length > 0 ? unknown : [])]
}

/** @throws OperatingError SPEC_INVALID for a name that is none, or a text with problems */
export const resolveProfile = (source: ProfileSource, profiles: ReadonlyMap<string, Profile>): Profile => {
  const wanted = source.source
  if (wanted?.$case === 'yaml') {
    const file = source.file || 'profile'
    try {
      return readProfile(file, wanted.value)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      const violations = error.problems.map(({ line, column, path, message }) => ({
        field: `${file}:${line}:${column}`,
        description: `${path} ${message}`.trim(),
      }))
      return throwViolations(violations)
    }
  }
  const name = wanted?.value ?? ''
  const profile = profiles.get(name)
  if (profile) return profile
  const meant = closest(name, [...profiles.keys()])
  const hint = meant ? `did you mean ${meant}?` : `there are ${[...profiles.keys()].join(', ')}`
  return throwViolations([{ field: 'profile', description: `there is no profile "${name}"; ${hint}` }])
}

const throwViolations = (violations: Violation[]): never => {
  throwIfInvalid('the schedule', violations)
  throw new RangeError('there were no violations')
}

/** Everything that is wrong with what a schedule is to do on the fleet as it is. */
export const reviewWork = (
  { work }: ScheduleSpec,
  nodes: readonly Node[],
  profiles: ReadonlyMap<string, Profile>,
): Violation[] => {
  if (work?.$case === 'mesh')
    return reviewMeshOnFleet(work.value, nodes).map(({ field, description }) => ({
      field: `mesh.${field}`,
      description,
    }))
  if (work?.$case === 'run')
    return reviewOnFleet(work.value, nodes).map(({ field, description }) => ({
      field: `run.${field}`,
      description,
    }))
  if (work?.$case !== 'profile') return []
  return resolveProfile(work.value, profiles).steps.flatMap(({ name, spec }) =>
    reviewOnFleet(spec!, nodes).map(({ field, description }) => ({
      field: `profile.tests["${name}"].${field}`,
      description,
    })),
  )
}
