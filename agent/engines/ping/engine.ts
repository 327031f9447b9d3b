/** iputils' ping: one process for each target, where fping is not installed. */

import { merge } from '../../../lib/merge.ts'
import { detectProgram } from '../detect-program.ts'
import type { EngineDeps, EngineOptions, PingEngine, PingProbe, PingSource } from '../engine.ts'
import { type PingPlan, planPing } from '../ping-request.ts'
import { createProbeLedger, slackOf } from '../probe-ledger.ts'
import { programError, unexpectedOutputError } from '../program-error.ts'
import { pingArgs, validateIputils } from './args.ts'
import { parsePingLine, unwrapSequence } from './output.ts'

const MARGIN_SECONDS = 10

/** With more unknown lines than this from one target, the program is not ping. */
const MAX_UNKNOWN_LINES = 100

/** Minimum time between two attempts for a target without a route, because each attempt is a process. */
const RETRY_SECONDS = 1

/** Turns the lines of one process into the probes of its target. Pure. */
const createTargetLedger = (plan: PingPlan, targetIndex: number) => {
  const { timeoutSeconds, intervalSeconds } = plan
  const ledger = createProbeLedger({
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
        // ping also reports answers that arrive after the timeout; those count as lost.
        const inTime = event.rttSeconds <= timeoutSeconds
        const probes = inTime ? ledger.answered(sequence, event.rttSeconds) : ledger.lost(sequence)
        return probes.concat(ledger.reached(sequence))
      }
      case 'waiting':
        return ledger.reached(sequenceOf(event.sequence))
      case 'error':
        ledger.setNetworkError(event.reason)
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
    const target = createTargetLedger(plan, targetIndex)
    try {
      for await (const line of running.lines) {
        yield* target.read(line.text)
        if (target.unknown.length > MAX_UNKNOWN_LINES) throw unexpectedOutputError('ping', target.unknown)
      }
    } finally {
      await running.end()
    }
    signal.throwIfAborted()
    if (target.noRoute()) return target.noRoute()
    const complete = count !== undefined && target.isComplete()
    if (!complete) throw programError('ping', await running.done, target.unknown)
    return ''
  }

  async function* pingTarget(
    plan: PingPlan,
    targetIndex: number,
    source: PingSource,
    signal: AbortSignal,
  ): AsyncGenerator<PingProbe, void> {
    // Processes that start at the same time would probe at the same time in each interval.
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
      // Without a route ping ends immediately; the probe that it did not send is lost.
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
          name: 'ping',
          program,
          // Older versions print their date with another prefix.
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
