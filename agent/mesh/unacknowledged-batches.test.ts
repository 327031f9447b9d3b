import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MeshWindows } from '#proto/meshgauge/agent/v1/ping.ts'
import { MeshWindow } from '#proto/meshgauge/agent/v1/ping.ts'
import { createUnacknowledgedBatches } from './unacknowledged-batches.ts'

const windowsOf = (ids: readonly number[]): MeshWindows[] => [
  {
    startTime: { seconds: 1, nanos: 0 },
    endTime: { seconds: 2, nanos: 0 },
    windows: ids.map((targetId) => MeshWindow.create({ targetId, sentCount: 1 })),
  },
]
const read = (store: ReturnType<typeof createUnacknowledgedBatches>, from = 0) => {
  const batches: { sequence: number; ids: number[] }[] = []
  for (let next = store.from(from); next; next = store.from(next.sequence + 1)) {
    const ids = next.windows.flatMap(({ windows }) => windows.map(({ targetId }) => targetId))
    batches.push({ sequence: next.sequence, ids })
  }
  return batches
}

test('every unacknowledged batch is returned once and in order; dropped windows are counted', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ acknowledge: fc.nat(40) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 100, max: 2000 }), (steps, maxBytes) => {
      const store = createUnacknowledgedBatches({ maxBytes })
      const made: number[][] = []
      let acknowledged = 0
      let ids = 0
      for (const event of steps) {
        if ('add' in event) {
          const batch = Array.from({ length: event.add }, () => ++ids)
          made.push(batch)
          store.add(windowsOf(batch))
        } else {
          // A caller acknowledges only what was sent.
          acknowledged = Math.max(acknowledged, Math.min(made.length, event.acknowledge))
          store.acknowledge(event.acknowledge > made.length ? acknowledged : event.acknowledge)
        }
        expect(store.bytes()).toBeLessThanOrEqual(maxBytes)
      }
      const batches = read(store)
      expect(batches.map(({ sequence }) => sequence)).toEqual(
        made.flatMap((_, index) => (index >= acknowledged ? [index + 1] : [])),
      )
      for (const { sequence, ids: got } of batches) {
        if (got.length > 0) expect(got).toEqual(made[sequence - 1])
      }
      const lost = batches.filter(({ sequence, ids: got }) => got.length !== made[sequence - 1]!.length)
      const lostCount = lost.reduce((sum, { sequence }) => sum + made[sequence - 1]!.length, 0)
      expect(store.droppedCount()).toBeGreaterThanOrEqual(lostCount)
      if (acknowledged === 0) expect(store.droppedCount()).toBe(lostCount)
      // Only the oldest batches lose their content.
      const firstKept = batches.findIndex(({ ids: got }) => got.length > 0)
      if (firstKept >= 0)
        for (const one of lost) expect(one.sequence).toBeLessThan(batches[firstKept]!.sequence)
    }),
  )
})

test('the number of unacknowledged batches is bounded, even when they are empty', () => {
  const store = createUnacknowledgedBatches({ maxBytes: 1000 })
  store.add(windowsOf([1, 2]))
  for (let count = 0; count < 29_999; count++) store.add([])
  const batches = read(store)
  expect(batches).toHaveLength(20_000)
  expect(batches.at(-1)!.sequence).toBe(30_000)
  expect(store.droppedCount()).toBe(2)
  expect(store.bytes()).toBe(0)
  store.acknowledge(30_000)
  expect(read(store)).toEqual([])
})
