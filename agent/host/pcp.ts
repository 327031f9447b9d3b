/**
 * Performance Co-Pilot for one stream. Each stream has its own pmcd and pmlogger: they run in the agent's namespaces
 * (the node's pmcd may see other interfaces), need no service, and end with the stream.
 */

import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import os from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import type { Processes, RunningProcess } from '../processes.ts'
import type { ReadText } from './files.ts'
import {
  type PcpPaths,
  parsePcpConf,
  pcp2jsonArgs,
  pmcdConfig,
  pmloggerConfig,
  readPcpJson,
} from './pcp-files.ts'

/** The output of both endpoints of a pair fits into half of a gRPC message. */
const MAX_JSON_BYTES = 4 * 1024 * 1024
/** pcp2json indents its output, which makes it about three times as large. */
const MAX_PRINTED_BYTES = 4 * MAX_JSON_BYTES
/** Longest time to start. Both programs run after 0.1 s on an idle machine. */
const START_SECONDS = 3
const POLL_SECONDS = 0.02
/** A rate needs two samples of a counter; after a test that is shorter than an interval, recording continues up to this time. */
const MAX_WAIT_SECONDS = 2
/** Longest delay of a sample of pmlogger. */
const LATE_SECONDS = 0.3
const CONVERT_SECONDS = 10
/** Attempts to convert: the archive of a busy host may be incomplete at first. */
const ATTEMPTS = 3
const RETRY_SECONDS = 0.5

/** pcp2json needs the system's Python, not another one on the agent's PATH. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const DEFAULT_CONF = '/etc/pcp.conf'
const HINT =
  'install it with `apt-get install pcp pcp-export-pcp2json` or `dnf install pcp pcp-export-pcp2json`'

export type PcpOutcome = { json: string; problem: string }

/** A running recording of one stream. */
export type PcpRecording = {
  /** Stops the recording and returns it, or why there is none. */
  finish(): Promise<PcpOutcome>
  /** Ends the programs and removes the files; also needed after `finish`. */
  close(): Promise<void>
}

export type PcpDeps = { clock: Clock; processes: Processes; read: ReadText }

type Options = {
  /** Path of pcp.conf, when it is not in /etc. */
  conf: string | undefined
  intervalSeconds: number
  signal: AbortSignal
}

type Work = { deps: PcpDeps; paths: PcpPaths; folder: string; environment: string[]; options: Options }

/** @throws Error naming all missing parts */
const findPcp = ({ read }: PcpDeps, conf: string): PcpPaths => {
  const text = read(conf)
  if (text === undefined)
    throw new Error(`Performance Co-Pilot is not installed, there is no ${conf}: ${HINT}`)
  const paths = parsePcpConf(text)
  if (!paths) throw new Error(`${conf} has no paths of Performance Co-Pilot`)
  const missing = Object.values(paths).filter((path) => !existsSync(path))
  if (missing.length > 0) throw new Error(`Performance Co-Pilot lacks ${missing.join(', ')}: ${HINT}`)
  return paths
}

/** Age of a folder that a killed agent has left; no test lasts this long. */
const STALE_SECONDS = 24 * 3600
const PREFIX = 'meshgauge-pcp-'

