import {
  type GetMeshResponse,
  type MeshEvent,
  type MeshSpec,
  PathState,
} from '#proto/meshgauge/collector/v1/mesh.ts'
import { OperatingError, throwIfInvalid } from '../../lib/errors.ts'
import type { MeshesDeps } from './deps.ts'
import { createDirections } from './directions.ts'
import { createEchoCounts } from './echo-counts.ts'
import { createEventWatchers, eventOf, statesBefore } from './events.ts'
import { createIngest } from './ingest.ts'
import { createInterfaceStates } from './interface-state.ts'
import { createJudgement } from './judgement.ts'
import { createKnownAddresses, createOffsets } from './kept.ts'
import { createMeshAgent, type MeshAgent } from './mesh-agent.ts'
import { createOwnLoad } from './own-load.ts'
import { createPaths, type MeshPath, stateOf } from './paths.ts'
import { createPlanner, extentOf, type NodePlan } from './planner.ts'
import { createRecorder } from './recorder.ts'
import { checkMeshSpec, readMeshSpec } from './settings.ts'
import { endpointOf, type Measured } from './verdicts.ts'
import { HOUR_MS, MINUTE_MS, meshMessage, noCounts } from './views.ts'

const TICK_SECONDS = 1
const TIDY_SECONDS = 30
/** A path without a window for so many of its windows, and at least so long, is not measured. */
const PATIENT_WINDOWS = 3
const LEAST_PATIENCE_MS = 30_000
/** Changes of one path that are remembered for the count of the last hour. */
const MAX_CHANGES = 64
/** Lines about one mesh; a fleet that is all silent is one story. */
const MAX_PROBLEMS = 100

