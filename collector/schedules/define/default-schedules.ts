import { Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import {
  ScheduleOrigin,
  ScheduleSpec as ScheduleSpecMessage,
} from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { createMeshSpec } from '../../mesh/assign/mesh-spec.ts'
import { createIperfTest, createRunSpec } from '../../plan/effective-run-spec.ts'
import type { RunSpec } from '../../plan/run-spec.ts'
import type { ScheduleSpec } from './schedule-spec.ts'

/** A schedule of the config file or a default: one that was not created over the API. */
export type ConfiguredSchedule = { spec: ScheduleSpec; origin: ScheduleOrigin }

const HOUR = 3600
const DAY = 24 * HOUR

/** Seconds of each throughput test: TCP reaches its rate within this time, and a node is busy for seconds only. */
const TEST_SECONDS = 2

const iperf = (kind: TopologyKind): RunSpec =>
  createRunSpec({
    topology: Topology.fromPartial({ kind }),
    test: createIperfTest({ durationSeconds: TEST_SECONDS }),
  })

const scheduleOf = (fields: Partial<ScheduleSpec>): ScheduleSpec => ({
  ...ScheduleSpecMessage.fromPartial({}),
  when: undefined,
  work: undefined,
  ...fields,
})

/**
 * The default schedules. The ping mesh is light and starts at once. Throughput tests load the network: they run at night,
 * in the time zone of the collector's host, and not within the first hour of a new schedule.
 *
 * - daily: each node to seven random others, different ones each night; half a minute per interface. It finds a node or
 *   a port that has become slow.
 * - weekly: every pair within seven days, a seventh each night. Spread over the nights, the load is small (5.5 minutes a
 *   night at 1,000 nodes), a bad link is found up to six days sooner, and a missed night costs one seventh. Pairs that
 *   other runs measured are not measured again.
 *
 * A budget limits the time that one interface is busy in a day, so that the tests of a growing fleet do not fill its
 * nights unnoticed.
 */
const defaultSpecs = (): ScheduleSpec[] => [
  scheduleOf({ name: 'mesh', work: { kind: 'mesh', mesh: createMeshSpec() } }),
  scheduleOf({
    name: 'daily',
    when: { kind: 'cron', cron: '0 2 * * *' },
    jitter: toDuration(HOUR / 2),
    work: { kind: 'run', run: iperf(TopologyKind.TOPOLOGY_KIND_SHIFTS) },
    budget: { busy: toDuration(10 * 60), period: toDuration(DAY) },
  }),
  scheduleOf({
    name: 'weekly',
    when: { kind: 'cron', cron: '0 3 * * *' },
    jitter: toDuration(HOUR / 2),
    work: { kind: 'run', run: iperf(TopologyKind.TOPOLOGY_KIND_MESH) },
    budget: { busy: toDuration(HOUR), period: toDuration(DAY) },
    everyPairWithin: toDuration(7 * DAY),
  }),
]

/** A new default schedule starts nothing within this time, because no operator has requested it. */
export const DEFAULT_START_DELAY_MS = HOUR * 1000

/**
 * The schedules of the config, and the defaults whose names these do not use. An empty list in the config turns all
 * defaults off.
 */
export const configuredSchedules = (
  specs: readonly ScheduleSpec[] | undefined,
  withDefaults: boolean,
): ConfiguredSchedule[] => {
  const configured = (specs ?? []).map((spec) => ({ spec, origin: ScheduleOrigin.SCHEDULE_ORIGIN_CONFIG }))
  if (!withDefaults || specs?.length === 0) return configured
  const names = new Set(configured.map(({ spec }) => spec.name))
  const defaults = defaultSpecs()
    .filter(({ name }) => !names.has(name))
    .map((spec) => ({ spec, origin: ScheduleOrigin.SCHEDULE_ORIGIN_DEFAULT }))
  return [...configured, ...defaults]
}
