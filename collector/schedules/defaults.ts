import { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import { MeshSpec } from '#proto/meshgauge/collector/v1/mesh.ts'
import { IperfTest, RunSpec, Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { ScheduleOrigin, ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../lib/protobuf-time.ts'

/** A schedule that was not made over the API. */
export type ConfiguredSchedule = { spec: ScheduleSpec; origin: ScheduleOrigin }

const HOUR = 3600
const DAY = 24 * HOUR

/** Long enough for TCP to reach its rate, short enough that a node is busy for seconds. */
const TEST_SECONDS = 2

const iperf = (kind: TopologyKind): RunSpec =>
  RunSpec.fromPartial({
    topology: Topology.fromPartial({ kind }),
    test: {
      $case: 'iperf',
      value: IperfTest.fromPartial({
        options: IperfOptions.fromPartial({ duration: toDuration(TEST_SECONDS) }),
      }),
    },
  })

/**
 * What is measured when the config says nothing. The ping mesh is light and starts at once. Throughput loads the
 * network: it is measured at night, by the clock of the collector's host, and never within the first hour of a schedule.
 *
 * - daily: every node to seven random others, other ones each night: half a minute on an interface. It finds a node or
 *   a port that has become slow.
 * - weekly: every pair within seven days, a seventh each night and not all in one: the load of a night is small (5.5
 *   minutes at 1,000 nodes), a bad link is found up to six days sooner, and a night that was missed costs a seventh. What
 *   other runs measured counts, so that nothing is measured twice.
 *
 * Their budgets bound what one interface is busy in a day, so that a fleet that grows does not fill its nights unseen.
 */
const specs = (): ScheduleSpec[] => [
  ScheduleSpec.fromPartial({ name: 'mesh', work: { $case: 'mesh', value: MeshSpec.fromPartial({}) } }),
  ScheduleSpec.fromPartial({
    name: 'daily',
    when: { $case: 'cron', value: '0 2 * * *' },
    jitter: toDuration(HOUR / 2),
    work: { $case: 'run', value: iperf(TopologyKind.TOPOLOGY_KIND_SHIFTS) },
    budget: { busy: toDuration(10 * 60), period: toDuration(DAY) },
  }),
  ScheduleSpec.fromPartial({
    name: 'weekly',
    when: { $case: 'cron', value: '0 3 * * *' },
    jitter: toDuration(HOUR / 2),
    work: { $case: 'run', value: iperf(TopologyKind.TOPOLOGY_KIND_MESH) },
    budget: { busy: toDuration(HOUR), period: toDuration(DAY) },
    everyPairWithin: toDuration(7 * DAY),
  }),
]

/** Of a default that is new, nothing starts before this: nobody has asked for it. */
export const DEFAULT_QUIET_MS = HOUR * 1000

/** What the config says, and the defaults whose names it has not taken. An empty list wants none. */
export const configuredSchedules = (
  configured: readonly ScheduleSpec[] | undefined,
  withDefaults: boolean,
): ConfiguredSchedule[] => {
  const own = (configured ?? []).map((spec) => ({ spec, origin: ScheduleOrigin.SCHEDULE_ORIGIN_CONFIG }))
  if (!withDefaults || configured?.length === 0) return own
  const taken = new Set(own.map(({ spec }) => spec.name))
  const defaults = specs()
    .filter(({ name }) => !taken.has(name))
    .map((spec) => ({ spec, origin: ScheduleOrigin.SCHEDULE_ORIGIN_DEFAULT }))
  return [...own, ...defaults]
}
