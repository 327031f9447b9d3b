/**
 * Runs one netserver for one test. It could serve many: here it runs in the foreground, accepts one client at a time, and
 * is ended after that client.
 */

import { readdir, readlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { ServeResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { ProcessResult, RunningProcess } from '../../processes.ts'
import type { Ceilings, EngineDeps, IperfListener, IperfServer } from '../engine.ts'
import { EngineError } from '../engine.ts'
import { createIperfServer } from '../iperf-program.ts'
import { programError, quote } from '../program-error.ts'
import { CONNECT_SECONDS, serverArgs } from './args.ts'

/** Time of a test in addition to its duration: to connect, to warm up, to exchange results and to end. */
const MARGIN_SECONDS = 15

/** Time between two counts of its sockets, which are the only sign of a client. */
const POLL_SECONDS = 0.1

/** Longest time without a client between the warm-up and the measured part, which are separate clients. */
const GAP_SECONDS = 0.5

const MAX_UNKNOWN_LINES = 10

const LISTENING = /^Starting netserver with host /
const CANNOT_LISTEN = /^Unable to start netserver/

type Observed = {
  listening: boolean
  cannotListen: boolean
  hadClient: boolean
  idle: boolean
  served: boolean
  unknown: string[]
}

/** Returns the number of open sockets of a process; undefined when it has ended or its descriptors cannot be read. */
const countSockets = async (pid: number): Promise<number | undefined> => {
  const folder = `/proc/${pid}/fd`
  const names = await readdir(folder).catch(() => undefined)
  if (!names) return undefined
  const targets = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')))
  return targets.filter((target) => target.startsWith('socket:')).length
}

/** Waits for a client, and ends the server after that client, or when none connects. */
const endAfterClients = async (
  { clock }: EngineDeps,
  running: RunningProcess,
  observed: Observed,
  idleSeconds: number,
  ended: AbortSignal,
): Promise<void> => {
  const listening = running.pid === undefined ? undefined : await countSockets(running.pid)
  let quietSince = clock.monotonicSeconds()
  while (!ended.aborted) {
    const aborted = await clock.sleep(POLL_SECONDS, ended).then(
      () => false,
      () => true,
    )
    if (aborted) return
    const sockets = running.pid === undefined ? undefined : await countSockets(running.pid)
    const now = clock.monotonicSeconds()
    if (sockets !== undefined && listening !== undefined && sockets > listening) {
      observed.hadClient = true
      quietSince = now
      continue
    }
    if (now - quietSince < (observed.hadClient ? GAP_SECONDS : idleSeconds)) continue
    if (observed.hadClient) observed.served = true
    // Where sockets cannot be counted, an idle server cannot be detected: its deadline ends it.
    else if (listening !== undefined) observed.idle = true
    else return
    await running.end()
    return
  }
}

/** Finds out why netserver could not listen, which it does not report: listens on the same address and port. */
const whyNotListening = (program: string, { address, port }: IperfListener): Promise<EngineError> => {
  const { promise, resolve } = Promise.withResolvers<EngineError>()
  const fail = (kind: EngineError['kind'], words: string) =>
    resolve(
      new EngineError(kind, Outcome.OUTCOME_NOT_RUN, `${program} cannot listen on ${address}: ${words}`),
    )
  const server = createServer()
  server.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRNOTAVAIL') fail('address-missing', 'Cannot assign requested address')
    else if (error.code === 'EADDRINUSE') fail('address-in-use', 'Address already in use')
    else fail('failed', error.message)
  })
  // The port is free now: the other program has ended. Another port is still the right reaction.
  server.listen(port, address, () => server.close(() => fail('address-in-use', 'Address already in use')))
  return promise
}

const resultOf = (observed: Observed, ended: ProcessResult, { idleSeconds }: IperfListener): ServeResult => {
  const serveResult = (outcome: Outcome, reason: string): ServeResult => ({
    outcome,
    reason,
    programFault: undefined,
    cpuShortage: '',
  })
  if (observed.served) return serveResult(Outcome.OUTCOME_MEASURED, '')
  if (observed.idle)
    return serveResult(Outcome.OUTCOME_TIMED_OUT, `no client connected within ${idleSeconds} s`)
  if (ended.timedOut) return serveResult(Outcome.OUTCOME_TIMED_OUT, ended.reason)
  if (ended.aborted) return serveResult(Outcome.OUTCOME_NOT_RUN, ended.reason)
  if (!observed.listening)
    return serveResult(Outcome.OUTCOME_NOT_RUN, quote(observed.unknown[0] ?? ended.reason))
  return serveResult(Outcome.OUTCOME_INVALID, quote(ended.reason) || 'netserver ended unexpectedly')
}

export const startServer = (
  deps: EngineDeps,
  { program, ceilings }: { program: string; ceilings: Ceilings },
  listener: IperfListener,
  signal: AbortSignal,
): IperfServer => {
  const observed: Observed = {
    listening: false,
    cannotListen: false,
    hadClient: false,
    idle: false,
    served: false,
    unknown: [],
  }
  const { idleSeconds, durationSeconds } = listener

  return createIperfServer(signal, async (ready) => {
    const ended = new AbortController()
    const running = await deps.processes.start(program, serverArgs(listener), {
      signal,
      deadlineSeconds:
        idleSeconds + Math.min(durationSeconds, ceilings.seconds) + CONNECT_SECONDS + MARGIN_SECONDS,
    })
    let watching = Promise.resolve()
    for await (const { text } of running.lines) {
      if (LISTENING.test(text) && !observed.listening) {
        observed.listening = true
        watching = endAfterClients(deps, running, observed, idleSeconds, ended.signal)
        ready.resolve()
      } else if (CANNOT_LISTEN.test(text)) observed.cannotListen = true
      else if (observed.unknown.length < MAX_UNKNOWN_LINES && text.trim() !== '') observed.unknown.push(text)
    }
    ended.abort()
    await watching
    const result = await running.done
    if (signal.aborted) ready.reject(signal.reason)
    else if (observed.cannotListen) ready.reject(await whyNotListening(program, listener))
    else ready.reject(programError('netserver', result, observed.unknown))
    return resultOf(observed, result, listener)
  })
}
