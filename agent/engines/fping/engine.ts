/** fping: one process probes all targets of a stream. */

import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { merge } from '../../../lib/merge.ts'
import type { OutputLine } from '../../processes.ts'
import { detectProgram } from '../detection.ts'
import type { EngineDeps, EngineOptions, PingEngine, PingProbe, PingSource } from '../engine.ts'
import { createLedger, slackOf } from '../ledger.ts'
import { type PingPlan, planPing } from '../ping-request.ts'
import { programError, rubbishError } from '../program-error.ts'
import { fpingArgs, spreadSeconds, validateFping } from './args.ts'
import { NOT_SENT } from './loop.ts'
import { parseFpingLine } from './output.ts'
import { watchFping } from './watch.ts'

/** What fping may take longer than its packets do: to start, and to write its summary. */
const MARGIN_SECONDS = 10

/** More unknown lines than this, and it is not fping that runs. Each target can cause a few odd ones. */
const MAX_UNKNOWN_LINES = 1000

/** What is known of all targets of one process: pure bookkeeping between its lines and the probes. */
const createBook = (plan: PingPlan) => {
  const slack = slackOf(plan.timeoutSeconds, plan.intervalSeconds)
  const ledgers = plan.addresses.map((_, targetIndex) =>
    createLedger({ targetIndex, slack, missingReason: NOT_SENT }),
  )
  const byAddress = Map.groupBy(ledgers, (_, index) => plan.addresses[index]!)
  const unknown: string[] = []
  let frontier = 0
  let totals = 0

  // What lies beyond the count is never sent, so its silence means nothing.
  const lastFrontier = plan.count === undefined ? Number.POSITIVE_INFINITY : plan.count + slack

  const heardOf = (sequence: number): PingProbe[] => {
    if (sequence <= frontier) return []
    frontier = Math.min(sequence, lastFrontier)
    return ledgers.flatMap((ledger) => ledger.heardOf(frontier))
  }
  const read = (text: string): PingProbe[] => {
    const event = parseFpingLine(text)
    if (!event) return []
    if (event.kind === 'unknown') {
      unknown.push(event.text)
      return []
    }
    const named = byAddress.get(event.address) ?? []
    if (event.kind === 'complaint') {
      for (const ledger of named) ledger.complain(event.reason)
      return []
    }
    if (event.kind === 'total') {
      totals++
      return named.flatMap((ledger) => ledger.finish(event.sentCount))
    }
    const { sequence, rttSeconds } = event
    const probes = named.flatMap((ledger) =>
      rttSeconds === undefined ? ledger.lost(sequence) : ledger.answered(sequence, rttSeconds),
    )
    return probes.concat(heardOf(sequence))
  }
  return {
    read,
    unknown,
    /** Nothing at all has been heard for so many periods, in each of which every target was due. */
    silent: (periods: number): PingProbe[] => heardOf(frontier + periods),
    isComplete: (): boolean => totals >= byAddress.size,
  }
}

/** For how many more intervals nothing has been heard. */
async function* silences(
  wasHeard: () => boolean,
  { intervalSeconds, timeoutSeconds }: PingPlan,
  { clock }: EngineDeps,
  signal: AbortSignal,
): AsyncGenerator<number, void> {
  // Counted in ticks and not in time: an agent that was held up itself counts one tick, and accuses nobody.
  const quietTicks = Math.ceil((timeoutSeconds + 1) / intervalSeconds) + 2
  for (let silent = 0; !signal.aborted; ) {
    const slept = clock.sleep(intervalSeconds, signal).then(
      () => true,
      () => false,
    )
    if (!(await slept)) return
    silent = wasHeard() ? 0 : silent + 1
    if (silent >= quietTicks) yield silent === quietTicks ? quietTicks : 1
  }
}

/** Undefined for a stream without end, which lives as long as its signal. */
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
    const book = createBook(plan)
    const ended = new AbortController()
    let heard = false
    let waiting = true
    const wasHeard = () => {
      // While our own reader is busy, fping is not silent.
      const was = heard || !waiting
      heard = false
      return was
    }
    async function* lines() {
      for await (const line of running.lines) {
        heard = true
        waiting = false
        yield line
        waiting = true
      }
      ended.abort()
    }
    try {
      const sources = (leaving: AbortSignal) => {
        // A reader that leaves must not wait for the next line.
        leaving.addEventListener('abort', () => void running.end(), { once: true })
        return [lines(), silences(wasHeard, plan, deps, AbortSignal.any([leaving, ended.signal]))]
      }
      for await (const event of merge<OutputLine | number>(sources, signal)) {
        yield* typeof event === 'number' ? book.silent(event) : book.read(event.text)
        if (book.unknown.length > MAX_UNKNOWN_LINES) throw rubbishError(program, book.unknown)
      }
    } finally {
      await running.end()
    }
    signal.throwIfAborted()
    const complete = plan.count !== undefined && book.isComplete()
    if (!complete) throw programError(program, await running.done, book.unknown)
  }

  return {
    name: 'fping',
    detect: (signal) =>
      detectProgram(
        deps.processes,
        {
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
    watch: (request, source, signal, sink) => watchFping(deps, program, request, source, signal, sink),
  }
}
