import type { ServiceError } from '@grpc/grpc-js'
import { eventually } from './eventually.ts'
import type { IndependentClient } from './independent-client.ts'

type Stamp = { seconds?: number; nanos?: number }
type RawWindow = {
  targetId?: number
  sentCount?: number
  receivedCount?: number
  trailingLostCount?: number
  rttMin?: Stamp
  rttMax?: Stamp
  histogramCounts?: number[]
  reason?: string
}
type RawBatch = {
  sequence: number
  sendTime: Stamp
  droppedCount?: number
  windows?: { startTime: Stamp; endTime: Stamp; windows: RawWindow[] }[]
  problems?: { groupIndex?: number; reason: string }[]
}
type RawResponse = {
  started?: { session: string; engines?: { name: string; version: string }[] }
  batch?: RawBatch
}

/** A received window. Times are seconds since 1970: `arrivedAt` by this process's clock, the others by the agent's. */
export type SeenWindow = {
  target: number
  start: number
  end: number
  sent: number
  received: number
  trailing: number
  reason: string
  rttMin: number
  rttMax: number
  buckets: readonly number[]
  arrivedAt: number
  session: string
}

const secondsOf = ({ seconds = 0, nanos = 0 }: Stamp): number => seconds + nanos / 1e9

/** Targets with loopback addresses. */
export const targets = (...ids: number[]) => ids.map((id) => ({ id, address: `127.0.7.${id}` }))
/** Long enough that replies on a busy machine are not counted as lost. */
export const timeout = { seconds: 1 }
export const quick = { interval: { nanos: 1e8 }, timeout }
/** An assignment of one group with windows of 1 s. `more` replaces or adds fields. */
export const assignment = (ids: number[], more: object = {}) => ({
  owner: 'collector-1',
  window: { seconds: 1 },
  outlive: { seconds: 60 },
  groups: [{ ...quick, targets: targets(...ids) }],
  ...more,
})

/** Opens a Mesh stream and records everything received. Acknowledges each batch at once unless `acknowledges` is false. */
export const openMesh = (
  client: IndependentClient,
  assignment: object,
  { acknowledges = true }: { acknowledges?: boolean } = {},
) => {
  const stream = client.duplex<RawResponse>('meshgauge.agent.v1.PingService', 'PingMesh')
  const seen = {
    session: '',
    engines: [] as { name: string; version: string }[],
    batches: [] as RawBatch[],
    windows: [] as SeenWindow[],
    ended: false,
    failure: undefined as ServiceError | undefined,
  }
  const take = (batch: RawBatch) => {
    const arrivedAt = Date.now() / 1000
    seen.batches.push(batch)
    for (const { startTime, endTime, windows } of batch.windows ?? []) {
      for (const window of windows) {
        seen.windows.push({
          target: window.targetId ?? 0,
          start: secondsOf(startTime),
          end: secondsOf(endTime),
          sent: window.sentCount ?? 0,
          received: window.receivedCount ?? 0,
          trailing: window.trailingLostCount ?? 0,
          reason: window.reason ?? '',
          rttMin: secondsOf(window.rttMin ?? {}),
          rttMax: secondsOf(window.rttMax ?? {}),
          buckets: window.histogramCounts ?? [],
          arrivedAt,
          session: seen.session,
        })
      }
    }
    if (acknowledges && !seen.ended)
      stream.write({ acknowledgement: { session: seen.session, sequence: batch.sequence } })
  }
  const assign = (next: object) => stream.write({ assignment: next })
  assign(assignment)
  const done = (async () => {
    for await (const { started, batch } of stream) {
      if (started) Object.assign(seen, started)
      if (batch) take(batch)
    }
  })()
    .catch((error: ServiceError) => {
      seen.failure = error
    })
    .finally(() => {
      seen.ended = true
    })
  return {
    seen,
    assign,
    done,
    windowsOf: (target: number) => seen.windows.filter((window) => window.target === target),
    /** Waits until `good` accepts what was received. */
    until: (good: (now: typeof seen) => boolean, seconds?: number) =>
      eventually(
        () => ({
          good: good(seen),
          batches: seen.batches.length,
          windows: seen.windows.length,
          last: seen.windows.slice(-2),
          problems: seen.batches.at(-1)?.problems,
          failure: seen.failure?.message,
        }),
        (now) => now.good,
        seconds,
      ),
    /** Half-closes the stream and waits for the last batches and its end. */
    end: () => {
      acknowledges = false
      stream.end()
      return done
    },
    cancel: () => {
      stream.cancel()
      return done
    },
  }
}

export type MeshStream = ReturnType<typeof openMesh>
