import type { MeshBatch, PingMeshRequest, PingMeshResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Store } from '../../../collector/store/store.ts'
import type { ServedCall } from '../world/calls.ts'
import type { Checker } from './checker.ts'

type Counts = { windows: number; sent: number; received: number }
type Batch = Pick<MeshBatch, 'sequence' | 'windows'>
type Session = { acknowledged: number; waiting: Batch[]; newest: number }

/** Wall-clock bounds of all that a simulation can store, in Unix milliseconds. */
const ALL_TIME = { fromMs: 0, toMs: 4e12 }
/** Paths that are named in one violation. */
const MAX_NAMED = 5

const add = (all: Map<number, Counts>, path: number, sent: number, received: number): void => {
  const known = all.get(path) ?? { windows: 0, sent: 0, received: 0 }
  known.windows++
  known.sent += sent
  known.received += received
  all.set(path, known)
}

const addBatch = (all: Map<number, Counts>, { windows: groups }: Batch): void => {
  for (const { windows } of groups) {
    for (const { targetId, sentCount, receivedCount } of windows) add(all, targetId, sentCount, receivedCount)
  }
}

/**
 * No window is lost or counted twice: the store has every window of a batch that the collector has acknowledged, once,
 * and beyond these at most the windows of batches that were sent and not acknowledged yet.
 */
export const createAccounting = (store: () => Store) => {
  const sessions = new Map<string, Session>()
  const sessionOf = new WeakMap<ServedCall, string>()
  const acknowledged = new Map<number, Counts>()

  const onResponse = (call: ServedCall, { event }: PingMeshResponse): void => {
    if (event?.$case === 'started') sessionOf.set(call, event.value.session)
    if (event?.$case !== 'batch') return
    const id = sessionOf.get(call)!
    const session = sessions.get(id) ?? { acknowledged: 0, waiting: [], newest: 0 }
    sessions.set(id, session)
    const { sequence, windows } = event.value
    if (sequence <= session.newest) return
    session.newest = sequence
    session.waiting.push({ sequence, windows })
  }
  const onRequest = ({ request }: PingMeshRequest): void => {
    if (request?.$case !== 'acknowledgement') return
    const session = sessions.get(request.value.session)
    if (!session) return
    while (session.waiting[0] && session.waiting[0].sequence <= request.value.sequence) {
      addBatch(acknowledged, session.waiting.shift()!)
    }
  }

  const finish = async (): Promise<string[]> => {
    const unacknowledged = new Map<number, Counts>()
    for (const { waiting } of sessions.values()) {
      for (const batch of waiting) addBatch(unacknowledged, batch)
    }
    const stored = await store().aggregate(ALL_TIME.fromMs, ALL_TIME.toMs)
    const problems: string[] = []
    for (const [path, least] of acknowledged) {
      const more = unacknowledged.get(path) ?? { sent: 0, received: 0 }
      const found = stored.get(path) ?? { sentCount: 0, receivedCount: 0 }
      if (found.sentCount < least.sent || found.receivedCount < least.received) {
        problems.push(
          `path ${path}: the store has ${found.sentCount} probes of ${least.sent} that it acknowledged (${found.receivedCount} of ${least.received} answers)`,
        )
      }
      if (found.sentCount > least.sent + more.sent || found.receivedCount > least.received + more.received) {
        problems.push(
          `path ${path}: the store has ${found.sentCount} probes, and at most ${least.sent + more.sent} were delivered (${found.receivedCount} of ${least.received + more.received} answers)`,
        )
      }
    }
    for (const path of stored.keys()) {
      if (!acknowledged.has(path) && !unacknowledged.has(path))
        problems.push(`path ${path}: no agent delivered it`)
    }
    return problems.slice(0, MAX_NAMED)
  }

  const checker: Checker = { name: 'accounting', check: () => [], finish }
  return {
    checker,
    onResponse,
    onRequest,
    /** Batches that agents have sent and that are not acknowledged, of the session that has most. */
    mostWaiting: (): number => Math.max(0, ...[...sessions.values()].map(({ waiting }) => waiting.length)),
    /** Windows that were delivered and acknowledged. */
    windowCount: (): number => [...acknowledged.values()].reduce((sum, { windows }) => sum + windows, 0),
  }
}
