/** iputils' ping: one process for each target, for where fping is not installed. */

import { merge } from '../../../lib/merge.ts'
import { detectProgram } from '../detection.ts'
import type { EngineDeps, EngineOptions, PingEngine, PingProbe, PingSource } from '../engine.ts'
import { createLedger, slackOf } from '../ledger.ts'
import { type PingPlan, planPing } from '../ping-request.ts'
import { programError, rubbishError } from '../program-error.ts'
import { pingArgs, validateIputils } from './args.ts'
import { parsePingLine, unwrapSequence } from './output.ts'

const MARGIN_SECONDS = 10

/** More unknown lines than this from one target, and it is not ping that runs. */
const MAX_UNKNOWN_LINES = 100

/** A target without a route is tried again no more often than this, however short the interval: each try is a process. */
const RETRY_SECONDS = 1

/** What is known of the one target of one process: pure bookkeeping between its lines and the probes. */
const createBook = (plan: PingPlan, targetIndex: number) => {
  const { timeoutSeconds, intervalSeconds } = plan
  const ledger = createLedger({
    targetIndex,
    slack: slackOf(timeoutSeconds, intervalSeconds),
    missingReason: '',
  })
  const unknown: string[] = []
  let last = 0
  let complete = false
  let noRoute = ''

  const sequenceOf = (sequence: number): number => {
    const unwrapped = unwrapSequence(sequence, last)
    last = Math.max(last, unwrapped)
    return unwrapped
  }
  const read = (text: string): PingProbe[] => {
    const event = parsePingLine(text)
    switch (event?.kind) {
      case 'answer': {
        const sequence = sequenceOf(event.sequence)
        // ping also reports answers that come after the timeout; for us those came too late.
        const inTime = event.rttSeconds <= timeoutSeconds
        const probes = inTime ? ledger.answered(sequence, event.rttSeconds) : ledger.lost(sequence)
        return probes.concat(ledger.heardOf(sequence))
      }
      case 'waiting':
        return ledger.heardOf(sequenceOf(event.sequence))
      case 'complaint':
        ledger.complain(event.reason)
        return []
      case 'total':
        complete = true
        return ledger.finish(event.sentCount)
      case 'no-route':
        noRoute = event.reason
        return []
      case 'unknown':
        unknown.push(event.text)
        return []
      case undefined:
        return []
    }
  }
  return { read, unknown, isComplete: () => complete, noRoute: () => noRoute }
}

export const createIputils = ({ processes, clock }: EngineDeps, { programs }: EngineOptions): PingEngine => {
  const program = programs?.ping ?? 'ping'

  /** Runs one process to its end; returns why there is no route, if so. */
  async function* pingOnce(
    plan: PingPlan,
    targetIndex: number,
    source: PingSource,
    signal: AbortSignal,
  ): AsyncGenerator<PingProbe, string> {
    const { count, intervalSeconds, timeoutSeconds } = plan
    const running = await processes.start(program, pingArgs(plan.addresses[targetIndex]!, plan, source), {
      signal,
      deadlineSeconds:
        count === undefined ? undefined : count * intervalSeconds + timeoutSeconds + MARGIN_SECONDS,
    })
    const book = createBook(plan, targetIndex)
    try {
      for await (const line of running.lines) {
        yield* book.read(line.text)
        if (book.unknown.length > MAX_UNKNOWN_LINES) throw rubbishError(program, book.unknown)
      }
    } finally {
      await running.end()
    }
    signal.throwIfAborted()
    if (book.noRoute()) return book.noRoute()
    const complete = count !== undefined && book.isComplete()
    if (!complete) throw programError(program, await running.done, book.unknown)
    return ''
  }

  async function* pingTarget(
    plan: PingPlan,
    targetIndex: number,
    source: PingSource,
    signal: AbortSignal,
  ): AsyncGenerator<PingProbe, void> {
    // Processes that all start at once would probe at once, each interval anew.
    await clock.sleep((plan.intervalSeconds * targetIndex) / plan.addresses.length, signal)
    for (let sent = 0; plan.count === undefined || sent < plan.count; ) {
      let probes = 0
      const left = plan.count === undefined ? undefined : plan.count - sent
      const once = pingOnce({ ...plan, count: left }, targetIndex, source, signal)
      let next = await once.next()
      for (; !next.done; next = await once.next()) {
        probes++
        yield next.value
      }
      const reason = next.value
      if (!reason) return
      // Without a route ping ends at once; the probe that it did not send is lost like any other.
      sent += probes + 1
      yield { targetIndex, rttSeconds: undefined, refused: false, reason }
      await clock.sleep(Math.max(plan.intervalSeconds, RETRY_SECONDS), signal)
    }
  }

  return {
    name: 'ping',
    detect: (signal) =>
      detectProgram(
        processes,
        {
          program,
          // Since then it says its version as a date; before, also dates, but with another prefix.
          oldest: '20190324',
          versionArgs: ['-V'],
          versionPattern: /iputils[- ]s?(\d{8})/,
          hint: 'install it with `apt-get install iputils-ping` or `dnf install iputils`',
          probeArgs: ['-n', '-c', '1', '-W', '1', '127.0.0.1'],
        },
        signal,
      ),
    validate: validateIputils,
    ping: (request, source, signal) => {
      const plan = planPing(request)
      return merge(
        (leaving) => plan.addresses.map((_, index) => pingTarget(plan, index, source, leaving)),
        signal,
      )
    },
  }
}
