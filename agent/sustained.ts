import type { Clock } from '../lib/clock.ts'

/** 200 programs a second: hundreds of them start without holding up the streams and samples of this agent. */
const START_SECONDS = 0.005

/** What is kept up on this node, whoever asked for it. */
export const createSustained = ({ clock }: { clock: Clock }) => {
  const labels = new Map<string, number>()
  let last: Promise<void> = Promise.resolve()
  return {
    /** Waits for the caller's turn to start a program. Rejects with the signal's reason. */
    turn(signal: AbortSignal): Promise<void> {
      // One that gave up leaves the others their turns.
      last = last.then(() => clock.sleep(START_SECONDS, signal)).catch(() => undefined)
      return last.then(() => signal.throwIfAborted())
    },
    /** Notes a stream under the label that its caller gave it; to be released when its programs have ended. */
    hold(label: string): () => void {
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

export type Sustained = ReturnType<typeof createSustained>
