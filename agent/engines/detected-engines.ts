import type { Engine } from '#proto/meshgauge/agent/v1/agent.ts'
import type { EngineVersion } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../lib/clock.ts'
import { OperatingError, throwIfInvalid } from '../../lib/errors.ts'
import type { Detection, IperfEngine, PingEngine } from './engine.ts'
import type { Engines } from './engines.ts'

/** Age after which a detection is repeated: programs are installed and upgraded while an agent runs. */
const DETECTION_SECONDS = 60

/** The engines of a node, with what was detected about their programs. */
export type DetectedEngines = {
  /** Every engine, also those that cannot run. */
  list(signal: AbortSignal): Promise<Engine[]>
  /**
   * The engine that a ping request names, or the first when it names none.
   * @throws OperatingError SPEC_INVALID for an unknown name, ENGINE_UNAVAILABLE with all reasons
   */
  ping(name: string, signal: AbortSignal): Promise<{ engine: PingEngine; version: EngineVersion }>
  /** The ping engine of that name, or the first when the name is empty, whether it can run or not. */
  knownPing(name: string): PingEngine | undefined
  readonly pingNames: readonly string[]
  /** The iperf engine that a request names, under the same rules. */
  iperf(name: string, signal: AbortSignal): Promise<{ engine: IperfEngine; version: EngineVersion }>
}

type AnyEngine = PingEngine | IperfEngine

export const detectEngines = (engines: Engines, clock: Clock): DetectedEngines => {
  const known = new Map<AnyEngine, { at: number; detection: Promise<Detection> }>()
  const detect = async (engine: AnyEngine, signal: AbortSignal): Promise<Detection> => {
    const now = clock.monotonicSeconds()
    const before = known.get(engine)
    if (before && now - before.at < DETECTION_SECONDS && (await before.detection).available)
      return before.detection
    // Not the caller's signal: other callers may wait for the same result. The engine limits its own time.
    const detection = engine.detect(AbortSignal.any([]))
    known.set(engine, { at: now, detection })
    const found = await detection
    signal.throwIfAborted()
    return found
  }
  const pick = async <E extends AnyEngine>(
    all: ReadonlyMap<string, E>,
    test: string,
    name: string,
    signal: AbortSignal,
  ) => {
    const engine = name === '' ? all.values().next().value : all.get(name)
    if (!engine) {
      const names = [...all.keys()].join(', ')
      throwIfInvalid(`the ${test} request`, [
        { field: 'engine', description: `"${name}" is not one of ${names}` },
      ])
      throw new Error('unreachable')
    }
    const { available, reasons, version, fault } = await detect(engine, signal)
    if (!available) {
      const text = `${engine.name} cannot run here: ${reasons.join('; ')}`
      throw new OperatingError('ENGINE_UNAVAILABLE', text, { metadata: { ...fault } })
    }
    return { engine, version: { name: engine.name, version } }
  }
  return {
    list: (signal) =>
      Promise.all(
        [
          ...[...engines.ping.values()].map((engine) => ({ engine, test: 'ping' })),
          ...[...engines.iperf.values()].map((engine) => ({ engine, test: 'iperf' })),
        ].map(async ({ engine, test }) => {
          const { fault: _, ...detection } = await detect(engine, signal)
          return { name: engine.name, test, ...detection }
        }),
      ),
    knownPing: (name) => (name === '' ? engines.ping.values().next().value : engines.ping.get(name)),
    pingNames: [...engines.ping.keys()],
    ping: (name, signal) => pick(engines.ping, 'ping', name, signal),
    iperf: (name, signal) => pick(engines.iperf, 'iperf', name, signal),
  }
}
