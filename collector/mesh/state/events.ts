import { type MeshEvent, PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import { fromTimestamp, toTimestamp } from '../../../lib/protobuf-time.ts'
import { interfaceKey, pathKey } from '../../inventory/keys.ts'
import type { PathKey, WindowStore } from '../../store/windows.ts'
import type { Recorder } from '../agents/recorder.ts'
import type { MeshObserver } from '../dependencies.ts'
import type { MeshTime } from '../mesh-time.ts'
import { type InterfaceChange, reasonOf } from './interface-state.ts'
import { type KnownState, type MeshPath, recentChanges } from './paths.ts'

/** Bound of the queue of one watcher. A watcher that does not read loses the oldest events; the store has them all. */
const MAX_WAITING = 10_000
/** Bound of the remembered changes of one path. */
const MAX_CHANGES = 64
/** How far back a restarted collector reads events, and how many at most. */
const LOOK_BACK_MS = 86_400_000
const MAX_EVENTS_READ = 20_000
const PAGE_SIZE = 5_000

const {
  PATH_STATE_UP: UP,
  PATH_STATE_LOSSY: LOSSY,
  PATH_STATE_DOWN: DOWN,
  PATH_STATE_STALE: STALE,
} = PathState

const isOfNode = ({ source, destination }: MeshEvent, node: string): boolean =>
  node === '' || source?.node === node || destination?.node === node

/** Callers of WatchMesh. Each one has its own queue, so that a slow one does not delay the others. */
const createEventWatchers = () => {
  type Watcher = { node: string; waiting: MeshEvent[]; wake: () => void }
  const watchers = new Set<Watcher>()
  return {
    publish: (event: MeshEvent): void => {
      for (const watcher of watchers) {
        if (!isOfNode(event, watcher.node)) continue
        watcher.waiting.push(event)
        if (watcher.waiting.length > MAX_WAITING) watcher.waiting.shift()
        watcher.wake()
      }
    },
    async *watch(node: string, signal: AbortSignal): AsyncGenerator<MeshEvent> {
      const watcher: Watcher = { node, waiting: [], wake: () => undefined }
      watchers.add(watcher)
      const abort = () => watcher.wake()
      signal.addEventListener('abort', abort, { once: true })
      try {
        for (;;) {
          signal.throwIfAborted()
          const event = watcher.waiting.shift()
          if (event) yield event
          else {
            await new Promise<void>((resolve) => {
              watcher.wake = resolve
            })
          }
        }
      } finally {
        signal.removeEventListener('abort', abort)
        watchers.delete(watcher)
      }
    },
  }
}

/** A change of state. `timeMs` is mesh time: when it was measured. */
type StateChange = {
  timeMs: number
  source: Endpoint
  destination?: Endpoint
  before: PathState
  state: PathState
  reason: string
}

type PublisherDeps = {
  time: MeshTime
  observer: Pick<MeshObserver, 'observeEvent' | 'observeRelapse'>
  recorder: Pick<Recorder, 'addEvent'>
  initialStates: Pick<InitialStates, 'wasSilent'>
  /** A path or an agent has become worse, and more changes of the same fault may follow. */
  onWorse: () => void
}

/** Returns a publisher that turns changes of state into events for the store, the metrics and the watchers. */
export const createEventPublisher = (deps: PublisherDeps) => {
  const { time, observer, recorder, initialStates, onWorse } = deps
  const watchers = createEventWatchers()
  const nowMs = () => time.clock.now().getTime()
  const publish = ({ timeMs, source, destination, before, state, reason }: StateChange): void => {
    const shift = time.shiftMs()
    const event: MeshEvent = {
      time: toTimestamp(new Date(timeMs + shift)),
      seenTime: toTimestamp(new Date(nowMs() + shift)),
      ...{ source, destination, before, state, reason },
    }
    recorder.addEvent(event)
    observer.observeEvent(event)
    watchers.publish(event)
  }
  return {
    /** Yields the events of a node, or of all nodes when it is empty, until the signal is aborted. */
    watch: watchers.watch,
    pathChanged: (
      path: MeshPath,
      { timeMs, before, state }: { timeMs: number; before: PathState; state: PathState },
      reason: string,
    ): void => {
      const recent = recentChanges(path, timeMs)
      path.changes = [...recent, timeMs].slice(-MAX_CHANGES)
      if (before === UP && recent.length > 0) observer.observeRelapse()
      publish({ timeMs, source: path.source, destination: path.destination, before, state, reason })
      if (state !== UP) onWorse()
    },
    /** @param lastMs end of the agent's last window, mesh time; 0 when there was none */
    agentChanged: (node: string, delivers: boolean, reason: string, lastMs: number): void => {
      // The first contact is no event, unless the agent was silent when the previous collector stopped.
      if (delivers && lastMs === 0 && !initialStates.wasSilent(node)) return
      const timeMs = delivers || lastMs === 0 ? nowMs() : lastMs
      const change = delivers ? { before: STALE, state: UP } : { before: UP, state: STALE }
      publish({ ...change, timeMs, source: { node, interface: '', address: '' }, reason })
      if (!delivers) onWorse()
    },
    interfaceChanged: ({ lossy, before, state, second }: InterfaceChange): void => {
      const source = { node: lossy.node, interface: lossy.interface, address: '' }
      publish({
        timeMs: second * 1000,
        source,
        before,
        state,
        reason: state === LOSSY ? reasonOf(lossy) : '',
      })
    },
  }
}

export type EventPublisher = ReturnType<typeof createEventPublisher>

/**
 * Reads the last event of each path, interface and agent from the store: what was bad before this collector started. It is
 * the one that was written last. An older one may have a later time, of before the wall clock was set back.
 */
export const readInitialStates = (store: Pick<WindowStore, 'writtenMeshEvents'>, nowMs: number) => {
  const paths = new Map<string, KnownState>()
  const interfaces = new Map<string, KnownState & { node: string; interface: string }>()
  let token = ''
  for (let read = 0; read < MAX_EVENTS_READ; read += PAGE_SIZE) {
    const { events, nextPageToken } = store.writtenMeshEvents({ size: PAGE_SIZE, token })
    for (const { source, destination, state, time } of events) {
      const from = { node: source?.node ?? '', interface: source?.interface ?? '' }
      const timeMs = Math.min(fromTimestamp(time)?.getTime() ?? 0, nowMs)
      if (timeMs < nowMs - LOOK_BACK_MS) continue
      // The last one is read first, so the first one of each key is kept.
      if (destination) {
        const key = pathKey({ source: from.node, destination: destination.node, interface: from.interface })
        if (!paths.has(key)) paths.set(key, { state, timeMs })
      } else if (!interfaces.has(interfaceKey(from))) {
        interfaces.set(interfaceKey(from), { ...from, state, timeMs })
      }
    }
    token = nextPageToken
    if (token === '') break
  }
  return {
    /** Returns the state of a path that was DOWN or LOSSY. */
    ofPath: (path: PathKey): KnownState | undefined => {
      const known = paths.get(pathKey(path))
      return known?.state === DOWN || known?.state === LOSSY ? known : undefined
    },
    /** Interfaces that were LOSSY over all their paths together. */
    lossyInterfaces: [...interfaces.values()].filter(
      ({ interface: name, state }) => name !== '' && state === LOSSY,
    ),
    /** Returns whether an agent did not deliver. Events of agents have no interface. */
    wasSilent: (node: string): boolean =>
      interfaces.get(interfaceKey({ node, interface: '' }))?.state === STALE,
  }
}

export type InitialStates = ReturnType<typeof readInitialStates>
