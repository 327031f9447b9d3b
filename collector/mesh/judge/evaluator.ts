import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Verdict } from '../../diagnosis/verdict.ts'
import type { MeshAgents } from '../agents/mesh-agents.ts'
import type { MeshDependencies } from '../dependencies.ts'
import type { EchoCounts } from '../state/echo-counts.ts'
import type { EventPublisher, InitialStates } from '../state/events.ts'
import type { Ingest } from '../state/ingest.ts'
import { createInterfaceStates, type LossyInterface } from '../state/interface-state.ts'
import type { LossRecord } from '../state/loss-record.ts'
import { clearWithInterface } from '../state/path-state.ts'
import type { PathStates, Paths } from '../state/paths.ts'
import { createDirections } from './directions.ts'
import { createPathResults, type PathResults } from './path-results.ts'
import { createBroadVerdictHold } from './recovering-verdicts.ts'
import type { ReportedInterfaces } from './reported-interfaces.ts'
import { hasSlowPath, judgeMesh } from './verdicts.ts'

/** Minimum time between two evaluations. Extended so that they use at most MAX_CPU_RATIO of a core. */
const INTERVAL_SECONDS = 1
const MAX_CPU_RATIO = 0.05
/** Time between two searches for paths that are slow without loss. */
const SLOW_PATH_INTERVAL_SECONDS = 5
/** Paths of one fault fail within this time. An earlier evaluation would see a part of the fault. */
const SETTLE_SECONDS = 1.5
/** In a fleet that never settles, the longest time from a change to the next evaluation. */
const MAX_SETTLE_SECONDS = 6

type Deps = Pick<MeshDependencies, 'observer'> & {
  clock: Clock
  initialStates: Pick<InitialStates, 'lossyInterfaces'>
  paths: Paths
  pathStates: PathStates
  agents: Pick<MeshAgents, 'delivers' | 'silent' | 'interfaceProblem'>
  ingest: Pick<Ingest, 'lostSince'>
  losses: LossRecord
  /** Returns what is added to a mesh time for the wall clock. */
  shiftMs: () => number
  echoes: Pick<EchoCounts, 'between'>
  publisher: Pick<EventPublisher, 'interfaceChanged' | 'pathChanged'>
  racks: () => ReadonlyMap<string, string>
  reported: ReportedInterfaces
}

/** When the next evaluation is due. */
class EvaluationTimer {
  #dueSeconds = 0
  #changeSeconds: number | undefined
  #firstChangeSeconds: number | undefined

  /** A path or an agent has become worse. */
  recordChange(nowSeconds: number): void {
    this.#changeSeconds = nowSeconds
    this.#firstChangeSeconds ??= nowSeconds
  }

  isDue(nowSeconds: number): boolean {
    return nowSeconds >= this.#dueSeconds && this.#isSettled(nowSeconds)
  }

  start(): void {
    this.#changeSeconds = undefined
    this.#firstChangeSeconds = undefined
  }

  end(startSeconds: number, endSeconds: number): void {
    this.#dueSeconds = endSeconds + Math.max(INTERVAL_SECONDS, (endSeconds - startSeconds) / MAX_CPU_RATIO)
  }

  #isSettled(nowSeconds: number): boolean {
    return (
      this.#changeSeconds === undefined ||
      nowSeconds - this.#changeSeconds >= SETTLE_SECONDS ||
      nowSeconds - this.#firstChangeSeconds! >= MAX_SETTLE_SECONDS
    )
  }
}

/** Evaluates the states of interfaces each second, and decides when to compute the verdicts. */
class Evaluator {
  readonly #deps: Deps
  readonly #timer = new EvaluationTimer()
  readonly #interfaces = createInterfaceStates()
  readonly #holdBroadVerdicts = createBroadVerdictHold()
  readonly #results: PathResults
  readonly #directions: ReturnType<typeof createDirections>
  /** The verdicts before their directions were added. */
  #found: readonly Verdict[] = []
  #verdicts: readonly Verdict[] = []
  #hasSlowPath = false
  #slowPathDueSeconds = 0

