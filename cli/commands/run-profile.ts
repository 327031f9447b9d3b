/** `run --profile`: runs the tests of a profile in order, prints the report of each, and whether all passed. */

import { isAbortError } from 'abort-controller-x'
import type { Profile, ProfileSource, RunProfileRequest } from '#proto/meshgauge/collector/v1/profile.ts'
import type { Run, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { describeCallError } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { counted, formatDuration } from '../../lib/units.ts'
import { type Invocation, withClient } from '../app.ts'
import type { CollectorClient } from '../client/connection.ts'
import { readResults } from '../client/follow-run.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { readProfileSource } from '../options/profile-source.ts'
import type { RunOptions } from '../options/run-options.ts'
import { flagOf, listsOwnNodes } from '../options/topology-options.ts'
import { hasEnded } from '../render/enum-words.ts'
import { sanitize } from '../render/paint.ts'
import { renderPlan } from '../render/plan-text.ts'
import { renderProfileEnd } from '../render/profile-text.ts'
import { createProgress } from '../render/progress.ts'
import { planDocument, resultDocument } from '../render/run-document.ts'
import { runExitCode } from '../render/run-headline.ts'
import { renderReport } from '../render/run-report.ts'
import { printJson, printLine } from '../terminal.ts'
import { PLANNING_DEADLINE_MS } from './plan.ts'

export type ProfileOptions = RunOptions & { profile?: string; dryRun?: boolean; detach?: boolean }

type ProfileRequest = Omit<RunProfileRequest, 'profile'> & { profile: ProfileSource }

/** Every call needs a deadline. 7 days are longer than any profile. */
const DEADLINE_MS = 7 * 24 * 3600 * 1000

/** The options that may be given together with --profile. */
const ALLOWED = new Set(['profile', 'dryRun', 'nodes', 'interface', 'label'])
const GLOBAL = new Set(['collector', 'json', 'tlsCa', 'tlsCert', 'tlsKey', 'insecure', 'color'])

const readProfileRequest = (invocation: Invocation<ProfileOptions>): ProfileRequest => {
  const { operands, passThrough, options, read, problems } = invocation
  const said = 'is set by the profile; remove it here, or change the profile'
  if (operands[0] !== undefined) read.refuse('TOPOLOGY', said)
  for (const [option, value] of Object.entries(options))
    if (value !== undefined && !ALLOWED.has(option) && !GLOBAL.has(option)) read.refuse(flagOf(option), said)
  if (passThrough.length > 0) read.refuse('--', said)
  return {
    profile: readProfileSource('--profile', options.profile ?? '', problems),
    nodes: read.list('--nodes', options.nodes),
    interfaces: read.list('--interface', options.interface),
    label: options.label ?? '',
  }
}

const resolve = async (client: CollectorClient, profile: ProfileSource): Promise<Profile> => {
  const answer = await client.profiles.resolveProfile({ profile })
  if (!answer.profile) throw new Error('the collector answered ResolveProfile without a profile')
  return answer.profile
}

/** The spec of a step with the options of the command line: label, nodes and interfaces. */
const withOverrides = (spec: RunSpec, { nodes, interfaces, label }: ProfileRequest): RunSpec => {
  const topology = spec.topology
  const keepsNodes = nodes.length === 0 || !topology || listsOwnNodes(topology.kind)
  return {
    ...spec,
    label,
    topology: keepsNodes ? topology : { ...topology, nodes },
    interfaces: interfaces.length > 0 ? interfaces : spec.interfaces,
  }
}

/** Prints the plan of every test. Nothing is measured. */
const dryRun = async (
  invocation: Invocation<ProfileOptions>,
  client: CollectorClient,
  request: ProfileRequest,
) => {
  const { terminal, options } = invocation
  const profile = await resolve(client, request.profile)
  const steps = []
  let seconds = 0
  for (const [index, step] of profile.steps.entries()) {
    const spec = withOverrides(step.spec!, request)
    const { plan } = await client.runs.planRun({ spec }, { deadline: PLANNING_DEADLINE_MS })
    if (!plan) throw new Error('the collector answered PlanRun without a plan')
    const isLast = index === profile.steps.length - 1
    seconds += (fromDuration(plan.duration) ?? 0) + (isLast ? 0 : (fromDuration(step.cooldown) ?? 0))
    steps.push({ name: step.name, plan: planDocument(plan), expectations: spec.expectations })
    if (!options.json)
      printLine(terminal.stdout, `${index + 1}. ${sanitize(step.name)}: ${renderPlan(spec, plan)}`)
  }
  const end = `${counted(steps.length, 'test')}, about ${formatDuration(seconds)} including pauses. Nothing was sent.`
  if (options.json) printJson(terminal.stdout, { profile: profile.name, dryRun: true, seconds, steps })
  else printLine(terminal.stdout, end)
  return EXIT.healthy
}

type ProfileOutcome = { runs: Run[]; passed: boolean; interrupted: boolean }

/** Follows the profile to its end. The first Ctrl-C cancels the current run, the second one leaves at once. */
const followProfile = async (
  { terminal, stderrPaint }: Invocation<ProfileOptions>,
  client: CollectorClient,
  request: ProfileRequest,
  { steps }: Profile,
  onRun: (step: number, run: Run) => Promise<void>,
): Promise<ProfileOutcome> => {
  const runs: Run[] = []
  const stopping = new AbortController()
  let passed = false
  let interrupted = false
  let progress = createProgress({ stream: terminal.stderr, paint: stderrPaint, clock: terminal.clock })
  const stopListening = terminal.onInterrupt(() => {
    const current = runs.at(-1)
    if (interrupted || !current || hasEnded(current)) stopping.abort()
    else {
      progress.note('Cancelling the run. Press Ctrl-C again to leave at once.')
      client.runs
        .cancelRun({ runId: current.id })
        .catch((error: unknown) => progress.note(`Cannot cancel the run: ${describeCallError(error)}`))
    }
    interrupted = true
  })
  try {
    const call = { signal: stopping.signal, deadline: DEADLINE_MS }
    for await (const event of client.profiles.runProfile(request, call)) {
      passed = event.passed ?? passed
      const { run, step } = event
      if (!run) continue
      if (runs.length <= step) {
        progress = createProgress({ stream: terminal.stderr, paint: stderrPaint, clock: terminal.clock })
        progress.note(`Test ${step + 1} of ${steps.length}: ${steps[step]?.name ?? ''}`)
      }
      const isNew = !hasEnded(run) || !(runs[step] && hasEnded(runs[step]))
      runs[step] = run
      if (!hasEnded(run)) progress.update(run)
      else if (isNew) {
        progress.end()
        await onRun(step, run)
      }
    }
    return { runs, passed, interrupted }
  } catch (error) {
    if (!stopping.signal.aborted || !isAbortError(error)) throw error
    return { runs, passed: false, interrupted: true }
  } finally {
    progress.end()
    stopListening()
  }
}

export const runProfile = (invocation: Invocation<ProfileOptions>): Promise<ExitCode> => {
  const { terminal, options, paint } = invocation
  const request = readProfileRequest(invocation)
  return withClient(invocation, async (client) => {
    if (options.dryRun) return dryRun(invocation, client, request)
    const profile = await resolve(client, request.profile)
    const documents: object[] = []
    const exits: ExitCode[] = []
    const onRun = async (step: number, run: Run) => {
      const pairs = await readResults(client, run.id)
      const name = profile.steps[step]?.name ?? ''
      exits.push(runExitCode(run))
      if (options.json) documents.push({ name, ...resultDocument(run, pairs) })
      else {
        const title = paint('bold', `${step + 1} of ${profile.steps.length}: ${sanitize(name)}`)
        const report = renderReport(run, pairs, { paint, columns: terminal.stdout.columns })
        printLine(terminal.stdout, `${title}\n\n${report}\n`)
      }
    }
    const { runs, passed, interrupted } = await followProfile(invocation, client, request, profile, onRun)
    if (options.json) printJson(terminal.stdout, { profile: profile.name, passed, steps: documents })
    else {
      const end = renderProfileEnd(profile.name, runs, profile.steps.length, passed, paint)
      printLine(terminal.stdout, end)
    }
    if (interrupted) return EXIT.interrupted
    if (exits.includes(EXIT.verdict)) return EXIT.verdict
    return passed && exits.every((exit) => exit === EXIT.healthy) ? EXIT.healthy : EXIT.notMeasured
  })
}
