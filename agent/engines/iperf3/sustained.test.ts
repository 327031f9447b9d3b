import { expect, test } from 'vitest'
import { type Flow, IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { clientArgs } from './args.ts'
import { sustainedOptions } from './sustained.ts'

const flow: Flow = { address: '10.0.0.2', port: 5201, interface: '', sourceAddress: '' }
const optionsOf = (options: Parameters<typeof IperfOptions.fromPartial>[0], seconds = 60) =>
  sustainedOptions(IperfOptions.fromPartial(options), seconds)

test('a test is bounded, in whole seconds', () => {
  expect(optionsOf({}, 59.9).duration).toEqual({ seconds: 59, nanos: 0 })
  expect(optionsOf({}, 1e9).duration).toEqual({ seconds: 86_400, nanos: 0 })
  expect(optionsOf({}, 0.2).duration).toEqual({ seconds: 1, nanos: 0 })
})

test.each([
  ['a low rate', { bitsPerSecond: 50_000, interval: { seconds: 5 } }, 7812],
  ['a very low rate', { bitsPerSecond: 100 }, 64],
  ['a rate that fills the default block', { bitsPerSecond: 1e9 }, undefined],
  ['no rate', {}, undefined],
  ['a given block length', { bitsPerSecond: 50_000, lengthBytes: 4096 }, 4096],
  ['datagrams', { bitsPerSecond: 50_000, protocol: Protocol.PROTOCOL_UDP }, undefined],
])('blocks are small enough for bytes in each interval: %s', (_, options, bytes) => {
  expect(optionsOf(options).lengthBytes).toBe(bytes)
})

test('slow flows do not read the clock each millisecond', () => {
  const slow = clientArgs(flow, optionsOf({ bitsPerSecond: 50_000, interval: { seconds: 5 } }), 'text')
  // A tenth of 7812 bytes at 50 kbit/s.
  expect(slow.join(' ')).toContain('--pacing-timer 312480')
  const fast = clientArgs(flow, IperfOptions.fromPartial({ bitsPerSecond: 1e9 }), 'text')
  expect(fast).not.toContain('--pacing-timer')
})
