import type { Detection, PingEngine, PingSink } from '../../../agent/engines/engine.ts'
import { validateFping } from '../../../agent/engines/fping/args.ts'
import { planPing } from '../../../agent/engines/ping-request.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Fabric } from './fabric.ts'

type Deps = {
  clock: Clock
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
  pingContinuously: async (request, source, signal, sink: PingSink) => {
    const { addresses, intervalSeconds } = planPing(request)
    const name = fabric.interfaces.indexOf(source.interface)
    const destinations = Int32Array.from(addresses, (address) => fabric.whereIs(address)?.node ?? -1)
    // Node spends several times as long on the listeners of a combined signal as on those of a simple one.
    const stop = new AbortController()
    signal.throwIfAborted()
    signal.addEventListener('abort', () => stop.abort(), { once: true })
    for (;;) {
      await clock.sleep(intervalSeconds, stop.signal)
      for (let target = 0; target < destinations.length; target++) {
        const destination = destinations[target]!
        const rttSeconds = destination < 0 ? undefined : fabric.probe(name, node, destination)
        sink(target, rttSeconds, false, '')
      }
      onRound(destinations.length)
    }
  },
})
