import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import type { CheckGateResponse, CheckRecord, NodeHealth } from '#proto/meshgauge/collector/v1/health.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Violation } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import type { PeriodicCheck } from '../inventory/config.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { FleetNode } from '../inventory/node.ts'
import type { Run } from '../store/run.ts'
import type { Store } from '../store/store.ts'
import { CheckCatalogue } from './agents/check-catalogue.ts'
import { type CheckRequest, CheckRequests, type NodeResult } from './agents/check-requests.ts'
import { CheckRunner } from './agents/check-runner.ts'
import { PeriodicChecks } from './agents/periodic-checks.ts'
import type { CheckParameters } from './assign/check-parameters.ts'
import { type GateOptions, JobGate } from './judge/job-gate.ts'
import { StandingVerdicts } from './judge/standing-verdicts.ts'
import { CheckRecorder } from './state/check-recorder.ts'
import { clearFindings, worstSeverityOf } from './state/findings.ts'

/** Receives the results of checks, for the metrics. */
export type HealthObserver = {
  /** The last result of a check, also when the check could not be carried out. */
  observeCheck(node: string, result: CheckResult): void
  /** The record of a check, after each change and after a restart. */
  observeRecord(node: string, record: CheckRecord): void
  /** A start of a check was dropped because the check was running. */
  observeOverlap(node: string, check: string): void
}

export type HealthDeps = {
  clock: Clock
  logger: Logger
  fleet: Pick<Fleet, 'nodes' | 'settled' | 'onChange' | 'connection'>
  store: Pick<Store, 'checks' | 'putChecks'>
  observer: HealthObserver
}

/** The health of the nodes: runs checks, stores their findings, and decides whether a node may take a job. */
export class Health {
  readonly #deps: HealthDeps
  readonly #catalogue: CheckCatalogue
  readonly #recorder: CheckRecorder
  readonly #runner: CheckRunner
  readonly #requests: CheckRequests
  readonly #periodic: PeriodicChecks
  readonly #verdicts = new StandingVerdicts()
  readonly #gate: JobGate
  #isClosed = false

  constructor(deps: HealthDeps, periodicChecks: readonly PeriodicCheck[]) {
    const { observer } = deps
    const onResult = (node: string, result: CheckResult) => observer.observeCheck(node, result)
    this.#deps = deps
    this.#catalogue = new CheckCatalogue(deps)
    this.#recorder = new CheckRecorder({
      ...deps,
      onRecorded: (node, record) => observer.observeRecord(node, record),
    })
    this.#runner = new CheckRunner({
      ...deps,
      record: (node, result, parameters) => this.#recorder.record(node, result, parameters),
      onOverlap: (node, check) => observer.observeOverlap(node, check),
    })
    const parts = { ...deps, catalogue: this.#catalogue, runner: this.#runner, onResult }
    this.#requests = new CheckRequests(parts)
    this.#reportStoredChecks()
    // Again when the agents have answered: then the models of the nodes are known, which the metrics show.
    void deps.fleet.settled.then(() => {
      if (!this.#isClosed) this.#reportStoredChecks()
    })
    this.#periodic = new PeriodicChecks(parts, periodicChecks)
    this.#gate = new JobGate({ ...parts, periodic: this.#periodic, verdicts: this.#verdicts })
  }

  /** Runs checks on nodes and stores their results. See CheckRequests.run. */
  async *run(request: CheckRequest, signal: AbortSignal): AsyncGenerator<NodeResult> {
    for await (const each of this.#requests.run(request, signal)) {
      this.#deps.observer.observeCheck(each.node, each.result)
      yield each
    }
  }

  /** Stores the result of a check that the collector itself has carried out. @throws OperatingError STORE_UNAVAILABLE */
  async record({ node, result }: NodeResult, parameters: CheckParameters): Promise<void> {
    await this.#recorder.record(node, result, parameters)
    this.#deps.observer.observeCheck(node, result)
  }

  /** The stored results of nodes, and the checks that run on them now, in the order of `nodes`. */
  list(nodes: readonly FleetNode[]): NodeHealth[] {
    return nodes.map(({ name }) => {
      const checks = this.#deps.store.checks(name).map(({ record }) => record)
      const runningChecks = this.#runner.activeChecks(name)
      return { node: name, severity: worstSeverityOf(checks), checks, runningChecks }
    })
  }

  /** Violations for the names that no agent of the nodes knows. */
  unknownChecks(nodes: readonly FleetNode[], checks: readonly string[]): Promise<Violation[]> {
    return this.#catalogue.unknownChecks(nodes, checks)
  }

  /** Whether a job may use the nodes. */
  gate(nodes: readonly FleetNode[], options: GateOptions, signal: AbortSignal): Promise<CheckGateResponse> {
    return this.#gate.check(nodes, options, signal)
  }

  /** Removes the findings of these checks; of all checks when the list is empty. @returns the number of findings */
  clear(nodes: readonly FleetNode[], checks: readonly string[]): number {
    const { store, observer } = this.#deps
    const found = nodes
      .flatMap(({ name }) => store.checks(name))
      .filter(
        ({ record }) =>
          record.findings.length > 0 && (checks.length === 0 || checks.includes(record.result?.check ?? '')),
      )
    const cleared = found.map(({ node, record }) => ({ node, record: clearFindings(record) }))
    store.putChecks(cleared)
    for (const { node, record } of cleared) observer.observeRecord(node, record)
    return found.reduce((sum, { record }) => sum + record.findings.length, 0)
  }

  /** Takes over the verdicts of an ended run. They apply until a later run clears them. Call it in the order of the ends. */
  observeRun(run: Run, results: readonly PairResult[]): void {
    this.#verdicts.observeRun(run, results)
  }

  /** Replaces the periodic checks. */
  setPeriodic(checks: readonly PeriodicCheck[]): void {
    this.#periodic.set(checks)
  }

  /** Ends the periodic checks. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#periodic.close()
  }

  #reportStoredChecks(): void {
    const { fleet, store, observer } = this.#deps
    const names = new Set(fleet.nodes().map(({ name }) => name))
    for (const { node, record } of store.checks()) {
      if (!names.has(node)) continue
      if (record.result) observer.observeCheck(node, record.result)
      observer.observeRecord(node, record)
    }
  }
}
