import type { MeshSpec, Path, PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { createMeshAgents } from './agents/mesh-agents.ts'
import { createPersistedState } from './agents/persisted-state.ts'
import type { NodePlan } from './assign/planner.ts'
import { createPlanning } from './assign/planning.ts'
import { checkMeshSpec, readMeshSpec } from './assign/settings.ts'
import type { MeshesDeps } from './deps.ts'
import { createEventPublisher } from './judge/event-publisher.ts'
import { createJudging } from './judge/judging.ts'
import { statesBefore } from './state/events.ts'
import { createIngest } from './state/ingest.ts'
import { createOwnLoad } from './state/own-load.ts'
import { createPaths, type MeshPath } from './state/paths.ts'
import { createRecorder } from './state/recorder.ts'
import { keepTicking } from './ticking.ts'
import { createMeshTime } from './time.ts'
import { pathMessage } from './view/messages.ts'
import { createOverview } from './view/overview.ts'

const TIDY_SECONDS = 30

/** The ping meshes that never stop: who probes whom, what comes of it, and what it means. */
export const createMeshes = (deps: MeshesDeps) => {
  const { logger, fleet, store, observer } = deps
  const time = createMeshTime(deps.clock)
  const { clock } = time
  const nowMs = () => clock.now().getTime()
  const before = statesBefore(store, nowMs())
  const keeping = createPersistedState({ store, logger })
  const recorder = createRecorder({ clock, logger, store, shiftMs: time.shiftMs, flushKept: keeping.flush })
  const paths = createPaths({ random: deps.random, stateBefore: before.ofPath })
  const ownLoad = createOwnLoad(deps.heldByRuns)
  const onWorse = () => judging.worsened()
  const telling = createEventPublisher({ time, observer, recorder, before, onWorse })
  const agents = createMeshAgents({ ...deps, time, paths, recorder, keeping, telling })
  const ingest = createIngest({
    paths,
    ownLoad,
    isKnown: (id, node) => store.paths().get(id)?.source === node,
    onChange: (path, { timeMs, ...change }) => telling.ofPath(path, timeMs, change, path.reason),
    onMeasured: (path, endMs) => observer.observeMeasured(path, endMs + time.shiftMs()),
  })
  const apply = (node: string, plan: NodePlan | undefined) => agents.apply(node, plan, ingest)
  const planning = createPlanning({ clock, fleet, store, keeping, apply, onFleet: agents.follow })
  const { racks } = planning
  fleet.onChange(agents.wake)
  const judging = createJudging({
    clock,
    observer,
    before,
    paths,
    agents,
    ingest,
    ownLoad,
    telling,
    racks,
  })
  let tidySeconds = 0
  const tidy = (): void => {
    if (clock.monotonicSeconds() < tidySeconds) return
    tidySeconds = clock.monotonicSeconds() + TIDY_SECONDS
    paths.tidy(nowMs())
  }
  const ticking = keepTicking({ clock, logger }, async (signal) => {
    ownLoad.look(nowMs())
    await planning.tick(signal)
    for (const step of [agents.tick, judging.judgeInterfaces, judging.judge, tidy]) {
      step()
      // Each may take milliseconds in a large fleet; windows and acknowledgements go on between them.
      await clock.yield()
    }
  })
  const overview = createOverview({ time, planning, agents, judging, recorder, paths })

  return {
    ...overview,
    /**
     * Keeps a mesh, in place of what it was before; without a spec it ends.
     * @throws OperatingError SPEC_INVALID with everything that is wrong with the spec by itself
     */
    set: (name: string, spec: MeshSpec | undefined): void => {
      if (spec) throwIfInvalid(`mesh ${name}`, checkMeshSpec(spec))
      planning.set(name, spec && readMeshSpec(spec))
    },
    /** Every path that is probed, or was until lately, with how it is. */
    paths: judging.states.all,
    recent: paths.recent,
    /** One path in the words of the API. */
    pathMessage: (path: MeshPath, state: PathState): Path => pathMessage(path, state, paths.recent, time),
    watch: telling.watch,
    /** Writes what waits; for tests and for who must see it now. */
    flush: recorder.flush,
    /** Stops; the agents go on for a while, and the next collector of this store gets what they measured. */
    close: async (): Promise<void> => {
      await ticking.close()
      await agents.close()
      await recorder.close()
    },
  }
}

export type Meshes = ReturnType<typeof createMeshes>
