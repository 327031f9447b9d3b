import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import type { CheckGateResponse } from '#proto/meshgauge/collector/v1/health.ts'
import type { Clock } from '../../../lib/clock.ts'
import { describeCallError } from '../../../lib/errors.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import type { FleetNode } from '../../inventory/node.ts'
import { isReady, selectNodes } from '../../inventory/selectors.ts'
import type { Store } from '../../store/store.ts'
import type { CheckCatalogue } from '../agents/check-catalogue.ts'
import type { CheckRunner } from '../agents/check-runner.ts'
import type { PeriodicChecks } from '../agents/periodic-checks.ts'
import { type GateFacts, judgeNode, missingChecks, type RequiredCheck } from './gate.ts'
import type { StandingVerdicts } from './standing-verdicts.ts'

export type JobGateDeps = {
  clock: Pick<Clock, 'now'>
  fleet: Pick<Fleet, 'nodes'>
  store: Pick<Store, 'checks'>
  catalogue: CheckCatalogue
  runner: CheckRunner
  periodic: PeriodicChecks
  verdicts: StandingVerdicts
  onResult(node: string, result: CheckResult): void
}

export type GateOptions = {
  /** Results and verdicts older than this do not count. */
  maxAgeSeconds: number
  /** Run the required checks that have no current result. */
  runMissing: boolean
  /** The required checks; empty for those of the config, or else all that disturb nothing. */
  checks: readonly string[]
}

/** How long a missing check waits for a resource, such as the GPUs, that another check uses. */
const BUSY_SECONDS = 60

/** Collects the facts about the nodes of a job, and judges whether they may take it. */
export class JobGate {
  readonly #deps: JobGateDeps

  constructor(deps: JobGateDeps) {
    this.#deps = deps
  }

  async check(
    nodes: readonly FleetNode[],
    options: GateOptions,
    signal: AbortSignal,
  ): Promise<CheckGateResponse> {
    const job = nodes.map(({ name }) => name)
    const judged = await Promise.all(
      job.map(async (name) => {
        const facts = await this.#factsOf(name, job, options)
        if (!options.runMissing) return judgeNode(facts)
        await this.#runMissing(facts, signal)
        return judgeNode(await this.#factsOf(name, job, options))
      }),
    )
    return { open: judged.every(({ open }) => open), nodes: judged }
  }

  async #factsOf(name: string, job: readonly string[], options: GateOptions): Promise<GateFacts> {
    const { clock, fleet, store, verdicts } = this.#deps
    const all = fleet.nodes()
    const node = all.find((candidate) => candidate.name === name)!
    let required: RequiredCheck[] = []
    let requiredProblem = ''
    try {
      required = await this.#requiredChecksOf(node, options.checks)
    } catch (error) {
      // A node that is not ready has a reason already.
      if (isReady(node)) requiredProblem = `its agent does not list its checks: ${describeCallError(error)}`
    }
    return {
      node,
      job: all.filter((candidate) => job.includes(candidate.name)),
      records: store.checks(name).map(({ record }) => record),
      verdicts: verdicts.list(),
      required,
      requiredProblem,
      now: clock.now(),
      maxAgeSeconds: options.maxAgeSeconds,
    }
  }

  /** The checks with these names; without names those of the config; without these all that can run and disturb nothing. */
  async #requiredChecksOf(node: FleetNode, names: readonly string[]): Promise<RequiredCheck[]> {
    const { fleet, periodic, catalogue } = this.#deps
    if (names.length > 0) return names.map((check) => ({ check, parameters: {}, byName: true }))
    if (periodic.entries.length > 0)
      return periodic.entries
        .filter(({ nodes }) =>
          selectNodes(fleet.nodes(), nodes, 'nodes').nodes.some(({ name }) => name === node.name),
        )
        .map(({ check, parameters }) => ({ check, parameters, byName: false }))
    const listed = await catalogue.list(node.name)
    return listed
      .filter(({ invasive, reasons }) => !invasive && reasons.length === 0)
      .map(({ name }) => ({ check: name, parameters: {}, byName: false }))
  }

  async #runMissing(facts: GateFacts, signal: AbortSignal): Promise<void> {
    const { runner, onResult } = this.#deps
    const { node } = facts
    if (!isReady(node)) return
    for (const { check, parameters } of missingChecks(facts)) {
      // A run of the same check for another caller must end first.
      await runner.waitForEnd(node.name, check)
      const { result } = await runner.run(node, check, parameters, { busySeconds: BUSY_SECONDS, signal })
      onResult(node.name, result)
    }
  }
}
