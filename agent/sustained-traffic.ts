import type { Clock } from '../lib/clock.ts'

/** Time between two program starts: 200 a second. Hundreds of starts then leave time for the agent's own streams. */
const START_SECONDS = 0.005

/** Paces the start of sustained traffic on this node and records the labels of the running streams, for all callers. */
export const createSustainedTraffic = ({ clock }: { clock: Clock }) => {
  const labels = new Map<string, number>()
  let lastTurn: Promise<void> = Promise.resolve()
  return {
    /** Waits for the caller's turn to start a program. Rejects with the signal's reason. */
    waitForTurn(signal: AbortSignal): Promise<void> {
      // An aborted wait does not delay the turns after it.
      lastTurn = lastTurn.then(() => clock.sleep(START_SECONDS, signal)).catch(() => undefined)
      return lastTurn.then(() => signal.throwIfAborted())
    },
    /**
     * Registers a stream under its caller's label.
     * @returns a function that removes it; call it when the programs of the stream have ended
     */
    register(label: string): () => void {
      labels.set(label, (labels.get(label) ?? 0) + 1)
      return () => {
        const left = labels.get(label)! - 1
        if (left > 0) labels.set(label, left)
        else labels.delete(label)
      }
    },
    labels: (): string[] => [...labels.keys()].filter((label) => label !== ''),
  }
}

export type SustainedTraffic = ReturnType<typeof createSustainedTraffic>
