import type { PingMeshRequest, PingMeshResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Verdict } from '../../collector/diagnosis/verdict.ts'
import { createMeshSpec, type MeshSpec } from '../../collector/mesh/assign/mesh-spec.ts'
import { createAccounting } from './checkers/accounting.ts'
import type { Checker, Violation } from './checkers/checker.ts'
import { gaugesOf, LARGE_NODES } from './checkers/gauges.ts'
import { createLeaseChecker } from './checkers/leases.ts'
import { createMemoryChecker } from './checkers/memory.ts'
import { createResultChecker } from './checkers/results.ts'
import type { InjectedFault } from './checkers/run-verdicts.ts'
import { createVerdictChecker } from './checkers/verdicts.ts'
import { injectFaults } from './faults/fault-schedule.ts'
import { createTampering } from './faults/lies.ts'
import { createScheduledWork } from './scheduled-work.ts'
import { createTrace, type Trace } from './trace.ts'
import { keepWorking } from './work.ts'
import { createWorld, type World, type WorldOptions } from './world/world.ts'

const RACK_SIZE = 8
/** Time between two looks at the verdicts. In a large fleet a look takes milliseconds. */
const VERDICT_SECONDS = { small: 1, large: 10 }
/** From the end of all faults until everything is measured as well again: hold times are up to 10 minutes. */
const RECOVERY_SECONDS = 900
/** Time at the end of the simulated time without faults and without new work. */
const CALM_SECONDS = 240
const CALM_RATIO = 0.3
/** Violations after which a simulation ends. */
const MAX_VIOLATIONS = 20

export type SimulationOptions = {
  seed: number
  nodes: number
  /** Simulated time with faults and work, and calm at its end. */
  seconds: number
  /** Every node probes every other one; the default up to 100 nodes. */
  isFullMesh?: boolean
  /** What a test of a checker breaks. */
  sabotage?: {
    wrapStore?: NonNullable<WorldOptions['wrapStore']>
    ignoresEnd?: NonNullable<WorldOptions['ignoresEnd']>
    verdicts?: (real: readonly Verdict[], world: World) => readonly Verdict[]
    /** Runs in parallel to the simulation. */
    run?: (world: World) => void
  }
  onProgress?: (seconds: number) => void
}

export type SimulationResult = {
  seed: number
  violations: Violation[]
  traceHash: string
  /** The last events before the end, for people. */
  traceLines: readonly string[]
  seconds: number
  counts: {
    events: number
    windows: number
    faults: number
    /** Faults that the mesh had to name and named, and those of runs. */
    named: number
    namedByRuns: number
    runs: number
  }
}

/** The mesh of a large fleet: nodes have 21 peers at a time, as the default is above 200 nodes. */
const LARGE_MESH = { fullMeshLimit: LARGE_NODES, intervalSeconds: 2, windowSeconds: 30 }

const meshOf = ({ nodes, isFullMesh = nodes <= LARGE_NODES }: SimulationOptions): MeshSpec =>
  createMeshSpec({ interfaces: ['net0'], ...(isFullMesh ? { fullMeshLimit: nodes } : LARGE_MESH) })

/** Whether all paths that are probed are well; those of new peers have no state yet. */
const isAllUp = (world: World): boolean => {
  const paths = [...world.collector.parts().meshes.paths()].filter(
    ({ path }) => path.releasedMs === undefined,
  )
  const isUp = paths.some(({ state }) => state === PathState.PATH_STATE_UP)
  const isWell = (state: PathState) =>
    state === PathState.PATH_STATE_UP || state === PathState.PATH_STATE_UNSPECIFIED
  return isUp && paths.every(({ state }) => isWell(state))
}

/** Runs one seed: what happens, and what the checkers found to be wrong. */
class Simulation {
  readonly #options: SimulationOptions
  readonly #violations: Violation[] = []
  readonly #faults: InjectedFault[] = []
  readonly #world: World
  readonly #trace: Trace
  readonly #checkers: Checker[]
  readonly #verdicts: ReturnType<typeof createVerdictChecker>
  readonly #accounting: ReturnType<typeof createAccounting>
  readonly #leases: ReturnType<typeof createLeaseChecker>
  readonly #tampering: ReturnType<typeof createTampering>
  readonly #results = createResultChecker(() => this.#world.collector.parts().store)
  #isOver = false

