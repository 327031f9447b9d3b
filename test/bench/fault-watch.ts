/** Looks at a fleet's mesh all the time, as its users may, and says what was seen of a fault and when. */

import { setTimeout as sleep } from 'node:timers/promises'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import type { TestFleet } from '../testing/test-fleet.ts'

type Time = { seconds: number; nanos: number }
type End = { node?: string; interface?: string }
type Event = {
  time: Time
  seenTime: Time
  source: End
  destination?: End
  before: string
  state: string
  reason?: string
}
export type Verdict = {
  kind: string
  node?: string
  interface?: string
  direction?: string
  peer?: string
  rack?: string
  message: string
}
type Mesh = {
  pathCount?: number
  upCount?: number
  lossyCount?: number
  downCount?: number
  staleCount?: number
  nodeCount?: number
  streamingCount?: number
}
/** One look; `verdicts` is undefined when the collector did not answer. */
export type Look = { atMs: number; verdicts?: Verdict[]; mesh?: Mesh }

const SERVICE = 'meshgauge.collector.v1.MeshService'
const LOOK_MS = 200
const EVENTS_PAGE = 5000

export const secondsOf = (time: Time): number => (fromTimestamp(time)?.getTime() ?? 0) / 1000

export const isHealthy = ({ verdicts, mesh }: Look): boolean =>
  verdicts?.length === 0 &&
  mesh !== undefined &&
  (mesh.pathCount ?? 0) > 0 &&
  mesh.upCount === mesh.pathCount &&
  mesh.streamingCount === mesh.nodeCount

export const watchMesh = (fleet: TestFleet) => {
  const looks: Look[] = []
  let over = false
  const look = async (): Promise<Look> => {
    type Response = { meshes?: Mesh[]; verdicts?: Verdict[] }
    try {
      const { meshes, verdicts } = await fleet.client.call<Response>(SERVICE, 'GetMesh', {})
      const { rack: _, ...mesh } = { rack: undefined, ...meshes?.[0] }
      return { atMs: Date.now(), verdicts: verdicts ?? [], mesh }
    } catch {
      // A collector that is down is one of the faults.
      return { atMs: Date.now() }
    }
  }
  const looking = (async () => {
    while (!over) {
      looks.push(await look())
      await sleep(LOOK_MS)
    }
  })()
  return {
    looks,
    latest: (): Look => looks.at(-1) ?? { atMs: Date.now() },
    since: (atMs: number): Look[] => looks.filter((each) => each.atMs >= atMs),
    /** The first look at which it is so. */
    async until(
      holds: (look: Look) => boolean,
      seconds: number,
      fromMs = Date.now(),
    ): Promise<Look | undefined> {
      const end = Date.now() + seconds * 1000
      for (;;) {
        const found = looks.find((each) => each.atMs >= fromMs && holds(each))
        if (found || Date.now() > end) return found
        await sleep(LOOK_MS)
      }
    },
    /** Everything that the store has of the time since then, oldest first. */
    async events(sinceMs: number): Promise<Event[]> {
      // An agent's silence has the time when it was heard last.
      const startTime = { seconds: Math.floor(sinceMs / 1000) - 60, nanos: 0 }
      const request = { startTime, pageSize: EVENTS_PAGE }
      const { events = [] } = await fleet.client.call<{ events?: Event[] }>(
        SERVICE,
        'ListMeshEvents',
        request,
      )
      return events.filter(({ seenTime }) => secondsOf(seenTime) * 1000 >= sinceMs).reverse()
    },
    async close(): Promise<void> {
      over = true
      await looking
    },
  }
}

export type MeshWatch = ReturnType<typeof watchMesh>
