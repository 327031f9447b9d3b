import { RunState, Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { createPingTest, createRunSpec } from '../../collector/plan/effective-run-spec.ts'
import { scheduleSpecOf } from '../../collector/schedules/define/schedule-spec-message.ts'
import type { Run } from '../../collector/store/run.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { World } from './world/world.ts'

const NAME = 'scheduled'
const PERIOD_SECONDS = 90
/** Nodes of each scheduled run. */
const NODES = 6
/** A run of pings is over within this time, also one of nodes that do not answer. */
const RUN_SECONDS = 120
const RUNNING: readonly RunState[] = [RunState.RUN_STATE_PENDING, RunState.RUN_STATE_RUNNING]

const specOf = (nodes: readonly string[]) => ({
  ...scheduleSpecOf(ScheduleSpec.fromPartial({ name: NAME })),
  when: { kind: 'every', seconds: PERIOD_SECONDS } as const,
  work: {
    kind: 'run',
    run: createRunSpec({
      topology: Topology.fromPartial({ kind: TopologyKind.TOPOLOGY_KIND_RING, nodes: [...nodes] }),
      test: createPingTest({ count: 5, intervalSeconds: 0.2 }),
    }),
  } as const,
})

/** Has one schedule of ping runs from the first minute to the end, and knows the runs that it started. */
export const createScheduledWork = ({ clock, time, collector, agents }: World) => {
  let activeSeconds = 0

  /** Changes whether the schedule is there, until a collector that may be disturbed has done it. */
  const insist = async (isWanted: boolean, change: () => unknown): Promise<void> => {
    for (; ; await clock.sleep(5)) {
      if (!collector.isRunning() || collector.clock().isStopped()) continue
      const { schedules } = collector.parts()
      try {
        // A collector that is killed before its answer gives none.
        const step = async () => {
          const isThere = (await schedules.list()).some(({ spec }) => spec?.name === NAME)
          return isThere === isWanted || change()
        }
        if ((await Promise.race([step(), clock.sleep(30)])) === true) return
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error
      }
    }
  }
  const runs = (): Run[] =>
    collector
      .parts()
      .store.listRuns({ size: 1000, token: '' })
      .runs.filter(({ spec }) => spec.label === NAME)

  return {
    keep: async (endSeconds: number): Promise<void> => {
      const names = agents.slice(0, NODES).map(({ name }) => name)
      await clock.sleep(PERIOD_SECONDS / 2)
      await insist(true, () => collector.parts().schedules.create(specOf(names), false))
      const startSeconds = time.seconds()
      await clock.sleep(endSeconds - time.seconds())
      await insist(false, () => collector.parts().schedules.delete(NAME))
      activeSeconds = time.seconds() - startSeconds
      await clock.sleep(RUN_SECONDS)
    },
    runs,
    /** What is wrong at the end. A planned time is moved by a step of the wall clock, and repeated once after a restart. */
    problems: (disturbances: number): string[] => {
      const all = runs()
      const most = Math.ceil(activeSeconds / PERIOD_SECONDS) + disturbances
      const unfinished = all.filter(({ state }) => RUNNING.includes(state)).length
      return [
        ...(all.length > 0 ? [] : ['the schedule has started nothing']),
        ...(all.length <= most ? [] : [`the schedule has started ${all.length} runs instead of ${most}`]),
        ...(unfinished === 0 ? [] : [`${unfinished} runs of the schedule have not ended`]),
      ]
    },
  }
}
