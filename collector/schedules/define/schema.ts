/** The YAML form of schedules, in the collector's config and in separate files. */

import { z } from 'zod'
import { Blackout, Budget, OverlapPolicy } from '#proto/meshgauge/collector/v1/schedule.ts'
import { closest, parseConfig, type ReviewProblem } from '../../../lib/config.ts'
import { ENGINES } from '../../../lib/engines.ts'
import { isProfileFile } from '../../../lib/profile-file.ts'
import { fromDuration, toDuration } from '../../../lib/protobuf-time.ts'
import { durationHint, parseBytes, parseDuration } from '../../../lib/units.ts'
import type { ConfigSection, NamedNodes } from '../../inventory/config.ts'
import { createMeshSpec, type MeshSpec } from '../../mesh/assign/mesh-spec.ts'
import {
  knownNames,
  namedByConfiguredProfiles,
  namedByTest,
  reviewConfiguredProfiles,
} from '../../profiles/configured.ts'
import { runOf } from '../../profiles/resolve.ts'
import { reviewTest } from '../../profiles/review.ts'
import { profileSchema, runSchema } from '../../profiles/schema.ts'
import { cronProblem, timeZoneProblem } from './cron.ts'
import { NAME_RULE, reviewSchedule, SCHEDULE_NAME } from './review.ts'
import type { ScheduleSpec } from './schedule-spec.ts'

/** A schema that parses a value with `parse`. Where that returns undefined, `problem` is the message. */
const parsedBy = <T>(parse: (value: unknown) => T | undefined, problem: (value: unknown) => string) =>
  z.unknown().transform((value, context): T => {
    const result = value === undefined ? undefined : parse(value)
    if (result !== undefined) return result
    context.addIssue({ code: 'custom', message: value === undefined ? 'is missing' : problem(value) })
    return z.NEVER
  })

const shown = (value: unknown): string => (typeof value === 'string' ? `"${value}"` : JSON.stringify(value))

const duration = parsedBy(
  (value) => {
    const seconds = typeof value === 'string' ? parseDuration(value) : undefined
    return seconds === undefined ? undefined : toDuration(seconds)
  },
  (value) => `${shown(value)} is not a duration; ${durationHint(String(value))}`,
)

const bytes = parsedBy(
  (value) => {
    const size = typeof value === 'string' ? parseBytes(value) : value
    return typeof size === 'number' && Number.isSafeInteger(size) ? size : undefined
  },
  (value) => `${shown(value)} is not a size; write 500G, 64M or a number of bytes`,
)

/** Checks the fields of the line only; `zone` checks the time zone. */
const cron = z.string().superRefine((value, context) => {
  const message = cronProblem(value, '')
  if (message) context.addIssue({ code: 'custom', message })
})

const zone = z.string().superRefine((value, context) => {
  const message = timeZoneProblem(value)
  if (message) context.addIssue({ code: 'custom', message })
})

const wordList = z.array(z.string().min(1)).default([])
const whole = (least: number, most: number) =>
  z
    .int({ error: 'must be a whole number' })
    .min(least, `must be ${least} to ${most}`)
    .max(most, `must be ${least} to ${most}`)

const mesh = z.strictObject({
  nodes: wordList,
  interfaces: wordList,
  engine: z.enum(ENGINES.ping, { error: `must be one of ${ENGINES.ping.join(', ')}` }).optional(),
  interval: duration.optional(),
  timeout: duration.optional(),
  size: whole(0, 65_507).optional(),
  dont_fragment: z.boolean().default(false),
  tos: whole(0, 255).optional(),
  window: duration.optional(),
  full_mesh_limit: whole(2, 10_000).optional(),
  shifts: whole(1, 9_999)
    .refine((value) => value % 2 === 1, {
      error: (issue) =>
        `${issue.input} is even; use an odd number, so that the two directions of a fault can be distinguished`,
    })
    .optional(),
  epoch: duration.optional(),
})

/**
 * Why the name of a profile is wrong; undefined when it is right. Without this check the first start of the schedule
 * would fail, at night. `known` is undefined where the profiles of the collector's config are not known, as in the CLI.
 */
const profileProblem = (name: unknown, known: readonly string[] | undefined): string | undefined => {
  if (typeof name !== 'string' || known?.includes(name)) return undefined
  if (isProfileFile(name))
    return 'must be the name of a profile, built in or listed in profiles; for a profile in a file use meshgauge schedules add --profile FILE'
  if (!known) return undefined
  const meant = closest(name, known)
  return `there is no profile "${name}"; ${meant ? `did you mean ${meant}?` : `there are ${known.join(', ')}`}`
}

const fields = z.strictObject({
  name: z.string().regex(SCHEDULE_NAME, NAME_RULE),
  cron: cron.optional(),
  every: duration.optional(),
  time_zone: zone.default(''),
  run: runSchema.optional(),
  profile: z.string().optional(),
  mesh: mesh.optional(),
  jitter: duration.optional(),
  overlap: z.enum(['skip', 'queue'], { error: 'must be skip or queue' }).optional(),
  blackouts: z.array(z.strictObject({ cron, duration })).default([]),
  budget: z
    .strictObject({ bytes: bytes.optional(), busy: duration.optional(), period: duration.optional() })
    .optional(),
  every_pair_within: duration.optional(),
  each_interface: z.boolean().default(false),
})

type Fields = z.output<typeof fields>

const OVERLAPS = { skip: OverlapPolicy.OVERLAP_POLICY_SKIP, queue: OverlapPolicy.OVERLAP_POLICY_QUEUE }

