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
const read = (held: ReturnType<typeof createUnacknowledgedBatches>, from = 0) => {
  const batches: { sequence: number; ids: number[] }[] = []
  for (let next = held.from(from); next; next = held.from(next.sequence + 1)) {
    const ids = next.windows.flatMap(({ windows }) => windows.map(({ targetId }) => targetId))
    batches.push({ sequence: next.sequence, ids })
  }
  return batches
}

test('everything that is not acknowledged is there, once, in its order; what is not there is counted', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ acknowledge: fc.nat(40) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 100, max: 2000 }), (steps, maxBytes) => {
      const held = createUnacknowledgedBatches({ maxBytes })
      const made: number[][] = []
      let acknowledged = 0
      let ids = 0
      for (const event of steps) {
        if ('add' in event) {
          const batch = Array.from({ length: event.add }, () => ++ids)
          made.push(batch)
          held.add(windowsOf(batch))
        } else {
          // Not what was never sent, as a caller would.
          acknowledged = Math.max(acknowledged, Math.min(made.length, event.acknowledge))
          held.acknowledge(event.acknowledge > made.length ? acknowledged : event.acknowledge)
        }
        expect(held.bytes()).toBeLessThanOrEqual(maxBytes)
      }
      const batches = read(held)
      expect(batches.map(({ sequence }) => sequence)).toEqual(
        made.flatMap((_, index) => (index >= acknowledged ? [index + 1] : [])),
      )
      for (const { sequence, ids: got } of batches) {
        if (got.length > 0) expect(got).toEqual(made[sequence - 1])
      }
      const lost = batches.filter(({ sequence, ids: got }) => got.length !== made[sequence - 1]!.length)
      const lostCount = lost.reduce((sum, { sequence }) => sum + made[sequence - 1]!.length, 0)
      expect(held.droppedCount()).toBeGreaterThanOrEqual(lostCount)
      if (acknowledged === 0) expect(held.droppedCount()).toBe(lostCount)
      // Only the oldest go.
      const firstKept = batches.findIndex(({ ids: got }) => got.length > 0)
      if (firstKept >= 0)
        for (const one of lost) expect(one.sequence).toBeLessThan(batches[firstKept]!.sequence)
    }),
  )
})

test('batches that nobody acknowledges are bounded in number, however little is in them', () => {
  const held = createUnacknowledgedBatches({ maxBytes: 1000 })
  held.add(windowsOf([1, 2]))
  for (let count = 0; count < 29_999; count++) held.add([])
  const batches = read(held)
  expect(batches).toHaveLength(20_000)
  expect(batches.at(-1)!.sequence).toBe(30_000)
  expect(held.droppedCount()).toBe(2)
  expect(held.bytes()).toBe(0)
  held.acknowledge(30_000)
  expect(read(held)).toEqual([])
})
