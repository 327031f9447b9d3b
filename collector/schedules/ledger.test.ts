import { expect, test } from 'vitest'
import { createLedger } from './ledger.ts'
import { createFakeClock } from './testing/fake-clock.ts'

const pairs = { names: ['a', 'b'], sources: Int32Array.of(0), destinations: Int32Array.of(1) }
const key = { source: 'a', destination: 'b', interface: 'net0' }
const at = (text: string) => Date.parse(text)

test('what was measured by a clock that ran ahead by years does not stand in the way of what is measured now', async () => {
  const { clock, set } = createFakeClock(at('2036-01-01T00:00:00Z'))
  const store = { coverage: () => [] }
  const ledger = createLedger({ clock, store, breathe: async () => undefined })
  const last = async () => (await ledger.lasts('iperf', 'net0', pairs))[0]! * 1000
  ledger.measured('iperf', key, at('2036-01-01T00:00:00Z'))
  expect(await last()).toBe(at('2036-01-01T00:00:00Z'))
  set(at('2026-01-01T00:00:00Z'))
  expect(await last()).toBe(0)
  ledger.measured('iperf', key, at('2026-01-01T00:00:00Z'))
  expect(await last()).toBe(at('2026-01-01T00:00:00Z'))
  // An agent's clock may be ahead a little.
  ledger.measured('iperf', key, at('2026-01-01T00:10:00Z'))
  expect(await last()).toBe(at('2026-01-01T00:10:00Z'))
})
