import { AbortError } from 'abort-controller-x'
import type { Detection, PingEngine, PingSink } from '../../../agent/engines/engine.ts'
import { validateFping } from '../../../agent/engines/fping/args.ts'
import { planPing } from '../../../agent/engines/ping-request.ts'
import type { Fabric } from './fabric.ts'
import type { ProcessClock } from './process-clock.ts'

type Deps = {
  clock: ProcessClock
  fabric: Fabric
  node: number
  /** The engine of the agent, for runs: its program is simulated. */
  program: PingEngine
  /** Told how many probes a round of the mesh had. */
  onRound: (count: number) => void
}

/**
 * Engine fping with a mesh that does not go through the text of a program: of 200 nodes that text would be 40,000 lines
 * a second. Runs use the real engine.
 */
export const createSimulatedPingEngine = ({ clock, fabric, node, program, onRound }: Deps): PingEngine => ({
  ...program,
  detect: async (): Promise<Detection> => ({ available: true, version: 'simulated', reasons: [] }),
  validate: validateFping,
  pingContinuously: (request, source, signal, sink: PingSink) => {
    const { addresses, intervalSeconds } = planPing(request)
    const name = fabric.interfaces.indexOf(source.interface)
    const destinations = Int32Array.from(addresses, (address) => fabric.whereIs(address)?.node ?? -1)
    const round = (): void => {
      for (let target = 0; target < destinations.length; target++) {
        const destination = destinations[target]!
        const rttSeconds = destination < 0 ? undefined : fabric.probe(name, node, destination)
        sink(target, rttSeconds, false, '')
      }
      onRound(destinations.length)
    }
    // A timer costs less than a wait that can be aborted, with its promise and its listener, in each round.
    return new Promise((_, reject) => {
      let cancel: (() => void) | undefined
      const next = (): void => {
        cancel = clock.after(intervalSeconds, () => {
          round()
          next()
        })
      }
      const end = (): void => {
        cancel?.()
        reject(new AbortError())
      }
      signal.throwIfAborted()
      signal.addEventListener('abort', end, { once: true })
      next()
    })
  },
})
