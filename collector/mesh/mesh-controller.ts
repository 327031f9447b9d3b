import { type Path, PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { LOST_PEER_SECONDS } from '../../lib/serving.ts'
import { createMeshAgents } from './agents/mesh-agents.ts'
import { createKnownAddresses, createPersistedState } from './agents/persisted-state.ts'
import { createRecorder } from './agents/recorder.ts'
import type { NodePlan } from './assign/assignment.ts'
import { checkMeshSpec, type MeshSpec } from './assign/mesh-spec.ts'
import { createFleetPlanner } from './assign/planner.ts'
import type { MeshDependencies } from './dependencies.ts'
import { createEvaluator } from './judge/evaluator.ts'
import { createReportedInterfaces } from './judge/reported-interfaces.ts'
import { createMeshTime } from './mesh-time.ts'
import { createEchoCounts } from './state/echo-counts.ts'
import { createEventPublisher, readInitialStates } from './state/events.ts'
import { createIngest } from './state/ingest.ts'
import { createLossRecord } from './state/loss-record.ts'
import { createPathStates, createPaths, type MeshPath } from './state/paths.ts'
import { createRunLoad } from './state/run-load.ts'
import { createOverview } from './view/overview.ts'
import { pathMessage } from './view/path-messages.ts'

const TICK_SECONDS = 1
/** Agents detect a lost collector and end its tests within this time. */
const LOST_COLLECTOR_MS = 1000 * LOST_PEER_SECONDS
const DELETE_RELEASED_SECONDS = 30

/** Connects the phases of the mesh: functions of later phases are passed to earlier ones. */
const connectPhases = (deps: MeshDependencies) => {
  const { logger, fleet, store, observer } = deps
  const time = createMeshTime(deps.clock)
  const { clock } = time
  const nowMs = () => clock.now().getTime()
  const initialStates = readInitialStates(store, nowMs())
  const persisted = createPersistedState({ store, logger })
  const recorder = createRecorder({
    clock,
    logger,
    store,
    shiftMs: time.shiftMs,
    flushPersisted: persisted.flush,
  })
  const paths = createPaths({ random: deps.random, initialState: initialStates.ofPath })
  const loadedUntilMs = deps.hadExclusiveRun ? nowMs() + LOST_COLLECTOR_MS : undefined
  const runLoad = createRunLoad(deps.heldByRuns, loadedUntilMs)
  const echoes = createEchoCounts()
  const onWorse = () => evaluator.recordWorsening()
  const publisher = createEventPublisher({ time, observer, recorder, initialStates, onWorse })
  const losses = createLossRecord()
  const ingest = createIngest({
    paths,
    losses,
    runLoad,
    isKnown: (id, node) => store.paths().get(id)?.source === node,
    onChange: (path, change) => publisher.pathChanged(path, change, path.reason),
    onMeasured: (path, endMs) => observer.observeMeasured(path, endMs + time.shiftMs()),
  })
  const agents = createMeshAgents({
    ...deps,
    time,
    persisted,
    recorder,
    ingest: ingest.batch,
    onEchoRequests: echoes.add,
    onDelivering: publisher.agentChanged,
    onLeft: echoes.forget,
  })
  const apply = (node: string, plan: NodePlan | undefined): void => {
    for (const { path, state: before } of paths.apply(node, plan, nowMs())) {
      if (before !== PathState.PATH_STATE_DOWN && before !== PathState.PATH_STATE_LOSSY) continue
      const change = { timeMs: nowMs(), before, state: PathState.PATH_STATE_STALE }
      publisher.pathChanged(path, change, 'it is no longer probed')
    }
    agents.apply(node, plan)
  }
  const known = createKnownAddresses(persisted)
  const planner = createFleetPlanner({ clock, fleet, store, known, apply, onFleet: agents.reopenMoved })
  const pathStates = createPathStates({ clock, paths, agents, runLoad })
  const reported = createReportedInterfaces(clock, fleet, planner)
  const evaluator = createEvaluator({
    ...{ clock, observer, initialStates, paths, pathStates, agents, ingest, losses, echoes, publisher },
    shiftMs: time.shiftMs,
    racks: planner.racks,
    reported,
  })
  const overview = createOverview({ time, planner, agents, recorder, evaluator, pathStates, paths, reported })
  return { time, planner, agents, recorder, runLoad, paths, publisher, evaluator, pathStates, overview }
}

/** Calls `tick` every TICK_SECONDS, one call at a time, until `close`. */
const startTicking = (
  { clock, logger }: Pick<MeshDependencies, 'clock' | 'logger'>,
  tick: (signal: AbortSignal) => Promise<void>,
): { close(): Promise<void> } => {
  const stop = new AbortController()
  const run = async () => {
    while (!stop.signal.aborted) {
      await tick(stop.signal).catch((error: unknown) => {
        // A bug in one tick must not stop the mesh. It repeats with every tick and is logged each time.
        logger.error({ err: error }, 'the mesh failed because of a bug')
      })
      await clock.sleep(TICK_SECONDS, stop.signal).catch(() => undefined)
    }
  }
  const running = run()
  return {
    close: async () => {
      stop.abort()
      await running
    },
  }
}

/** Returns the controller of the always-on ping meshes, and starts it. See the README of this folder. */
export const createMeshController = (deps: MeshDependencies) => {
  const { time, planner, agents, recorder, runLoad, paths, publisher, evaluator, pathStates, overview } =
    connectPhases(deps)
  const { clock } = time
  deps.fleet.onChange(agents.wake)

  let deleteDueSeconds = 0
  const deleteReleased = (): void => {
    if (clock.monotonicSeconds() < deleteDueSeconds) return
    deleteDueSeconds = clock.monotonicSeconds() + DELETE_RELEASED_SECONDS
    paths.deleteReleased(clock.now().getTime())
  }
  const steps = [
    agents.tick,
    () => evaluator.evaluateInterfaces(),
    () => evaluator.evaluate(),
    deleteReleased,
  ]
  const ticking = startTicking({ clock, logger: deps.logger }, async (signal) => {
    runLoad.sample(clock.now().getTime())
    await planner.tick(signal)
    for (const step of steps) {
      step()
      // Each step may take milliseconds in a large fleet: the event loop processes batches in between.
      await clock.yield()
    }
  })

  return {
    ...overview,
    /**
     * Adds a mesh or replaces the one of this name; removes it without a spec.
     * @throws OperatingError SPEC_INVALID with all errors that can be found without the fleet
     */
    set: (name: string, spec: MeshSpec | undefined): void => {
      if (spec) throwIfInvalid(`mesh ${name}`, checkMeshSpec(spec))
      planner.set(name, spec)
    },
    /** Returns every path that is probed, or was until two minutes ago, with its state. */
    paths: pathStates.all,
    /** The last minute of each path, by its row. */
    recent: paths.recent,
    /** Returns a path as the API shows it. */
    pathMessage: (path: MeshPath, state: PathState): Path => {
      const problem = agents.pathProblems(path.source.node).get(path.id) ?? ''
      return pathMessage(path, { state, problem }, paths.recent, time)
    },
    /** Yields events as they happen, until the signal is aborted. */
    watch: publisher.watch,
    /** Writes everything that is buffered for the store. */
    flush: recorder.flush,
    /** Stops. The agents continue to probe for some minutes and buffer what they measure for the next collector. */
    close: async (): Promise<void> => {
      await ticking.close()
      await agents.close()
      await recorder.close()
    },
  }
}

export type MeshController = ReturnType<typeof createMeshController>
