/** A trial: creates a lab, measures it and prints the results. */

import type { RunChecksResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import {
  type Fault,
  formatFault,
  type LabDeps,
  type LabOptions,
  type OwnedLab,
  setFault,
} from '../../deploy/local/lab.ts'
import { type CollectorClient, connect } from '../client/connection.ts'
import { followInteractively } from '../client/follow-interactively.ts'
import { CommandError } from '../command-errors.ts'
import { PLANNING_DEADLINE_MS } from '../commands/plan.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { LAB_SECURITY, waitForNodes } from '../lab/readiness.ts'
import { type Addresses, createHosts, startLabAgents, startLabCollector } from '../lab/start-lab.ts'
import { checkReasons, checksExitCode, summariseChecks } from '../render/checks-text.ts'
import type { Paint } from '../render/paint.ts'
import {
  type MeasuredRun,
  renderTrialAnswer,
  renderTrialTables,
  runExtent,
  runFigures,
  trialExitCode,
  trialRunGrade,
} from '../render/trial-text.ts'
import { printLine, type Terminal } from '../terminal.ts'
import { createSteps, type Steps } from './steps.ts'
import { type TrialRun, trialRuns } from './trial-runs.ts'

export type TrialOptions = {
  kind: 'namespaces' | 'loopback'
  lab: LabOptions
  faults: readonly Fault[]
  durationSeconds: number
}

export type TrialDeps = { terminal: Terminal; lab: LabDeps; paint: Paint; stderrPaint: Paint }

export type Trial = { owned: OwnedLab; addresses: Addresses; client: CollectorClient; exitCode: ExitCode }

const CHECKS_DEADLINE_MS = 60_000

/** Starts hosts, agents and collector. Removes all of them if a step fails. */
const bringUp = async (
  { terminal, lab }: TrialDeps,
  options: TrialOptions,
  steps: Steps,
  signal: AbortSignal,
): Promise<Omit<Trial, 'exitCode'>> => {
  const { program } = terminal.machine
  const owned = await steps.step(
    'lab',
    () => createHosts(lab, options.kind, options.lab),
    ({ lab: made }) => ({ text: (made.nodes[0]?.interfaces ?? []).map(({ name }) => name).join(' ') }),
  )
  for (const warning of owned.warnings) printLine(terminal.stderr, warning)
  try {
    signal.throwIfAborted()
    for (const fault of options.faults) {
      await steps.step(
        'fault',
        () => setFault(lab, owned.lab, fault),
        () => ({ text: formatFault(fault) }),
      )
    }
    await steps.step(
      'agents',
      () => startLabAgents(lab, owned, program, signal),
      () => ({
        text: `${owned.lab.nodes.length} started`,
      }),
    )
    let client: CollectorClient | undefined
    const addresses = await steps.step(
      'collector',
      async () => {
        const started = await startLabCollector(lab, owned, program, signal)
        client = connect(started.collector, LAB_SECURITY)
        const { ready, silent } = await waitForNodes(client, terminal.clock, signal)
        return { ...started, ready, silent }
      },
      ({ ready, silent }) => ({
        text: `${ready} of ${owned.lab.nodes.length} nodes ready`,
        grade: silent.length > 0 ? 'bad' : 'good',
        note: silent.join('; '),
      }),
    )
    if (!client) throw new Error('the collector was started without a client')
    return { owned, addresses, client }
  } catch (error) {
    await owned.down()
    throw error
  }
}

const runChecks = async (client: CollectorClient, signal: AbortSignal): Promise<RunChecksResponse[]> => {
  const responses: RunChecksResponse[] = []
  const request = { checks: ['reachability', 'interfaces'] }
  for await (const response of client.fleet.runChecks(request, { signal, deadline: CHECKS_DEADLINE_MS })) {
    responses.push(response)
  }
  return responses
}

const measure = async (
  { terminal, stderrPaint }: TrialDeps,
  client: CollectorClient,
  { name, spec }: TrialRun,
  signal: AbortSignal,
): Promise<MeasuredRun> => {
  const { run } = await client.runs.createRun({ spec }, { signal, deadline: PLANNING_DEADLINE_MS })
  if (!run) throw new Error('the collector answered CreateRun without a run')
  const followed = await followInteractively({ terminal, client }, run, {
    onInterrupt: 'cancel',
    paint: stderrPaint,
  })
  // An interrupted trial prints no tables, because they would be incomplete.
  signal.throwIfAborted()
  return { name, run: followed.run, pairs: followed.pairs }
}

/** Creates a lab, measures it and prints the results. The lab still runs; the caller removes it. */
export const runTrial = async (
  deps: TrialDeps,
  options: TrialOptions,
  signal: AbortSignal,
): Promise<Trial> => {
  const { terminal, paint } = deps
  const steps = createSteps(terminal, paint)
  const { owned, addresses, client } = await bringUp(deps, options, steps, signal)
  try {
    const checks = await steps.step(
      'checks',
      () => runChecks(client, signal),
      (responses) => ({
        text: summariseChecks(responses),
        grade: checksExitCode(responses) === EXIT.healthy ? 'good' : 'bad',
      }),
    )
    for (const line of checkReasons(checks, paint)) printLine(terminal.stdout, `      ${line}`)
    const all: MeasuredRun[] = []
    for (const run of trialRuns(options.durationSeconds)) {
      const measured = await steps.step(
        run.name,
        () => measure(deps, client, run, signal),
        (value) => ({
          text: runExtent(value),
          note: runFigures(value),
          grade: trialRunGrade(value),
        }),
      )
      all.push(measured)
    }
    const tables = renderTrialTables(all, { paint, columns: terminal.stdout.columns })
    printLine(terminal.stdout, `\n${tables}\n\n${renderTrialAnswer(all, paint)}`)
    return { owned, addresses, client, exitCode: trialExitCode(all, checksExitCode(checks)) }
  } catch (error) {
    client.close()
    await owned.down()
    throw error
  }
}

/** Turns an error of the lab, which is wrong usage elsewhere, into one with the exit code for "not measured". */
export const asNotMeasured = (error: unknown): unknown =>
  error instanceof Error && error.name === 'LabError'
    ? new CommandError(error.message, EXIT.notMeasured)
    : error