const makeFolder = async (clock: Clock): Promise<string> => {
  const names = (await readdir(os.tmpdir())).filter((name) => name.startsWith(PREFIX))
  for (const path of names.map((name) => join(os.tmpdir(), name))) {
    // It may belong to another agent, and be removed already or not be removable.
    const found = await stat(path).catch(() => undefined)
    const age = found ? (clock.now().getTime() - found.mtimeMs) / 1000 : 0
    if (age > STALE_SECONDS) await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
  return mkdtemp(join(os.tmpdir(), PREFIX))
}

/** Starts a program of PCP with its own directories; `env` executes the program in its own process. */
const start = (
  { deps, environment, options }: Work,
  program: string,
  args: string[],
): Promise<RunningProcess> =>
  deps.processes.start('env', [...environment, program, ...args], {
    signal: options.signal,
    deadlineSeconds: undefined,
  })

/** Reads the output of a program, so that it never has to wait; resolves when the program has ended. */
const drain = async (
  running: RunningProcess,
  onLine: (text: string) => void = () => undefined,
): Promise<'ended'> => {
  for await (const { text } of running.lines) onLine(text)
  return 'ended'
}

const within = <T>(clock: Clock, seconds: number, promise: Promise<T>): Promise<T | undefined> => {
  const timer = new AbortController()
  const pause = clock.sleep(seconds, timer.signal).then(
    () => undefined,
    () => undefined,
  )
  return Promise.race([promise, pause]).finally(() => timer.abort())
}

const whyNot = async (running: RunningProcess, name: string): Promise<Error> => {
  const { aborted, reason } = await running.end()
  const why = aborted ? `was not ready within ${START_SECONDS} s` : reason.replace(/^env /, '') || 'ended'
  return new Error(`${name} ${why}`)
}

const startPmcd = async (work: Work): Promise<RunningProcess> => {
  const { deps, folder, paths, options } = work
  const socket = join(folder, 'pmcd.socket')
  await writeFile(join(folder, 'pmcd.conf'), pmcdConfig(paths))
  const pmcd = await start(work, paths.pmcd, [
    // pmcd needs a port: 0 picks a free one, on loopback only, which no client uses.
    ...['-f', '-A', '-i', '127.0.0.1', '-p', '0', '-s', socket, '-U', os.userInfo().username],
    ...['-c', join(folder, 'pmcd.conf'), '-n', paths.linuxNames, '-l', '-', '-x', '/dev/null'],
  ])
  const ended = drain(pmcd)
  for (let waited = 0; waited < START_SECONDS; waited += POLL_SECONDS) {
    if (existsSync(socket)) return pmcd
    if (await within(deps.clock, POLL_SECONDS, ended)) break
    options.signal.throwIfAborted()
  }
  throw await whyNot(pmcd, 'pmcd')
}

const startPmlogger = async (work: Work): Promise<RunningProcess> => {
  const { deps, folder, paths, options } = work
  await writeFile(join(folder, 'pmlogger.conf'), pmloggerConfig(options.intervalSeconds))
  const pmlogger = await start(work, paths.pmlogger, [
    ...['-h', `unix://${join(folder, 'pmcd.socket')}`, '-c', join(folder, 'pmlogger.conf'), '-l', '-'],
    join(folder, 'archive'),
  ])
  const writes = Promise.withResolvers<'writes'>()
  const ended = drain(pmlogger, (text) => {
    if (text.startsWith('Archive basename: ')) writes.resolve('writes')
  })
  const seen = await within(deps.clock, START_SECONDS, Promise.race([writes.promise, ended]))
  if (seen === 'writes') return pmlogger
  throw await whyNot(pmlogger, 'pmlogger')
}

const convert = async ({ deps, paths, folder, environment, options }: Work): Promise<PcpOutcome> => {
  const archive = join(folder, 'archive')
  // Started through pmpython, which pcp2json itself would look for on the PATH.
  const program = [paths.pmpython, paths.pcp2json, ...pcp2jsonArgs(paths, archive, options.intervalSeconds)]
  const args = [...environment, ...program]
  let problem = ''
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (attempt > 1) await deps.clock.sleep(RETRY_SECONDS, options.signal)
    const { stdout, reason, flooded } = await deps.processes.run('env', args, {
      signal: options.signal,
      deadlineSeconds: CONVERT_SECONDS,
      limits: { burstBytes: MAX_PRINTED_BYTES, maxUnreadBytes: MAX_PRINTED_BYTES },
    })
    if (flooded) return { json: '', problem: `${reason}; request a longer interval` }
    try {
      if (reason === '') return { json: readPcpJson(stdout, MAX_JSON_BYTES), problem: '' }
      problem = reason.replace(/^env /, 'pcp2json ')
    } catch (error) {
      problem = (error as Error).message
    }
  }
  return { json: '', problem }
}

/**
 * Starts to record the host. Resolves when pmlogger writes.
 * @throws Error with the reason why PCP cannot be used here, after all started programs have ended
 */
export const startPcp = async (deps: PcpDeps, options: Options): Promise<PcpRecording> => {
  const conf = options.conf ?? DEFAULT_CONF
  const paths = findPcp(deps, conf)
  const folder = await makeFolder(deps.clock)
  const environment = [
    `PCP_CONF=${conf}`,
    `PATH=${SYSTEM_PATH}`,
    ...['RUN', 'TMP', 'LOG'].map((name) => `PCP_${name}_DIR=${folder}`),
  ]
  const work: Work = { deps, paths, folder, environment, options }
  const running: RunningProcess[] = []
  const close = async () => {
    await Promise.all(running.map((each) => each.end()))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    running.push(await startPmcd(work))
    running.push(await startPmlogger(work))
  } catch (error) {
    await close()
    throw error
  }
  const [pmcd, pmlogger] = running as [RunningProcess, RunningProcess]
  const startSeconds = deps.clock.monotonicSeconds()
  return {
    close,
    finish: async () => {
      const dead = await within(deps.clock, 0, pmlogger.done)
      if (dead)
        return { json: '', problem: `pmlogger ended during the test: ${dead.reason || 'exit code 0'}` }
      const ran = deps.clock.monotonicSeconds() - startSeconds
      const wait = Math.min(options.intervalSeconds + LATE_SECONDS - ran, MAX_WAIT_SECONDS)
      if (wait > 0) await deps.clock.sleep(wait, options.signal)
      await pmlogger.end()
      await pmcd.end()
      return convert(work)
    },
  }
}
