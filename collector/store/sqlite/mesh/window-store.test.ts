import { expect, test, vi } from 'vitest'
import { systemClock } from '../../../../lib/clock.ts'
import { sampleWindow } from '../../testing/windows-contract.ts'
import { createConnection } from '../connection.ts'
import { openDatabase } from '../database.ts'
import { createWindowStore } from './window-store.ts'

const HOUR_SECONDS = 3600
const LATE = 20 * HOUR_SECONDS

test('one window of hours, from a suspended agent, does not make every aggregate read hours of rows', async () => {
  const opened = openDatabase(':memory:')
  const { store, tables, rollUp } = createWindowStore(createConnection(opened), {
    clock: systemClock,
    onDamaged: () => undefined,
  })
  const path = store.pathId({ source: 'node-1', destination: 'node-2', interface: 'net0' })
  const { startMs } = sampleWindow(path, 0)
  const ofHours = sampleWindow(path, 0, { endMs: startMs + 15 * HOUR_SECONDS * 1000 })
  store.putWindows([ofHours, sampleWindow(path, LATE)], [])
  while (rollUp.sort(startMs + (LATE + 300) * 1000, () => false));
  const { range } = tables.levels.raw
  const read = vi.spyOn(range, 'all')
  const from = startMs + LATE * 1000
  expect(await store.aggregate(from, from + 60_000)).toEqual(new Map([[path, sampleWindow(path, LATE)]]))
  expect(read.mock.calls.length).toBeLessThan(20)
  opened.close()
})
