import { randomUUID } from 'node:crypto'
import type {
  MeshAssignment,
  MeshRequest,
  MeshResponse,
  MeshWindow,
  MeshWindows,
} from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../../lib/clock.ts'
import { bucketOf } from '../../lib/histogram.ts'
import { fromDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import type { CallContext } from '../../lib/serving.ts'

/** One probe: its round-trip time in seconds, or undefined when it is lost. Times are Unix seconds. */
export type Probe = (address: string, atSeconds: number) => number | undefined

type Target = {
  id: number
  address: string
  startMs: number
  sent: number
  trips: number[]
  trailing: number
  news: boolean
}

const BEAT_SECONDS = 2

const toWindow = ({ id, sent, trips, trailing }: Target): MeshWindow => {
  const buckets = trips.map(bucketOf)
  const first = Math.min(...buckets)
  const counts = trips.length === 0 ? [] : new Array<number>(Math.max(...buckets) - first + 1).fill(0)
  for (const bucket of buckets) counts[bucket - first]!++
  return {
    targetId: id,
    sentCount: sent,
    receivedCount: trips.length,
    trailingLostCount: trailing,
    rttMinSeconds: trips.length === 0 ? 0 : Math.min(...trips),
    rttMaxSeconds: trips.length === 0 ? 0 : Math.max(...trips),
    rttSumSeconds: trips.reduce((sum, trip) => sum + trip, 0),
    jitterSeconds: 0,
    histogramOffset: trips.length === 0 ? 0 : first,
    histogramCounts: counts,
    reason: '',
  }
}

/**
 * An agent's mesh as PingService.Mesh promises it, with a made-up network. Its clock is wrong by `skewMs`, and
 * nothing ever tells it so.
 */
export const createSimulatedMesh = (clock: Clock, probe: Probe, { skewMs }: { skewMs: number }) => {
  const session = randomUUID()
  const stop = new AbortController()
  const targets = new Map<number, Target>()
  let assignment: MeshAssignment | undefined
  let held: { sequence: number; windows: MeshWindows[] }[] = []
  let nextSequence = 1
  let droppedCount = 0
  let wake = (): void => undefined
  let probing: Promise<void> | undefined
  const baseMs = clock.now().getTime() - clock.monotonicSeconds() * 1000
  /** Set once, and even ever after. */
  const trueMs = () => baseMs + clock.monotonicSeconds() * 1000
  const agentMs = () => Math.round(trueMs() + skewMs)
  const at = (ms: number) => toTimestamp(new Date(ms))

  const close = (due: readonly Target[], endMs: number) => {
    const byStart = Map.groupBy(due, ({ startMs }) => startMs)
    const windows = [...byStart].map(([startMs, together]) => ({
      startTime: at(startMs),
      endTime: at(endMs),
      windows: together.map(toWindow),
    }))
    if (windows.length > 0) held.push({ sequence: nextSequence++, windows })
    for (const target of due) {
      Object.assign(target, { startMs: endMs, sent: 0, trips: [], news: false })
    }
    if (windows.length > 0) wake()
  }
  const probeAll = () => {
    const nowMs = agentMs()
    const windowMs = (fromDuration(assignment?.window) ?? 10) * 1000
    const due: Target[] = []
    for (const target of targets.values()) {
      const trip = probe(target.address, trueMs() / 1000)
      target.sent++
      target.news ||= trip === undefined || target.trailing > 0
      if (trip === undefined) target.trailing++
      else {
        target.trailing = 0
        target.trips.push(trip)
      }
      if (target.news || nowMs - target.startMs >= windowMs) due.push(target)
    }
    close(due, nowMs)
  }
  const keepProbing = async () => {
    while (!stop.signal.aborted) {
      const interval = fromDuration(assignment?.groups[0]?.interval) ?? 1
      await clock.sleep(interval, stop.signal).catch(() => undefined)
      if (!stop.signal.aborted) probeAll()
    }
  }
  const assign = (next: MeshAssignment) => {
    assignment = next
    const wanted = next.groups.flatMap((group) => group.targets)
    const ids = new Set(wanted.map(({ id }) => id))
    for (const id of targets.keys()) if (!ids.has(id)) targets.delete(id)
    for (const { id, address } of wanted) {
      if (targets.get(id)?.address === address) continue
      targets.set(id, { id, address, startMs: agentMs(), sent: 0, trips: [], trailing: 0, news: false })
    }
    probing ??= keepProbing()
  }
  const read = async (requests: AsyncIterable<MeshRequest>, done: AbortController, signal: AbortSignal) => {
    try {
      for await (const { request } of requests) {
        if (request?.$case === 'assignment') assign(request.value)
        if (request?.$case === 'acknowledgement' && request.value.session === session) {
          held = held.filter(({ sequence }) => sequence > request.value.sequence)
        }
      }
      // Half-closed: the caller wants it to end. A stream that breaks throws instead, and probing goes on.
      await clock.sleep(0.1)
      if (!signal.aborted) targets.clear()
    } catch {
      // The stream broke.
    }
    done.abort()
    wake()
  }

  return {
    session,
    targetCount: (): number => targets.size,
    heldCount: (): number => held.length,
    /** Says from now on that it has thrown away so many more windows. */
    drop: (count: number): void => {
      droppedCount += count
    },
    async *serve(requests: AsyncIterable<MeshRequest>, context: CallContext): AsyncGenerator<MeshResponse> {
      const done = new AbortController()
      void read(requests, done, context.signal)
      const abort = () => wake()
      context.signal.addEventListener('abort', abort, { once: true })
      yield { event: { $case: 'started', value: { session, engines: [] } } }
      let sent = 0
      let beat = new AbortController()
      while (!context.signal.aborted && !done.signal.aborted && !stop.signal.aborted) {
        const next = held.find(({ sequence }) => sequence > sent)
        const value = next ?? { sequence: nextSequence, windows: [] }
        if (!next) {
          // Nothing to tell: wait for something, or say only that the stream lives.
          beat = new AbortController()
          const woken = new Promise<boolean>((resolve) => {
            wake = () => resolve(true)
          })
          const beaten = clock.sleep(BEAT_SECONDS, beat.signal).then(
            () => false,
            () => true,
          )
          const isWoken = await Promise.race([woken, beaten])
          beat.abort()
          if (isWoken) continue
          nextSequence++
          held.push(value)
        }
        sent = value.sequence
        yield {
          event: {
            $case: 'batch',
            value: { ...value, sendTime: at(agentMs()), droppedCount, troubles: [] },
          },
        }
      }
    },
    close: async (): Promise<void> => {
      stop.abort()
      wake()
      await probing
    },
  }
}

export type SimulatedMesh = ReturnType<typeof createSimulatedMesh>
