import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { MeshObserver } from '../deps.ts'
import { createEventWatchers, eventOf, type statesBefore } from '../state/events.ts'
import { type InterfaceChange, reasonOf } from '../state/interface-state.ts'
import type { MeshPath } from '../state/paths.ts'
import type { Recorder } from '../state/recorder.ts'
import type { MeshTime } from '../time.ts'
import { HOUR_MS } from '../view/messages.ts'
import { endpointOf } from './verdicts.ts'

/** Changes of one path that are remembered for the count of the last hour. */
const MAX_CHANGES = 64

type Deps = {
  time: MeshTime
  observer: Pick<MeshObserver, 'observeEvent' | 'observeRelapse'>
  recorder: Pick<Recorder, 'addEvent'>
  before: Pick<ReturnType<typeof statesBefore>, 'wasSilent'>
  /** A path or an agent has become worse: more of the same fault may follow. Of an interface all is known. */
  onWorse: () => void
}

/** Makes events of what changes, and tells everyone who is to know: the store, the metrics, and who watches. */
export const createEventPublisher = ({ time, observer, recorder, before, onWorse }: Deps) => {
  const watchers = createEventWatchers()
  const nowMs = () => time.clock.now().getTime()
  const tell = ({ timeMs, ...change }: Omit<Parameters<typeof eventOf>[0], 'seenMs'>): void => {
    const shift = time.shiftMs()
    const event = eventOf({ ...change, timeMs: timeMs + shift, seenMs: nowMs() + shift })
    recorder.addEvent(event)
    observer.observeEvent(event)
    watchers.tell(event)
  }
  const tellOfPaths = (event: Parameters<typeof tell>[0]): void => {
    tell(event)
    if (event.state !== PathState.PATH_STATE_UP) onWorse()
  }
  return {
    watch: watchers.watch,
    ofPath: (
      path: MeshPath,
      timeMs: number,
      change: { before: PathState; state: PathState },
      reason: string,
    ): void => {
      const lately = path.changes.filter((at) => timeMs - at <= HOUR_MS)
      path.changes = [...lately, timeMs].slice(-MAX_CHANGES)
      const { source, destination } = path
      const { before: was, state } = change
      if (was === PathState.PATH_STATE_UP && lately.length > 0) observer.observeRelapse()
      tellOfPaths({ before: was, state, timeMs, source, destination, reason })
    },
    /** @param lastMs when its last window ended; 0 when there was none */
    ofAgent: (node: string, isDelivering: boolean, why: string, lastMs: number): void => {
      const [up, stale] = [PathState.PATH_STATE_UP, PathState.PATH_STATE_STALE]
      // An agent that is heard for the first time is no news, unless it was cut off when the collector stopped.
      if (isDelivering && lastMs === 0 && !before.wasSilent(node)) return
      const now = nowMs()
      const change = isDelivering ? { before: stale, state: up } : { before: up, state: stale }
      const timeMs = isDelivering || lastMs === 0 ? now : lastMs
      tellOfPaths({ ...change, timeMs, source: endpointOf(node, ''), reason: why })
    },
    ofInterface: ({ lossy, before: was, state, second }: InterfaceChange): void => {
      const source = endpointOf(lossy.node, lossy.interface)
      const reason = state === PathState.PATH_STATE_LOSSY ? reasonOf(lossy) : ''
      tell({ timeMs: second * 1000, source, before: was, state, reason })
    },
  }
}

export type EventPublisher = ReturnType<typeof createEventPublisher>
