/** fping: one process probes all targets of a stream. */

import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { merge } from '../../../lib/merge.ts'
import type { OutputLine } from '../../processes.ts'
import { detectProgram } from '../detect-program.ts'
import type { EngineDeps, EngineOptions, PingEngine, PingProbe, PingSource } from '../engine.ts'
import { type PingPlan, planPing } from '../ping-request.ts'
import { createProbeLedger, slackOf } from '../probe-ledger.ts'
import { faultError, programError, unexpectedOutputError } from '../program-error.ts'
import { hasNotRunSince, runCountOf } from '../program-state.ts'
import { fpingArgs, spreadSeconds, validateFping } from './args.ts'
import { HANGS, pingContinuously } from './continuous.ts'
import { NOT_SENT } from './continuous-ledger.ts'
import { parseFpingLine } from './output.ts'

/** Time for fping to start and to write its summary, in addition to the time of its packets. */
const MARGIN_SECONDS = 10

/** With more unknown lines than this, the program is not fping. Each target can cause a few of them. */
const MAX_UNKNOWN_LINES = 1000

/** Turns the lines of one process into the probes of all its targets. Pure. */
const createTargetLedgers = (plan: PingPlan) => {
  const slack = slackOf(plan.timeoutSeconds, plan.intervalSeconds)
  const ledgers = plan.addresses.map((_, targetIndex) =>
    createProbeLedger({ targetIndex, slack, missingReason: NOT_SENT }),
  )
  const byAddress = new Map(ledgers.map((ledger, index) => [plan.addresses[index]!, ledger]))
  const unknown: string[] = []
  let highestSequence = 0
  let totals = 0

  // Probes beyond the count are never sent, so they cannot be missing.
  const lastSequence = plan.count === undefined ? Number.POSITIVE_INFINITY : plan.count + slack

  const reached = (sequence: number): PingProbe[] => {
    if (sequence <= highestSequence) return []
    highestSequence = Math.min(sequence, lastSequence)
    return ledgers.flatMap((ledger) => ledger.reached(highestSequence))
  }
  const read = (text: string): PingProbe[] => {
    const event = parseFpingLine(text)
    if (!event) return []
    if (event.kind === 'unknown') {
      unknown.push(event.text)
      return []
    }
    const ledger = byAddress.get(event.address)
    if (!ledger) return []
    if (event.kind === 'error') {
      ledger.setNetworkError(event.reason)
      return []
    }
    if (event.kind === 'total') {
      totals++
      return ledger.finish(event.sentCount)
    }
    const { sequence, rttSeconds } = event
    if (sequence > lastSequence) {
      unknown.push(text)
      return []
    }
    const probes = rttSeconds === undefined ? ledger.lost(sequence) : ledger.answered(sequence, rttSeconds)
    return probes.concat(reached(sequence))
  }
  return {
    read,
    unknown,
    /** fping has reported nothing for this number of periods; every target was due in each of them. */
    silent: (periods: number): PingProbe[] => reached(highestSequence + periods),
    isComplete: (): boolean => totals >= byAddress.size,
  }
}

/**
 * Yields the number of further intervals in which fping reported nothing.
 * @throws EngineError when fping hangs: then nothing was sent, and nothing is lost
 */
async function* silences(
  hadOutput: () => boolean,
  { intervalSeconds, timeoutSeconds }: PingPlan,
  { clock }: EngineDeps,
  pid: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<number, void> {
  // Counts ticks instead of time: an agent that was delayed itself counts one tick, which is no loss of a target.
  const quietTicks = Math.ceil((timeoutSeconds + 1) / intervalSeconds) + 2
  let runCount: number | undefined
  for (let silent = 0; !signal.aborted; ) {
    const slept = clock.sleep(intervalSeconds, signal).then(
      () => true,
      () => false,
    )
    if (!(await slept)) return
    silent = hadOutput() ? 0 : silent + 1
    if (silent === 1 && pid !== undefined) runCount = runCountOf(pid)
    // It wakes up for every probe, also where nothing can be sent.
    if (silent === quietTicks && pid !== undefined && hasNotRunSince(pid, runCount))
      throw faultError('fping', HANGS)
    if (silent >= quietTicks) yield silent === quietTicks ? quietTicks : 1
  }
}

/** Undefined for a continuous ping, which lives as long as its signal. */
const deadlineSeconds = (plan: PingPlan): number | undefined => {
  if (plan.count === undefined) return undefined
  const spread = spreadSeconds(plan) * plan.addresses.length
  return plan.count * plan.intervalSeconds + spread + plan.timeoutSeconds + MARGIN_SECONDS
}

export const createFping = (deps: EngineDeps, { programs }: EngineOptions): PingEngine => {
  const program = programs?.fping ?? 'fping'

  async function* ping(
    request: PingRequest,
    source: PingSource,
    signal: AbortSignal,
  ): AsyncGenerator<PingProbe, void> {
    const plan = planPing(request)
    const running = await deps.processes.start(program, fpingArgs(plan, source), {
      signal,
      deadlineSeconds: deadlineSeconds(plan),
    })
    const ledgers = createTargetLedgers(plan)
    const ended = new AbortController()
    let hasOutput = false
    let waiting = true
    const hadOutput = () => {
      // While the agent itself is busy with a line, fping is not silent.
      const had = hasOutput || !waiting
      hasOutput = false
      return had
    }
    async function* lines() {
      for await (const line of running.lines) {
        hasOutput = true
        waiting = false
        yield line
        waiting = true
      }
      ended.abort()
    }
    try {
      const sources = (leaving: AbortSignal) => {
        // A caller that ends must not wait for the next line.
        leaving.addEventListener('abort', () => void running.end(), { once: true })
        return [
          lines(),
          silences(hadOutput, plan, deps, running.pid, AbortSignal.any([leaving, ended.signal])),
        ]
      }
      for await (const event of merge<OutputLine | number>(sources, signal)) {
        yield* typeof event === 'number' ? ledgers.silent(event) : ledgers.read(event.text)
        if (ledgers.unknown.length > MAX_UNKNOWN_LINES) throw unexpectedOutputError('fping', ledgers.unknown)
      }
    } finally {
      await running.end()
    }
    signal.throwIfAborted()
    const complete = plan.count !== undefined && ledgers.isComplete()
    if (!complete) throw programError('fping', await running.done, ledgers.unknown)
  }

  return {
    name: 'fping',
    detect: (signal) =>
      detectProgram(
        deps.processes,
        {
          name: 'fping',
          program,
          oldest: '4.0',
          versionArgs: ['-v'],
          versionPattern: /fping: Version (\d[\d.]*)/,
          hint: 'install it with `apt-get install fping` or `dnf install fping`',
          probeArgs: ['-c', '1', '-t', '1000', '127.0.0.1'],
        },
        signal,
      ),
    validate: validateFping,
    ping,
    pingContinuously: (request, source, signal, sink) =>
      pingContinuously(deps, program, request, source, signal, sink),
  }
}
