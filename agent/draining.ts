import { OperatingError } from '../lib/errors.ts'

/** Ends every stream when the agent shuts down, and knows when all of them are over. */
export const createDraining = () => {
  const controller = new AbortController()
  const open = new Set<() => void>()
  let idle: (() => void) | undefined
  return {
    /** @throws OperatingError AGENT_DRAINING */
    throwIfDraining(): void {
      if (controller.signal.aborted) throw new OperatingError('AGENT_DRAINING', 'this agent is shutting down')
    },
    isDraining: (): boolean => controller.signal.aborted,
    /** A signal that ends with the caller's stream or with the agent; `end` must be called when all is cleaned up. */
    track(streamSignal: AbortSignal): { signal: AbortSignal; end(): void } {
      const end = () => {
        open.delete(end)
        if (open.size === 0) idle?.()
      }
      open.add(end)
      return { signal: AbortSignal.any([streamSignal, controller.signal]), end }
    },
    /** Ends all streams and resolves when each has cleaned up after itself. */
    async drain(): Promise<void> {
      controller.abort(new OperatingError('AGENT_DRAINING', 'this agent is shutting down'))
      if (open.size === 0) return
      await new Promise<void>((resolve) => {
        idle = resolve
      })
    },
  }
}

export type Draining = ReturnType<typeof createDraining>
