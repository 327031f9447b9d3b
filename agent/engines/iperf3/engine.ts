/** Engine iperf3: reads text from version 3.12, a stream of JSON from 3.17. */

import { atLeast, detectProgram } from '../detect-program.ts'
import {
  type Detection,
  type EngineDeps,
  type EngineOptions,
  type IperfEngine,
  NO_CEILINGS,
} from '../engine.ts'
import { notAvailable } from '../iperf-program.ts'
import { validateServe } from '../iperf-request.ts'
import { startServer } from './server.ts'
import { sustainedOptions } from './sustained.ts'
import { validateRun } from './validation.ts'

/** Older versions have no --bind-dev that works with -c, and no reliable text with --forceflush. */
const OLDEST = '3.12'
const FIRST_WITH_JSON_STREAM = '3.17'

export const createIperf3 = (
  deps: EngineDeps,
  { programs, ceilings = NO_CEILINGS }: EngineOptions,
): IperfEngine => {
  const program = programs?.iperf3 ?? 'iperf3'
  let known: Detection | undefined

  const detect = async (signal: AbortSignal): Promise<Detection> => {
    known = await detectProgram(
      deps.processes,
      {
        name: 'iperf3',
        program,
        oldest: OLDEST,
        versionArgs: ['--version'],
        versionPattern: /^iperf (\d+(?:\.\d+)+)/,
        hint: 'install it with `apt-get install iperf3` or `dnf install iperf3`',
      },
      signal,
    )
    return known
  }

  return {
    name: 'iperf3',
    portsPerServer: 1,
    bindsDevice: true,
    limitsRate: true,
    detect,
    validateRun,
    validateServe,
    sustainedOptions,
    serve: (listener, signal) => startServer(deps, program, listener, ceilings, signal),
    run: async function* (flow, options, signal, background) {
      const { available, version, reasons } = known?.available ? known : await detect(signal)
      if (!available) {
        yield notAvailable(reasons)
        return
      }
      const mode = atLeast(version, FIRST_WITH_JSON_STREAM) ? 'json' : 'text'
      // The parsers need a large library, which a node that only pings never loads.
      const { runClient } = await import('./client.ts')
      yield* runClient(deps, { program, mode, ceilings }, flow, options, signal, background)
    },
  }
}
