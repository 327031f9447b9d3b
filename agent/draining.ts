import { OperatingError } from '../lib/errors.ts'

/** Tracks all streams, so that the agent can end them when it shuts down and wait until they have cleaned up. */
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
    /** Returns a signal that aborts with the caller's stream or the agent. Call `end` after all clean-up. */
    track(streamSignal: AbortSignal): { signal: AbortSignal; end(): void } {
      const end = () => {
        open.delete(end)
        if (open.size === 0) idle?.()
      }
      open.add(end)
      return { signal: AbortSignal.any([streamSignal, controller.signal]), end }
    },
    /** Ends all streams; resolves when each has cleaned up. */
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
