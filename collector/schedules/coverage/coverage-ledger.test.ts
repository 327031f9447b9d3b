import { expect, test } from 'vitest'
import { createFakeClock } from '../../../lib/testing/fake-clock.ts'
import { CoverageLedger } from './coverage-ledger.ts'

const pairs = { names: ['a', 'b'], sources: Int32Array.of(0), destinations: Int32Array.of(1) }
const path = { source: 'a', destination: 'b', interface: 'net0' }
const at = (text: string) => Date.parse(text)

test('measurements by a clock that was years ahead do not hide later ones', async () => {
  const { clock, set } = createFakeClock(at('2036-01-01T00:00:00Z'))
  const ledger = new CoverageLedger({
    clock,
    store: { coverage: () => [] },
    yieldIfDue: async () => undefined,
  })
  const lastTime = async () => (await ledger.lastTimes('iperf', 'net0', pairs))[0]! * 1000
  ledger.recordPath('iperf', path, at('2036-01-01T00:00:00Z'))
  expect(await lastTime()).toBe(at('2036-01-01T00:00:00Z'))
  set(at('2026-01-01T00:00:00Z'))
  expect(await lastTime()).toBe(0)
  ledger.recordPath('iperf', path, at('2026-01-01T00:00:00Z'))
  expect(await lastTime()).toBe(at('2026-01-01T00:00:00Z'))
  // The clock of an agent may be somewhat ahead.
  ledger.recordPath('iperf', path, at('2026-01-01T00:10:00Z'))
  expect(await lastTime()).toBe(at('2026-01-01T00:10:00Z'))
})
