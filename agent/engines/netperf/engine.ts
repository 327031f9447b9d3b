/** Engine netperf: requests and responses (latency, transactions per second), and streams of bytes. */

import { dirname, join } from 'node:path'
import { detectProgram } from '../detect-program.ts'
import {
  type Detection,
  type EngineDeps,
  type EngineOptions,
  type IperfEngine,
  NO_CEILINGS,
} from '../engine.ts'
import { notAvailable } from '../iperf-program.ts'
import { validateServe } from '../iperf-request.ts'
import { PORTS_PER_SERVER } from './args.ts'
import { runClient } from './client.ts'
import { startServer } from './server.ts'
import { validateRun } from './validation.ts'

/** The first version with latencies in the output selectors of every test. */
const OLDEST = '2.7'

const HINT = 'install it with `apt-get install netperf` (Debian 13), or from its source with --enable-demo'

/** Without interim results, a running test cannot be distinguished from one whose peer never answers. */
const NO_DEMO = /Demo Mode not configured/

/** The path of netserver: next to netperf, where the path of netperf is given. */
const serverOf = (programs: EngineOptions['programs']): string =>
  programs?.netserver ??
  (programs?.netperf?.includes('/') ? join(dirname(programs.netperf), 'netserver') : 'netserver')

export const createNetperf = (
  deps: EngineDeps,
  { programs, ceilings = NO_CEILINGS }: EngineOptions,
): IperfEngine => {
  const client = programs?.netperf ?? 'netperf'
  const server = serverOf(programs)
  let known: Detection | undefined

  const detectOne = (name: string, program: string, signal: AbortSignal) =>
    detectProgram(
      deps.processes,
      {
        name,
        program,
        oldest: OLDEST,
        versionArgs: ['-V'],
        versionPattern: /^Netperf version (\d+(?:\.\d+)+)/m,
        hint: HINT,
      },
      signal,
    )

  const hasDemo = async (signal: AbortSignal): Promise<boolean> => {
    const printed = await deps.processes.run(client, ['-D', '1', '-V'], {
      signal,
      deadlineSeconds: 10,
      isUntraced: true,
    })
    return !NO_DEMO.test(`${printed.stdout}${printed.stderrTail}`)
  }

  const detect = async (signal: AbortSignal): Promise<Detection> => {
    const [clientFound, serverFound] = await Promise.all([
      detectOne('netperf', client, signal),
      detectOne('netserver', server, signal),
    ])
    const reasons = [...clientFound.reasons, ...serverFound.reasons]
    if (clientFound.available && !(await hasDemo(signal)))
      reasons.push(`${client} was built without interim results: ${HINT}`)
    signal.throwIfAborted()
    const fault = clientFound.fault ?? serverFound.fault
    const version = clientFound.version || serverFound.version
    known = { available: reasons.length === 0, version, reasons, ...(fault && { fault }) }
    return known
  }

  return {
    name: 'netperf',
    portsPerServer: PORTS_PER_SERVER,
    bindsDevice: false,
    limitsRate: false,
    detect,
    validateRun,
    validateServe,
    serve: (listener, signal) => startServer(deps, { program: server, ceilings }, listener, signal),
    run: async function* (flow, options, signal) {
      const { available, reasons } = known?.available ? known : await detect(signal)
      if (!available) {
        yield notAvailable(reasons)
        return
      }
      yield* runClient(deps, { program: client, ceilings }, flow, options, signal)
    },
  }
}
