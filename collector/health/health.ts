import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { CheckGateResponse, CheckRecord, NodeHealth } from '#proto/meshgauge/collector/v1/health.ts'
import type { Clock } from '../../lib/clock.ts'
import { describeCallError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import type { PeriodicCheck } from '../inventory/config.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { isReady, selectNodes } from '../inventory/selectors.ts'
import type { Store } from '../store/store.ts'
import { createCatalogue } from './catalogue.ts'
import { type Facts, judgeNode, missingChecks, type Required } from './gate.ts'
import { startPeriodic } from './periodic.ts'
import { createRecorder } from './recorder.ts'
import { createRequests, type NodeResult } from './requests.ts'
import { createRunner } from './runner.ts'
import { forget, worstOf } from './severity.ts'
import { createVerdicts } from './verdicts.ts'

/** What the metrics are told. */
export type HealthObserver = {
  /** What a check last said, also when it could not be carried out. */
  observeCheck(node: string, result: CheckResult): void
  /** What stands of a check, at each change and once after a restart. */
  observeRecord(node: string, record: CheckRecord): void
  /** A start of a check was dropped because it runs already. */
  observeOverlap(node: string, check: string): void
}

export type HealthDeps = {
  clock: Clock
  logger: Logger
  fleet: Pick<Fleet, 'nodes' | 'settled' | 'onChange' | 'connection'>
  store: Pick<Store, 'checks' | 'putChecks'>
  observer: HealthObserver
}

export type GateOptions = { maxAgeSeconds: number; runMissing: boolean; checks: readonly string[] }

/** A gate waits so long for another check that has the GPUs or the like. */
const GATE_BUSY_SECONDS = 60

/** What the checks of a fleet found: who runs them, when, what stands of them, and what that means for a job. */
export const createHealth = (deps: HealthDeps, initial: readonly PeriodicCheck[]) => {
  const { clock, fleet, store, observer } = deps
  let closed = false
  const catalogue = createCatalogue(deps)
  const verdicts = createVerdicts()
  const recorder = createRecorder({ clock, store, onRecorded: observer.observeRecord })
  const runner = createRunner({ clock, fleet, recorder, onOverlap: observer.observeOverlap })
  const requests = createRequests({ fleet, catalogue, runner })
  const showAll = () => {
    const names = new Set(fleet.nodes().map(({ name }) => name))
    for (const { node, record } of store.checks()) {
      if (!names.has(node)) continue
      if (record.result) observer.observeCheck(node, record.result)
      observer.observeRecord(node, record)
    }
  }
  showAll()
  // Again with what the agents say of their nodes, such as their models.
  void fleet.settled.then(() => {
    if (!closed) showAll()
  })
  const periodic = startPeriodic({ ...deps, runner, onResult: observer.observeCheck }, initial)
  const recordsOf = (node: string): CheckRecord[] => store.checks(node).map(({ record }) => record)

  /** What a node must have passed: the config's checks for it, else all that can run there and disturb nothing. */
  const requiredOf = async (node: Node, names: readonly string[]): Promise<Required[]> => {
    if (names.length > 0) return names.map((check) => ({ check, parameters: {}, byName: true }))
    const checks = periodic.entries()
    const configured = checks
      .filter(({ nodes }) =>
        selectNodes(fleet.nodes(), nodes, 'nodes').nodes.some(({ name }) => name === node.name),
      )
      .map(({ check, parameters }) => ({ check, parameters, byName: false }))
    if (checks.length > 0) return configured
    const listed = await catalogue.list(node.name)
    return listed
      .filter(({ invasive, reasons }) => !invasive && reasons.length === 0)
      .map(({ name }) => ({ check: name, parameters: {}, byName: false }))
  }

  const factsOf = async (name: string, job: readonly string[], options: GateOptions): Promise<Facts> => {
    const all = fleet.nodes()
    const node = all.find((candidate) => candidate.name === name)!
    let required: Required[] = []
    let trouble = ''
    try {
      required = await requiredOf(node, options.checks)
    } catch (error) {
      trouble = isReady(node) ? `its agent does not say what it can check: ${describeCallError(error)}` : ''
    }
    return {
      node,
      job: all.filter((candidate) => job.includes(candidate.name)),
      records: recordsOf(name),
      verdicts: verdicts.list(),
      required,
      trouble,
      now: clock.now(),
      maxAgeSeconds: options.maxAgeSeconds,
    }
  }

  const runMissing = async (facts: Facts, signal: AbortSignal) => {
    if (!isReady(facts.node)) return
    for (const { check, parameters } of missingChecks(facts)) {
      // Someone else's run answers as well as ours.
      await runner.over(facts.node.name, check)
      const run = await runner.run(facts.node, check, parameters, { busySeconds: GATE_BUSY_SECONDS, signal })
      observer.observeCheck(facts.node.name, run.result)
    }
  }

  return {
    /** Runs checks on nodes and keeps what they found. See Requests.run. */
    async *run(...request: Parameters<typeof requests.run>): AsyncGenerator<NodeResult> {
      for await (const each of requests.run(...request)) {
        observer.observeCheck(each.node, each.result)
        yield each
      }
    },

    /** Keeps what a check found that the collector carried out itself. */
    async record({ node, result }: NodeResult, parameters: Record<string, unknown>): Promise<void> {
      await recorder.record(node, result, parameters)
      observer.observeCheck(node, result)
    },

    /** What is known of nodes, in the order given. */
    list: (nodes: readonly Node[]): NodeHealth[] =>
      nodes.map(({ name }) => {
        const checks = recordsOf(name)
        return { node: name, severity: worstOf(checks), checks, runningChecks: runner.running(name) }
      }),

    /** Names that no agent knows, as violations of `checks`. */
    unknownChecks: catalogue.violations,

    /** Whether a job may have the nodes. */
    async gate(
      nodes: readonly Node[],
      options: GateOptions,
      signal: AbortSignal,
    ): Promise<CheckGateResponse> {
      const job = nodes.map(({ name }) => name)
      const judged = await Promise.all(
        job.map(async (name) => {
          const facts = await factsOf(name, job, options)
          if (!options.runMissing) return judgeNode(facts)
          await runMissing(facts, signal)
          return judgeNode(await factsOf(name, job, options))
        }),
      )
      return { open: judged.every(({ open }) => open), nodes: judged }
    },

    /** Forgets findings; all checks when none is named. @returns how many were forgotten */
    clear(nodes: readonly Node[], checks: readonly string[]): number {
      const found = nodes
        .flatMap(({ name }) => store.checks(name))
        .filter(
          ({ record }) =>
            record.findings.length > 0 &&
            (checks.length === 0 || checks.includes(record.result?.check ?? '')),
        )
      const cleared = found.map(({ node, record }) => ({ node, record: forget(record) }))
      store.putChecks(cleared)
      for (const { node, record } of cleared) observer.observeRecord(node, record)
      return found.reduce((sum, { record }) => sum + record.findings.length, 0)
    },

    /** A run that has ended, in the order in which runs end: whom it blames stands until another acquits. */
    observeRun: verdicts.observe,

    /** Puts other periodic checks in place. */
    setPeriodic: periodic.set,

    /** Ends the checks that the config started. */
    close: async () => {
      closed = true
      await periodic.close()
    },
  }
}

export type Health = ReturnType<typeof createHealth>
