/** `run --profile`: the tests of a profile one after the other, each with its report, and whether all passed. */

import { isAbortError } from 'abort-controller-x'
import type { Profile, ProfileSource, RunProfileRequest } from '#proto/meshgauge/collector/v1/profile.ts'
import { type Run, type RunSpec, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { describeCallError } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { formatDuration } from '../../lib/units.ts'
import { type Invocation, withClient } from '../app.ts'
import type { CollectorClient } from '../connection.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { readResults } from '../follow.ts'
import { readProfileSource } from '../options/profile-source.ts'
import type { RunOptions } from '../options/run-options.ts'
import { flagOf } from '../options/topology.ts'
import { planDocument, resultDocument } from '../render/document.ts'
import { counted } from '../render/figures.ts'
import { exitCodeOf } from '../render/judgement.ts'
import { harmless } from '../render/paint.ts'
import { renderPlan } from '../render/plan-text.ts'
import { renderProfileEnd } from '../render/profile.ts'
import { createProgress } from '../render/progress.ts'
import { renderReport } from '../render/report.ts'
import { hasEnded } from '../render/words.ts'
import { printJson, printLine } from '../terminal.ts'
import { PLANNING_DEADLINE_MS } from './plan.ts'

export type ProfileOptions = RunOptions & { profile?: string; dryRun?: boolean; detach?: boolean }

type Wanted = Omit<RunProfileRequest, 'profile'> & { profile: ProfileSource }

/** No profile takes longer; a stream must have a deadline. */
const DEADLINE_MS = 7 * 24 * 3600 * 1000

/** What a profile leaves to whoever runs it. */
const ALLOWED = new Set(['profile', 'dryRun', 'nodes', 'interface', 'label'])
const GLOBAL = new Set(['collector', 'json', 'tlsCa', 'tlsCert', 'tlsKey', 'insecure', 'color'])

const readWanted = (invocation: Invocation<ProfileOptions>): Wanted => {
  const { operands, passThrough, options, read, problems } = invocation
  const said = 'is said by the profile; leave it out, or put it there'
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

const OWN_NODES: readonly TopologyKind[] = [
  TopologyKind.TOPOLOGY_KIND_MATRIX,
  TopologyKind.TOPOLOGY_KIND_PAIRS,
]

const adapt = (spec: RunSpec, { nodes, interfaces, label }: Wanted): RunSpec => {
  const topology = spec.topology
  const keeps = nodes.length === 0 || !topology || OWN_NODES.includes(topology.kind)
  return {
    ...spec,
    label,
    topology: keeps ? topology : { ...topology, nodes },
    interfaces: interfaces.length > 0 ? interfaces : spec.interfaces,
  }
}

/** The plan of every test; nothing is sent. */
const dryRun = async (invocation: Invocation<ProfileOptions>, client: CollectorClient, wanted: Wanted) => {
  const { terminal, options } = invocation
  const profile = await resolve(client, wanted.profile)
  const steps = []
  let seconds = 0
  for (const [index, step] of profile.steps.entries()) {
    const spec = adapt(step.spec!, wanted)
    const { plan } = await client.runs.planRun({ spec }, { deadline: PLANNING_DEADLINE_MS })
    if (!plan) throw new Error('the collector answered PlanRun without a plan')
    const isLast = index === profile.steps.length - 1
    seconds += (fromDuration(plan.duration) ?? 0) + (isLast ? 0 : (fromDuration(step.cooldown) ?? 0))
    steps.push({ name: step.name, plan: planDocument(plan), expectations: spec.expectations })
    if (!options.json)
      printLine(terminal.stdout, `${index + 1}. ${harmless(step.name)}: ${renderPlan(spec, plan)}`)
  }
  const end = `${counted(steps.length, 'test')}, about ${formatDuration(seconds)} with the pauses between. Nothing was sent.`
  if (options.json) printJson(terminal.stdout, { profile: profile.name, dryRun: true, seconds, steps })
  else printLine(terminal.stdout, end)
  return EXIT.healthy
}

type Carried = { runs: Run[]; passed: boolean; interrupted: boolean }

/** Follows the profile to its end. Ctrl-C cancels its run; twice leaves at once. */
const carryOut = async (
  { terminal, stderrPaint }: Invocation<ProfileOptions>,
  client: CollectorClient,
  wanted: Wanted,
  { steps }: Profile,
  onRun: (step: number, run: Run) => Promise<void>,
): Promise<Carried> => {
  const runs: Run[] = []
  const leaving = new AbortController()
  let passed = false
  let interrupted = false
  let progress = createProgress({ stream: terminal.stderr, paint: stderrPaint, clock: terminal.clock })
  const stopListening = terminal.onInterrupt(() => {
    const current = runs.at(-1)
    if (interrupted || !current || hasEnded(current)) leaving.abort()
    else {
      progress.note('Cancelling the run; Ctrl-C again leaves at once.')
      client.runs
        .cancelRun({ runId: current.id })
        .catch((error: unknown) => progress.note(`It could not be cancelled: ${describeCallError(error)}`))
    }
    interrupted = true
  })
  try {
    const call = { signal: leaving.signal, deadline: DEADLINE_MS }
    for await (const event of client.profiles.runProfile(wanted, call)) {
      passed = event.passed ?? passed
      const { run, step } = event
      if (!run) continue
      if (runs.length <= step) {
        progress = createProgress({ stream: terminal.stderr, paint: stderrPaint, clock: terminal.clock })
        progress.note(`Test ${step + 1} of ${steps.length}: ${steps[step]?.name ?? ''}`)
      }
      const isNews = !hasEnded(run) || !(runs[step] && hasEnded(runs[step]))
      runs[step] = run
      if (!hasEnded(run)) progress.update(run)
      else if (isNews) {
        progress.end()
        await onRun(step, run)
      }
    }
    return { runs, passed, interrupted }
  } catch (error) {
    if (!leaving.signal.aborted || !isAbortError(error)) throw error
    return { runs, passed: false, interrupted: true }
  } finally {
    progress.end()
    stopListening()
  }
}

export const runProfile = (invocation: Invocation<ProfileOptions>): Promise<ExitCode> => {
  const { terminal, options, paint } = invocation
  const wanted = readWanted(invocation)
  return withClient(invocation, async (client) => {
    if (options.dryRun) return dryRun(invocation, client, wanted)
    const profile = await resolve(client, wanted.profile)
    const documents: object[] = []
    const exits: ExitCode[] = []
    const onRun = async (step: number, run: Run) => {
      const pairs = await readResults(client, run.id)
      const name = profile.steps[step]?.name ?? ''
      exits.push(exitCodeOf(run, pairs))
      if (options.json) documents.push({ name, ...resultDocument(run, pairs) })
      else {
        const title = paint('bold', `${step + 1} of ${profile.steps.length}: ${harmless(name)}`)
        const report = renderReport(run, pairs, { paint, columns: terminal.stdout.columns })
        printLine(terminal.stdout, `${title}\n\n${report}\n`)
      }
    }
    const { runs, passed, interrupted } = await carryOut(invocation, client, wanted, profile, onRun)
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