  constructor(deps: Deps) {
    this.#deps = deps
    const { paths, agents, echoes } = deps
    this.#results = createPathResults(paths.recent)
    this.#directions = createDirections({
      paths: paths.all,
      interfaces: paths.interfaces,
      echoes,
      delivers: agents.delivers,
      interfaceProblem: agents.interfaceProblem,
    })
    for (const { node, interface: name } of deps.initialStates.lossyInterfaces)
      this.#interfaces.restore(node, name, this.#nowSecond())
  }

  #nowSecond(): number {
    return Math.floor(this.#deps.clock.now().getTime() / 1000)
  }

  /** A path or an agent has become worse: postpones the next evaluation until the fault has settled. */
  recordWorsening(): void {
    this.#timer.recordChange(this.#deps.clock.monotonicSeconds())
  }

  /** Returns the current verdicts, the most confident first. */
  verdicts(): readonly Verdict[] {
    return this.#verdicts
  }

  /** Returns the interfaces that are LOSSY over all their paths. */
  lossy(): readonly LossyInterface[] {
    return this.#interfaces.lossy()
  }

  /** Updates the states of the interfaces. Call it about every second. */
  evaluateInterfaces(): void {
    const { paths, ingest, publisher } = this.#deps
    this.#deps.losses.deleteOld(this.#deps.clock.now().getTime())
    if (paths.count() === 0) return
    for (const change of this.#interfaces.update(paths.interfaces(), ingest.lostSince, this.#nowSecond())) {
      publisher.interfaceChanged(change)
      if (change.state === PathState.PATH_STATE_UP) this.#clearPathsOf(change.lossy)
    }
  }

  /** Ends LOSSY on the paths of an interface that has recovered. */
  #clearPathsOf({ node, interface: name, lossSecond }: LossyInterface): void {
    const { clock, paths, publisher } = this.#deps
    const nowMs = clock.now().getTime()
    for (const path of paths.all()) {
      const { source, destination, health } = path
      if (source.interface !== name || (source.node !== node && destination.node !== node)) continue
      const change = clearWithInterface(health, (lossSecond + 1) * 1000, nowMs)
      if (change) publisher.pathChanged(path, change, '')
    }
  }

  /** Computes the verdicts if an evaluation is due. Call it about every second. */
  evaluate(): void {
    const { clock, observer } = this.#deps
    const startSeconds = clock.monotonicSeconds()
    if (!this.#timer.isDue(startSeconds)) return
    this.#timer.start()
    const nowMs = clock.now().getTime()
    if (this.#isAnythingBad(startSeconds, nowMs)) {
      this.#found = this.#holdBroadVerdicts(this.#judge(nowMs), this.#found, nowMs)
      this.#verdicts = this.#directions.addTo(this.#found, nowMs)
      observer.observeVerdicts(this.#verdicts)
    } else if (this.#verdicts.length > 0) {
      this.#found = []
      this.#verdicts = this.#directions.addTo([], nowMs)
      observer.observeVerdicts(this.#verdicts)
    }
    this.#timer.end(startSeconds, clock.monotonicSeconds())
  }

  #isAnythingBad(nowSeconds: number, nowMs: number): boolean {
    const { paths, pathStates } = this.#deps
    if (nowSeconds >= this.#slowPathDueSeconds) {
      this.#hasSlowPath = hasSlowPath(pathStates.measured(), paths.recent, nowMs)
      this.#slowPathDueSeconds = nowSeconds + SLOW_PATH_INTERVAL_SECONDS
    }
    return this.#hasSlowPath || this.lossy().length > 0 || pathStates.hasBad()
  }

  #judge(nowMs: number): Verdict[] {
    const { pathStates, agents, racks, reported, losses, shiftMs } = this.#deps
    return judgeMesh({
      lossSince: losses.since.bind(losses),
      shiftMs: shiftMs(),
      measured: pathStates.measured(),
      results: this.#results,
      silent: agents.silent(),
      interfaceProblem: agents.interfaceProblem,
      lossy: this.lossy(),
      racks: racks(),
      local: reported.evidence(),
      packetBytes: reported.packetBytes(),
      previous: this.#found,
      nowMs,
    })
  }
}

export type { Evaluator }

/** Returns the evaluator of the mesh, with the interfaces that were LOSSY before this collector started. */
export const createEvaluator = (deps: Deps): Evaluator => new Evaluator(deps)