  constructor(options: SimulationOptions) {
    this.#options = options
    const { sabotage = {} } = options
    this.#accounting = createAccounting(() => this.#world.collector.parts().store)
    this.#world = createWorld({
      seed: options.seed,
      nodes: options.nodes,
      rackSize: RACK_SIZE,
      ...(sabotage.wrapStore && { wrapStore: sabotage.wrapStore }),
      ...(sabotage.ignoresEnd && { ignoresEnd: sabotage.ignoresEnd }),
      observer: {
        onCall: (call) => {
          this.#trace.note(`${call.node} ${call.path} begins`)
          this.#leases.onCall(call)
        },
        onCallEnd: (call) => {
          this.#trace.note(`${call.node} ${call.path} ends`)
          this.#leases.onCallEnd(call)
        },
        onRequest: (call, message) => {
          if (call.path === 'PingService/PingMesh') this.#accounting.onRequest(message as PingMeshRequest)
        },
        onResponse: (call, message) => {
          if (call.path !== 'PingService/PingMesh') return
          const response = message as PingMeshResponse
          this.#accounting.onResponse(call, response)
          if (response.event?.$case === 'started') this.#trace.note(response.event.value.session)
          if (response.event?.$case !== 'batch') return
          const { sequence, windows } = response.event.value
          this.#trace.note(call.node, sequence, ...windows.map((group) => group.windows.length))
        },
        tamper: ({ node, path }, message) =>
          path === 'PingService/PingMesh' ? this.#tampering.tamper(node, message) : [message],
      },
    })
    const world = this.#world
    this.#trace = createTrace(world.time.seconds)
    this.#leases = createLeaseChecker(world)
    this.#tampering = createTampering(world.random('lies'))
    const isLarge = options.nodes > LARGE_NODES
    const real = () => world.collector.parts().meshes.verdicts()
    this.#verdicts = createVerdictChecker(world, this.#faults, {
      rackSize: RACK_SIZE,
      everySeconds: isLarge ? VERDICT_SECONDS.large : VERDICT_SECONDS.small,
      verdicts: () => sabotage.verdicts?.(real(), world) ?? real(),
    })
    this.#checkers = [
      this.#accounting.checker,
      this.#results.checker,
      this.#leases.checker,
      this.#verdicts.checker,
      createMemoryChecker(gaugesOf(world, this.#accounting.mostWaiting), {
        progress: () => world.time.seconds() / options.seconds,
        killedNodes: () => world.collector.killCount() * options.nodes,
      }),
    ]
  }

  async run(): Promise<SimulationResult> {
    const world = this.#world
    try {
      await world.time.run(this.#work(), this.#options.seconds + 3 * RECOVERY_SECONDS)
    } finally {
      world.destroy()
    }
    return {
      seed: this.#options.seed,
      violations: this.#violations,
      traceHash: this.#trace.hash(),
      traceLines: this.#trace.lines(),
      seconds: world.time.seconds(),
      counts: {
        events: world.time.eventCount(),
        windows: this.#accounting.windowCount(),
        faults: this.#faults.length,
        named: this.#verdicts.namedCount(),
        namedByRuns: this.#verdicts.namedByRunsCount(),
        runs: this.#results.count(),
      },
    }
  }

  async #work(): Promise<void> {
    const world = this.#world
    const { clock, time } = world
    const mesh = meshOf(this.#options)
    world.start(mesh)
    this.#options.sabotage?.run?.(world)
    const startCollector = () => {
      world.collector.start()
      world.collector.parts().meshes.set('always', mesh)
    }
    const checking = this.#keepChecking()
    const { seconds } = this.#options
    const endSeconds = seconds - Math.min(CALM_SECONDS, CALM_RATIO * seconds)
    const scheduled = createScheduledWork(world)
    await Promise.race([
      Promise.all([
        scheduled.keep(endSeconds),
        injectFaults(
          {
            context: { ...world, tampering: this.#tampering, startCollector },
            random: world.random,
            sleep: (seconds) => clock.sleep(seconds),
            seconds: time.seconds,
            trace: this.#trace,
            faults: this.#faults,
          },
          endSeconds,
        ),
        keepWorking(
          {
            world,
            random: world.random('work'),
            trace: this.#trace,
            onRun: (ended) => {
              this.#results.add(ended)
              const { run, startSeconds } = ended
              // A collector that shuts down ends its runs, and can no longer be asked.
              const { collector } = world
              const results = collector.isRunning() ? collector.parts().store.allResults(run.id) : []
              this.#report('verdicts', this.#verdicts.checkRun(run, results, startSeconds))
            },
            nameable: this.#verdicts.nameable,
          },
          endSeconds,
        ),
      ]),
      checking,
    ])
    await Promise.race([this.#recover(), checking])
    this.#isOver = true
    await checking
    for (const run of scheduled.runs())
      this.#results.add({ run, watched: undefined, startSeconds: time.seconds() })
    const disturbances = this.#faults.filter(({ kind }) => kind.includes('collector')).length
    this.#report('schedules', scheduled.problems(disturbances))
    for (const checker of this.#checkers) this.#report(checker.name, await checker.finish())
    await world.collector.shutDown()
    this.#report('bugs', world.bugs)
  }

  /** Until the end of the simulated time, and then until all is measured as well again. */
  async #recover(): Promise<void> {
    const { clock, time, collector } = this.#world
    const { seconds } = this.#options
    if (time.seconds() < seconds) await clock.sleep(seconds - time.seconds())
    const lastSeconds = time.seconds() + RECOVERY_SECONDS
    const isWell = () => isAllUp(this.#world) && collector.parts().meshes.verdicts().length === 0
    while (!isWell()) {
      if (time.seconds() > lastSeconds) {
        const { meshes } = collector.parts().meshes.get()
        const problems = meshes.flatMap((mesh) => mesh.problems).slice(0, 3)
        this.#report('recovery', [
          `not all paths are up ${RECOVERY_SECONDS} s after the last fault: ${problems}`,
        ])
        return
      }
      await clock.sleep(5)
    }
  }

  async #keepChecking(): Promise<void> {
    const { clock, time } = this.#world
    while (!this.#isOver && this.#violations.length < MAX_VIOLATIONS) {
      await clock.sleep(1)
      for (const checker of this.#checkers) this.#report(checker.name, checker.check())
      if (time.seconds() % 60 < 1) this.#options.onProgress?.(time.seconds())
    }
  }

  #report(checker: string, texts: readonly string[]): void {
    const seconds = this.#world.time.seconds()
    for (const text of texts) {
      // What lasts is reported once.
      if (this.#violations.some((known) => known.checker === checker && known.text === text)) continue
      this.#violations.push({ checker, seconds, text })
      this.#trace.say(`VIOLATION of ${checker}: ${text}`)
    }
  }
}

export const simulate = (options: SimulationOptions): Promise<SimulationResult> =>
  new Simulation(options).run()
