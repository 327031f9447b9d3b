import type { MeshAssignment, PingMeshRequest } from '#proto/meshgauge/agent/v1/ping.ts'

/** Requests to send: only the newest assignment and the newest acknowledgement, so the queue is bounded by two. */
export const createStreamRequests = () => {
  let assignment: MeshAssignment | undefined
  let acknowledgement: { session: string; sequence: number } | undefined
  let ended = false
  let wake = (): void => undefined
  return {
    end: (): void => {
      ended = true
      wake()
    },
    assign: (next: MeshAssignment): void => {
      assignment = next
      wake()
    },
    acknowledge: (session: string, sequence: number): void => {
      acknowledgement = { session, sequence }
      wake()
    },
    async *requests(current: () => MeshAssignment, signal: AbortSignal): AsyncGenerator<PingMeshRequest> {
      assignment = current()
      acknowledgement = undefined
      const abort = () => wake()
      signal.addEventListener('abort', abort, { once: true })
      try {
        while (!ended) {
          // A regular end would half-close the stream, and the agent would stop probing; a cancelled one must not.
          signal.throwIfAborted()
          if (assignment) {
            const value = assignment
            assignment = undefined
            yield { request: { $case: 'assignment', value } }
          } else if (acknowledgement) {
            const value = acknowledgement
            acknowledgement = undefined
            yield { request: { $case: 'acknowledgement', value } }
          } else {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          }
        }
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },
  }
}
