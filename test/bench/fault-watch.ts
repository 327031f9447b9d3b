// Polls the mesh of a fleet and records all answers.

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
/** One answer; `verdicts` is undefined when the collector did not answer. */
export type Observation = { atMs: number; verdicts?: Verdict[]; mesh?: Mesh }

const SERVICE = 'meshgauge.collector.v1.MeshService'
const POLL_MS = 200
const EVENTS_PAGE = 5000

export const secondsOf = (time: Time): number => (fromTimestamp(time)?.getTime() ?? 0) / 1000

export const isHealthy = ({ verdicts, mesh }: Observation): boolean =>
  verdicts?.length === 0 &&
  mesh !== undefined &&
  (mesh.pathCount ?? 0) > 0 &&
  mesh.upCount === mesh.pathCount &&
  mesh.streamingCount === mesh.nodeCount

export const watchMesh = (fleet: TestFleet) => {
  const looks: Observation[] = []
  let closed = false
  const look = async (): Promise<Observation> => {
    type Response = { meshes?: Mesh[]; verdicts?: Verdict[] }
    try {
      const { meshes, verdicts } = await fleet.client.call<Response>(SERVICE, 'GetMesh', {})
      const { rack: _, ...mesh } = { rack: undefined, ...meshes?.[0] }
      return { atMs: Date.now(), verdicts: verdicts ?? [], mesh }
    } catch {
      // A stopped collector is one of the faults.
      return { atMs: Date.now() }
    }
  }
  const looking = (async () => {
    while (!closed) {
      looks.push(await look())
      await sleep(POLL_MS)
    }
  })()
  return {
    looks,
    latest: (): Observation => looks.at(-1) ?? { atMs: Date.now() },
    since: (atMs: number): Observation[] => looks.filter((each) => each.atMs >= atMs),
    /** Waits for the first observation since `fromMs` that satisfies `holds`; undefined after `seconds`. */
    async until(
      holds: (look: Observation) => boolean,
      seconds: number,
      fromMs = Date.now(),
    ): Promise<Observation | undefined> {
      const end = Date.now() + seconds * 1000
      for (;;) {
        const found = looks.find((each) => each.atMs >= fromMs && holds(each))
        if (found || Date.now() > end) return found
        await sleep(POLL_MS)
      }
    },
    /** All stored events since `sinceMs`, oldest first. */
    async events(sinceMs: number): Promise<Event[]> {
      // The event of a silent agent has the time of its last batch, which is earlier.
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
      closed = true
      await looking
    },
  }
}

export type MeshWatch = ReturnType<typeof watchMesh>
