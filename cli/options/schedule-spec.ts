import { MeshSpec } from '#proto/meshgauge/collector/v1/mesh.ts'
import { Blackout, Budget, OverlapPolicy, ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { ENGINES } from '../../lib/engines.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { Invocation } from '../app.ts'
import { readProfileSource } from './profile-source.ts'
import type { RunOptions } from './run-options.ts'
import { readRunSpec } from './run-spec.ts'
import { flagOf } from './topology-options.ts'
import { keysOf, type ValueReader } from './value-reader.ts'

/** The options of `schedules add`, as the user typed them: those of `run` and these. */
export type ScheduleOptions = RunOptions & {
  cron?: string
  every?: string
  timeZone?: string
  jitter?: string
  overlap?: string
  blackout?: string[]
  budgetBytes?: string
  budgetBusy?: string
  budgetPeriod?: string
  everyPairWithin?: string
  eachInterface?: boolean
  profile?: string
  mesh?: boolean
  paused?: boolean
  file?: string
}

/** Options of the schedule itself, which apply to runs, profiles and meshes. */
const SCHEDULE_OPTIONS: readonly (keyof ScheduleOptions)[] = [
  'cron',
  'every',
  'timeZone',
  'jitter',
  'overlap',
  'blackout',
  'budgetBytes',
  'budgetBusy',
  'budgetPeriod',
  'everyPairWithin',
  'eachInterface',
  'profile',
  'mesh',
  'paused',
  'file',
]
/** Options that every command has. */
const GLOBAL = ['collector', 'json', 'tlsCa', 'tlsCert', 'tlsKey', 'insecure', 'color']
/** Options that also apply to a ping mesh. */
const MESH_OPTIONS: readonly (keyof ScheduleOptions)[] = [
  'nodes',
  'interface',
  'engine',
  'interval',
  'pingInterval',
  'timeout',
  'size',
  'dontFragment',
  'tos',
  'shifts',
]

const duration = (seconds: number | undefined) => (seconds === undefined ? undefined : toDuration(seconds))

/** Refuses every typed option that is not allowed here. */
const allowOnly = (options: ScheduleOptions, allowed: readonly string[], read: ValueReader, why: string) => {
  for (const [option, value] of Object.entries(options))
    if (value !== undefined && !allowed.includes(option) && !GLOBAL.includes(option))
      read.refuse(flagOf(option), why)
}

const readMesh = (options: ScheduleOptions, read: ValueReader): MeshSpec => {
  allowOnly(options, [...SCHEDULE_OPTIONS, ...MESH_OPTIONS], read, 'does not apply to a ping mesh')
  return MeshSpec.fromPartial({
    nodes: read.list('--nodes', options.nodes),
    interfaces: read.list('--interface', options.interface),
    engine: read.choice('--engine', options.engine, ENGINES.ping) ?? '',
    interval: duration(
      read.seconds('--ping-interval', options.pingInterval) ?? read.seconds('--interval', options.interval),
    ),
    timeout: duration(read.seconds('--timeout', options.timeout)),
    sizeBytes: read.bytes('--size', options.size, 65_507),
    dontFragment: options.dontFragment ?? false,
    tos: read.integer('--tos', options.tos, 0, 255),
    shiftCount: read.integer('--shifts', options.shifts, 1, 9_999) ?? 0,
  })
}

/** Parses blackouts such as `0 8 * * 1-5 for 10h`. */
const readBlackouts = (texts: readonly string[], read: ValueReader): Blackout[] =>
  texts.flatMap((text) => {
    const [, cron, length] = /^(.+?)\s+for\s+(\S+)$/.exec(text.trim()) ?? []
    if (cron === undefined) {
      read.refuse('--blackout', `"${text}" is not CRON for DURATION, such as "0 8 * * 1-5 for 10h"`)
      return []
    }
    return [Blackout.fromPartial({ cron, duration: duration(read.seconds('--blackout', length)) })]
  })

const readWork = (
  { operands, options, read, problems, passThrough }: Invocation<ScheduleOptions>,
  name: string,
): ScheduleSpec['work'] => {
  const word = operands[1]
  if (options.mesh && options.profile !== undefined)
    read.refuse('--profile', 'cannot be given together with --mesh')
  if ((options.mesh || options.profile !== undefined) && word !== undefined)
    read.refuse('TOPOLOGY', 'does not apply to a ping mesh or a profile')
  if (options.mesh) return { $case: 'mesh', value: readMesh(options, read) }
  if (options.profile !== undefined) {
    allowOnly(options, SCHEDULE_OPTIONS, read, 'is set by the profile; remove it here, or change the profile')
    return { $case: 'profile', value: readProfileSource('--profile', options.profile, problems) }
  }
  if (options.label !== undefined)
    read.refuse('--label', `is always the name of the schedule, ${name}; remove the option`)
  return { $case: 'run', value: readRunSpec(word, options, read, problems, passThrough) }
}

const OVERLAPS = { skip: OverlapPolicy.OVERLAP_POLICY_SKIP, queue: OverlapPolicy.OVERLAP_POLICY_QUEUE }

const readWhen = (options: ScheduleOptions, read: ValueReader): ScheduleSpec['when'] => {
  if (options.cron !== undefined && options.every !== undefined)
    read.refuse('--every', 'cannot be given together with --cron')
  if (options.cron !== undefined) return { $case: 'cron', value: options.cron }
  const every = read.seconds('--every', options.every)
  if (options.every === undefined && !options.mesh)
    read.refuse('--cron', 'is missing: give a cron expression such as "0 2 * * *", or --every 6h')
  return every === undefined ? undefined : { $case: 'every', value: toDuration(every) }
}

const readBudget = (options: ScheduleOptions, read: ValueReader): Budget | undefined => {
  const { budgetBytes, budgetBusy, budgetPeriod } = options
  const budget = Budget.fromPartial({
    bytes: read.bytes('--budget-bytes', budgetBytes),
    busy: duration(read.seconds('--budget-busy', budgetBusy)),
    period: duration(read.seconds('--budget-period', budgetPeriod)),
  })
  if (budgetBytes !== undefined || budgetBusy !== undefined) return budget
  if (budgetPeriod !== undefined) read.refuse('--budget-period', 'needs --budget-bytes or --budget-busy')
  return undefined
}

/** The ScheduleSpec for the typed options. It is valid only if no problem was added. */
export const readScheduleSpec = (invocation: Invocation<ScheduleOptions>): ScheduleSpec => {
  const { operands, options, read } = invocation
  const name = operands[0] ?? ''
  if (name === '') read.refuse('NAME', 'is missing: give a name for the schedule')
  const overlap = read.choice('--overlap', options.overlap, keysOf(OVERLAPS))
  return ScheduleSpec.fromPartial({
    name,
    when: readWhen(options, read),
    timeZone: options.timeZone ?? '',
    work: readWork(invocation, name),
    jitter: duration(read.secondsOrZero('--jitter', options.jitter)),
    overlap: overlap ? OVERLAPS[overlap] : OverlapPolicy.OVERLAP_POLICY_UNSPECIFIED,
    blackouts: readBlackouts(options.blackout ?? [], read),
    budget: readBudget(options, read),
    everyPairWithin: duration(read.seconds('--every-pair-within', options.everyPairWithin)),
    eachInterface: options.eachInterface ?? false,
  })
}

/** With --file, refuses every other option except --paused. */
export const allowOnlyFile = ({
  operands,
  passThrough,
  options,
  read,
}: Invocation<ScheduleOptions>): void => {
  const why = 'is set by the file; remove it here, or change the file'
  allowOnly(options, ['file', 'paused'], read, why)
  if (operands.length > 0) read.refuse('NAME', why)
  if (passThrough.length > 0) read.refuse('--', why)
}