/** The ping meshes that never stop: who probes whom, what comes of it, and what it means. */
export const createMeshes = (deps: MeshesDeps) => {
  const { clock, logger, fleet, store, observer } = deps
  const nowMs = () => clock.now().getTime()
  const stop = new AbortController()
  const before = statesBefore(store, nowMs())
  const watchers = createEventWatchers()
  const recorder = createRecorder({ clock, logger, store })
  const offsets = createOffsets({ store, logger })
  const ownLoad = createOwnLoad(deps.heldByRuns)
  const paths = createPaths({ random: deps.random, stateBefore: before.ofPath })
  const planner = createPlanner(store.pathId, createKnownAddresses({ store, logger }))
  const interfaces = createInterfaceStates()
  const agents = new Map<string, MeshAgent>()
  const echoes = createEchoCounts()
  const ending = new Set<Promise<void>>()
  const owner = store.identity()
  let revision: number | undefined
  let racks: ReadonlyMap<string, string> = new Map()
  let planProblem = ''
  // Agents go on with what they probe meanwhile; a list of only those peers that have answered yet would end the others.
  let isSettled = false
  void fleet.settled.then(() => {
    isSettled = true
  })

  const delivers = (node: string): boolean => agents.get(node)?.delivers() ?? false
  const troubleOf = (node: string, name: string): string => agents.get(node)?.troubles().get(name) ?? ''
  const directions = createDirections({
    paths: paths.all,
    ends: paths.ends,
    echoes,
    delivers,
    troubleOf,
  })
  const stateNow = (path: MeshPath, now: number): PathState => {
    const { node, interface: name } = path.source
    return stateOf(path, delivers(node) && troubleOf(node, name) === '', now)
  }
  const isMeasured = (state: PathState) =>
    state !== PathState.PATH_STATE_STALE && state !== PathState.PATH_STATE_UNSPECIFIED
  const withStates = (): Measured[] => {
    const now = nowMs()
    return [...paths.all()].map((path) => ({
      path,
      state: stateNow(path, now),
      isLoaded: ownLoad.touches(path, now - MINUTE_MS, now),
    }))
  }
  const judgement = createJudgement(
    { clock, recent: paths.recent, onVerdicts: observer.observeVerdicts },
    {
      measured: () => withStates().filter(({ state }) => isMeasured(state)),
      silent: () => new Set([...agents.keys()].filter((node) => !delivers(node))),
      troubleOf,
      lossy: interfaces.lossy,
      racks: () => racks,
      directed: directions.name,
    },
  )

  const tell = (event: MeshEvent): void => {
    recorder.addEvent(event)
    observer.observeEvent(event)
    watchers.tell(event)
    if (event.state !== PathState.PATH_STATE_UP) judgement.worsened()
  }
  const tellOfPath = (
    path: MeshPath,
    timeMs: number,
    change: { before: PathState; state: PathState },
    reason: string,
  ) => {
    path.changes = [...path.changes.filter((at) => timeMs - at <= HOUR_MS), timeMs].slice(-MAX_CHANGES)
    const { source, destination } = path
    tell(eventOf({ ...change, timeMs, seenMs: nowMs(), source, destination, reason }))
  }
  const ingest = createIngest({
    paths,
    ownLoad,
    isKnown: (id, node) => store.paths().get(id)?.source === node,
    onChange: (path, { timeMs, ...change }) => tellOfPath(path, timeMs, change, path.reason),
  })

  const tellOfAgent = (node: string, isDelivering: boolean, why: string, lastMs: number): void => {
    const [up, stale] = [PathState.PATH_STATE_UP, PathState.PATH_STATE_STALE]
    // An agent that is heard for the first time is no news, unless it was cut off when the collector stopped.
    if (isDelivering && lastMs === 0 && !before.wasSilent(node)) return
    const now = nowMs()
    const change = isDelivering ? { before: stale, state: up } : { before: up, state: stale }
    const timeMs = isDelivering || lastMs === 0 ? now : lastMs
    tell(eventOf({ ...change, timeMs, seenMs: now, source: endpointOf(node, ''), reason: why }))
  }

  const release = (plan: NodePlan, keep: ReadonlyMap<number, unknown>): void => {
    const now = nowMs()
    for (const id of plan.targets.keys()) {
      const path = keep.has(id) ? undefined : paths.get(id)
      if (!path) continue
      path.releasedMs = now
      const { state } = path.health
      path.health.state = PathState.PATH_STATE_UNSPECIFIED
      if (state !== PathState.PATH_STATE_DOWN && state !== PathState.PATH_STATE_LOSSY) continue
      tellOfPath(path, now, { before: state, state: PathState.PATH_STATE_STALE }, 'it is not probed any more')
    }
  }
  const startAgent = (plan: NodePlan): MeshAgent =>
    createMeshAgent(
      {
        clock,
        logger,
        random: deps.random,
        owner,
        fleet,
        ingest,
        recorder,
        keptOffset: offsets.of(plan.node),
        keepOffset: (kept) => offsets.keep(plan.node, kept),
        onWindows: observer.observeWindows,
        onDropped: observer.observeDropped,
        onEchoes: (timeMs, count) => echoes.add(plan.node, timeMs, count),
        onDelivering: (isDelivering, why, lastMs) => tellOfAgent(plan.node, isDelivering, why, lastMs),
      },
      plan,
    )
  const apply = (node: string, plan: NodePlan | undefined): void => {
    const agent = agents.get(node)
    if (agent) release(agent.plan(), plan?.targets ?? new Map())
    if (!plan) {
      agents.delete(node)
      echoes.forget(node)
      const end = agent?.end().finally(() => ending.delete(end!))
      if (end) ending.add(end)
      return
    }
    for (const [id, { target, windowSeconds, ...rest }] of plan.targets) {
      const patienceMs = Math.max(LEAST_PATIENCE_MS, PATIENT_WINDOWS * windowSeconds * 1000)
      paths.take(id, target, { ...rest, patienceMs })
    }
    observer.observeAssignment()
    if (agent) agent.assign(plan)
    else agents.set(node, startAgent(plan))
  }

  const plan = (): void => {
    try {
      const current = fleet.revision()
      if (current !== revision) {
        const nodes = fleet.nodes()
        racks = new Map(nodes.flatMap(({ name, rack }) => (rack === '' ? [] : [[name, rack]])))
        planner.setFleet(nodes)
        const members = new Set(nodes.map(({ name }) => name))
        for (const [node, agent] of agents) if (members.has(node)) agent.follow()
        revision = current
      }
      for (const { node, plan: next } of planner.changes(nowMs() / 1000)) apply(node, next)
      planProblem = ''
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      planProblem = `new paths cannot be planned: ${error.message}`
    }
  }
  for (const { node, interface: name, timeMs } of before.lossyInterfaces) {
    interfaces.restore(node, name, Math.floor(timeMs / 1000), Math.floor(nowMs() / 1000))
  }
  const judgeInterfaces = (): void => {
    if (paths.count() === 0) return
    const now = nowMs()
    for (const { lossy, before: was, state, second } of interfaces.judge(
      paths.ends(),
      ingest,
      Math.floor(now / 1000),
    )) {
      const source = endpointOf(lossy.node, lossy.interface)
      const reason = state === PathState.PATH_STATE_LOSSY ? interfaces.reasonOf(lossy) : ''
      tell(eventOf({ timeMs: second * 1000, seenMs: now, source, before: was, state, reason }))
    }
  }
  let tidySeconds = 0
  const tick = (): void => {
    ownLoad.look(nowMs())
    if (isSettled) plan()
    for (const agent of agents.values()) agent.tick()
    judgeInterfaces()
    judgement.tick()
    if (clock.monotonicSeconds() < tidySeconds) return
    tidySeconds = clock.monotonicSeconds() + TIDY_SECONDS
    paths.tidy(nowMs())
  }
  const ticking = (async () => {
    while (!stop.signal.aborted) {
      try {
        tick()
      } catch (error) {
        // A bug in one look must not end the meshes; it would come again each second, and be seen.
        logger.error({ err: error }, 'the meshes failed because of a bug')
      }
      await clock.sleep(TICK_SECONDS, stop.signal).catch(() => undefined)
    }
  })()

  const problemsOf = (nodes: readonly string[]): string[] =>
    nodes.flatMap((node) => agents.get(node)?.problems() ?? [])

  return {
    /**
     * Keeps a mesh, in place of what it was before; without a spec it ends.
     * @throws OperatingError SPEC_INVALID with everything that is wrong with the spec by itself
     */
    set: (name: string, spec: MeshSpec | undefined): void => {
      if (spec) throwIfInvalid(`mesh ${name}`, checkMeshSpec(spec))
      planner.set(name, spec && readMeshSpec(spec))
    },
    get: (): GetMeshResponse => {
      const counts = new Map([...planner.meshes()].map(({ name }) => [name, noCounts()]))
      for (const { path, state } of withStates()) {
        const own = path.releasedMs === undefined ? counts.get(path.mesh) : undefined
        if (own) own[state]++
      }
      const meshes = [...planner.meshes()].map((mesh) => {
        const { name, settings, fabric } = mesh
        const all = [...fabric.problems, ...problemsOf(fabric.nodes), ...recorder.problems(), planProblem]
        const problems = all.filter((line) => line !== '').slice(0, MAX_PROBLEMS)
        const streamingCount = fabric.nodes.filter(delivers).length
        const fields = {
          schedule: name,
          spec: settings.spec,
          nodeCount: fabric.nodes.length,
          streamingCount,
          problems,
        }
        return meshMessage(fields, counts.get(name)!, extentOf(mesh))
      })
      return {
        meshes: meshes.sort((a, b) => (a.schedule < b.schedule ? -1 : 1)),
        verdicts: [...judgement.verdicts()],
      }
    },
    /** Every path that is probed, or was until lately, with how it is. */
    paths: withStates,
    recent: paths.recent,
    watch: watchers.watch,
    /** What is wrong with the collector's own part, one line each. */
    problems: (): string[] => [...recorder.problems(), ...(planProblem === '' ? [] : [planProblem])],
    /** Writes what waits; for tests and for who must see it now. */
    flush: recorder.flush,
    snapshot: () => ({
      ends: paths.ends(),
      streams: [...agents.values()].map((agent) => agent.stream()),
      lossy: interfaces.lossy(),
      waitingWindows: recorder.depth(),
      meshes: planner.extents(),
      racks,
    }),
    /** Stops; the agents go on for a while, and the next collector of this store gets what they measured. */
    close: async (): Promise<void> => {
      stop.abort()
      await ticking
      await Promise.all([...ending, ...[...agents.values()].map((agent) => agent.close())])
      await recorder.close()
    },
  }
}

export type Meshes = ReturnType<typeof createMeshes>
