import { type MeshEvent, PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import { fromTimestamp, toTimestamp } from '../../../lib/protobuf-time.ts'
import type { PathKey, WindowStore } from '../../store/windows.ts'
import type { KnownState } from './paths.ts'

/** A watcher that does not read loses the oldest events beyond so many; the store has them all. */
const MAX_WAITING = 10_000
/** A restarted collector looks so far back for what was bad, and through at most so many events. */
const LOOK_BACK_MS = 86_400_000
const MAX_LOOKED_AT = 20_000
const PAGE = 5_000

export const eventOf = (fields: {
  timeMs: number
  seenMs: number
  source: Endpoint
  destination?: Endpoint
  before: PathState
  state: PathState
  reason: string
}): MeshEvent => ({
  time: toTimestamp(new Date(fields.timeMs)),
  seenTime: toTimestamp(new Date(fields.seenMs)),
  source: fields.source,
  destination: fields.destination,
  before: fields.before,
  state: fields.state,
  reason: fields.reason,
})

export const isOfNode = ({ source, destination }: MeshEvent, node: string): boolean =>
  node === '' || source?.node === node || destination?.node === node

/** Those who follow the events. Each has a queue of its own, so that a slow one holds up nobody. */
export const createEventWatchers = () => {
  type Watcher = { node: string; waiting: MeshEvent[]; wake: () => void }
  const watchers = new Set<Watcher>()
  return {
    tell: (event: MeshEvent): void => {
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

const keyOf = (source: string, destination: string, name: string): string =>
  `${source} ${destination} ${name}`

/** Interfaces whose newest event says that they lose probes; such an event has an interface and no destination. */
const lossyInterfacesOf = (states: ReadonlyMap<string, KnownState>) =>
  [...states].flatMap(([key, { state, timeMs }]) => {
    const [node = '', destination = '', name = ''] = key.split(' ')
    const isLossy = destination === '' && name !== '' && state === PathState.PATH_STATE_LOSSY
    return isLossy ? [{ node, interface: name, timeMs }] : []
  })

/** What was bad when this collector started, from the newest event of each path, interface and agent. */
export const statesBefore = (store: Pick<WindowStore, 'meshEvents'>, nowMs: number) => {
  const states = new Map<string, KnownState>()
  let token = ''
  for (let looked = 0; looked < MAX_LOOKED_AT; looked += PAGE) {
    const range = { fromMs: nowMs - LOOK_BACK_MS, toMs: nowMs + LOOK_BACK_MS }
    const { events, nextPageToken } = store.meshEvents(range, { size: PAGE, token })
    for (const { source, destination, state, time } of events) {
      const key = keyOf(source?.node ?? '', destination?.node ?? '', source?.interface ?? '')
      if (!states.has(key)) states.set(key, { state, timeMs: fromTimestamp(time)?.getTime() ?? 0 })
    }
    token = nextPageToken
    if (token === '') break
  }
  const isBad = (known: KnownState | undefined) =>
    known?.state === PathState.PATH_STATE_DOWN || known?.state === PathState.PATH_STATE_LOSSY
  const bad = (key: string) => {
    const known = states.get(key)
    return isBad(known) ? known : undefined
  }
  return {
    ofPath: ({ source, destination, interface: name }: PathKey) => bad(keyOf(source, destination, name)),
    lossyInterfaces: lossyInterfacesOf(states),
    /** Whether an agent was cut off. */
    wasSilent: (node: string): boolean =>
      states.get(keyOf(node, '', ''))?.state === PathState.PATH_STATE_STALE,
  }
}