const meshOf = ({ size, shifts, ...rest }: z.output<typeof mesh>): MeshSpec =>
  createMeshSpec({
    nodes: rest.nodes,
    interfaces: rest.interfaces,
    engine: rest.engine,
    intervalSeconds: fromDuration(rest.interval),
    timeoutSeconds: fromDuration(rest.timeout),
    sizeBytes: size,
    dontFragment: rest.dont_fragment,
    tos: rest.tos,
    windowSeconds: fromDuration(rest.window),
    fullMeshLimit: rest.full_mesh_limit,
    shiftCount: shifts,
    epochSeconds: fromDuration(rest.epoch),
  })

const workOf = ({ run, profile, mesh: meshFields }: Fields): ScheduleSpec['work'] => {
  if (run) return { kind: 'run', run: runOf(run) }
  if (profile !== undefined) return { kind: 'profile', source: { kind: 'name', name: profile, file: '' } }
  return meshFields && { kind: 'mesh', mesh: meshOf(meshFields) }
}

const specOf = (value: Fields): ScheduleSpec => ({
  name: value.name,
  when:
    value.cron !== undefined
      ? { kind: 'cron', cron: value.cron }
      : value.every && { kind: 'every', seconds: fromDuration(value.every) },
  timeZone: value.time_zone,
  work: workOf(value),
  jitter: value.jitter,
  overlap: value.overlap ? OVERLAPS[value.overlap] : OverlapPolicy.OVERLAP_POLICY_UNSPECIFIED,
  blackouts: value.blackouts.map((each) => Blackout.fromPartial(each)),
  budget: value.budget && Budget.fromPartial(value.budget),
  everyPairWithin: value.every_pair_within,
  eachInterface: value.each_interface,
})

/** The path of a field such as `budget.busy` or `blackouts[0].cron`. */
const pathOf = (field: string): (string | number)[] =>
  field
    .split(/[.[\]]+/)
    .filter((part) => part !== '')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))

const scheduleSchema = fields.transform((value, context): ScheduleSpec => {
  const spec = specOf(value)
  for (const { field, description } of reviewSchedule(spec))
    context.addIssue({ code: 'custom', message: description, path: pathOf(field) })
  return spec
})

type Raw = Record<string, unknown>
const isMap = (value: unknown): value is Raw =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Problems of one schedule that concern several keys, or a profile. Works also where the schema finds problems. */
const reviewOne = (raw: unknown, profiles?: readonly string[]): ReviewProblem[] => {
  if (!isMap(raw)) return []
  const profile = profileProblem(raw.profile, profiles)
  const given = (keys: readonly string[]) => keys.filter((key) => raw[key] !== undefined)
  const problems: ReviewProblem[] = []
  for (const keys of [given(['cron', 'every']), given(['run', 'profile', 'mesh'])])
    if (keys.length > 1)
      problems.push({
        path: [keys[1]!],
        message: `cannot be given together with ${keys[0]}`,
        also: [keys[0]!],
      })
  const run = isMap(raw.run) ? reviewTest(raw.run, {}) : []
  if (profile) problems.push({ path: ['profile'], message: profile })
  return [...problems, ...run.map((problem) => ({ ...problem, path: ['run', ...problem.path] }))]
}

const listOf = (raw: unknown): unknown[] => {
  const { schedules } = (raw ?? {}) as { schedules?: unknown }
  return Array.isArray(schedules) ? schedules : []
}

const reviewNames = (entries: readonly unknown[]): ReviewProblem[] => {
  const first = new Map<unknown, number>()
  return entries.flatMap((entry, index): ReviewProblem[] => {
    const name = isMap(entry) ? entry.name : undefined
    const before = first.get(name)
    if (typeof name !== 'string' || before === undefined) {
      first.set(name, index)
      return []
    }
    const message = `${name} is also the name of another schedule`
    return [{ path: ['schedules', index, 'name'], message, also: ['schedules', before, 'name'] }]
  })
}

const namedIn = (raw: unknown): NamedNodes[] => {
  if (!isMap(raw)) return []
  const ofMesh = isMap(raw.mesh) && Array.isArray(raw.mesh.nodes) ? raw.mesh.nodes : []
  return [
    ...namedByTest(raw.run, ['run']),
    ...ofMesh.map((selector: unknown, position) => ({ path: ['mesh', 'nodes', position], selector })),
  ]
}

/** `schedules`, `default_schedules` and `profiles` of the collector's config. */
export const SCHEDULE_SECTION = {
  shape: {
    schedules: z.array(scheduleSchema).optional(),
    profiles: z.array(profileSchema).optional(),
    default_schedules: z.boolean().default(true),
  },
  review: (raw: unknown) => {
    const entries = listOf(raw)
    const profiles = knownNames(raw)
    const problems = entries.flatMap((entry, index) =>
      reviewOne(entry, profiles).map(({ path, message, also }) => ({
        path: ['schedules', index, ...path],
        message,
        ...(also ? { also: ['schedules', index, ...also] } : {}),
      })),
    )
    return [...problems, ...reviewNames(entries), ...reviewConfiguredProfiles(raw)]
  },
  namedNodes: (raw: unknown) => [
    ...listOf(raw).flatMap((entry, index) =>
      namedIn(entry).map(({ path, selector }) => ({ path: ['schedules', index, ...path], selector })),
    ),
    ...namedByConfiguredProfiles(raw),
  ],
} satisfies ConfigSection<z.ZodRawShape>

/**
 * Parses a file with one schedule, with the keys of the config. The collector checks later whether its profile exists.
 * @throws ConfigError with all problems and their places
 */
export const readSchedule = (file: string, yaml: string): ScheduleSpec =>
  parseConfig(file, yaml, scheduleSchema, (raw) => reviewOne(raw))
