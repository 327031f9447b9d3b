import { expect, test } from 'vitest'
import { createFakeClock } from '../../../lib/testing/fake-clock.ts'
import { countInterface, speedFault } from './interface-bytes.ts'

const never = new AbortController().signal

const createHost = (sequence: { sent: number; received: number; lo?: number }[], sendBuffers?: string) => {
  let reads = 0
  const row = (name: string, received: number, sent: number) =>
    `${name}: ${received} 1 0 0 0 0 0 0 ${sent} 1 0 0 0 0 0 0\n`
  const read = (path: string) => {
    if (path.endsWith('tcp_wmem')) return sendBuffers
    const { sent, received, lo = 0 } = sequence[Math.min(reads, sequence.length - 1)]!
    reads++
    return row('net1', received, sent) + row('lo', lo, lo)
  }
  const clock = { ...createFakeClock().clock, sleep: async () => undefined }
  return countInterface({ clock, read }, 'iperf3', 'net1')
}

const MB = 1_000_000

test('a program that reports ten times the bytes of its interface is at fault', async () => {
  const check = createHost([
    { sent: 5 * MB, received: 0 },
    { sent: 62 * MB, received: MB },
  ])
  expect(await check({ sentBytes: 573 * MB }, never)).toEqual({
    counted: { sentBytes: 57 * MB, receivedBytes: MB },
    programFault: { program: 'iperf3', problem: 'reports 573 MB sent, where net1 sent 57.0 MB in total' },
  })
  expect((await check({ receivedBytes: 573 * MB }, never)).programFault?.problem).toMatch(/573 MB received/)
})

test('a sender counts what is still in its socket: 2 MB of 14 MB', async () => {
  const check = createHost([
    { sent: 0, received: 0 },
    { sent: 12.1 * MB, received: 0 },
  ])
  expect((await check({ sentBytes: 13.9 * MB, streamCount: 1 }, never)).programFault).toBeUndefined()
  expect((await check({ sentBytes: 139 * MB, streamCount: 1 }, never)).programFault).toBeDefined()
})

test('on a host with larger send buffers, a sender counts more that was not sent', async () => {
  const counts = [
    { sent: 0, received: 0 },
    { sent: 12 * MB, received: 0 },
  ]
  const claim = { sentBytes: 60 * MB, streamCount: 1 }
  expect((await createHost(counts, '4096\t65536\t67108864\n')(claim, never)).programFault).toBeUndefined()
  expect((await createHost(counts, '4096\t16384\t4194304\n')(claim, never)).programFault).toBeDefined()
})

test.each([
  [
    'headers and other traffic make the count of the interface larger',
    [
      { sent: 0, received: 0 },
      { sent: 80 * MB, received: 0 },
    ],
  ],
  [
    'a driver may count late',
    [
      { sent: 0, received: 0 },
      { sent: 0, received: 0 },
      { sent: 58 * MB, received: 0 },
    ],
  ],
  [
    'traffic inside a host is counted at lo',
    [
      { sent: 0, received: 0 },
      { sent: 0, received: 0, lo: 58 * MB },
    ],
  ],
  [
    'counters that began again prove nothing',
    [
      { sent: 9 * MB, received: 0 },
      { sent: 0, received: 0 },
    ],
  ],
])('%s', async (_, sequence) => {
  expect((await createHost(sequence)({ sentBytes: 57 * MB }, never)).programFault).toBeUndefined()
})

test('a rate above the speed of a physical link is a fault of the program', () => {
  const link = { name: 'eth0', speedBitsPerSecond: 100e6, busInfo: '0000:3b:00.0' }
  expect(speedFault('iperf3', link, 573e6)).toEqual({
    program: 'iperf3',
    problem: 'reports 573 Mbit/s, where eth0 has a link of 100 Mbit/s',
  })
  expect(speedFault('iperf3', link, 101e6)).toBeUndefined()
  // The speed of a virtual device is a constant, which it exceeds.
  expect(speedFault('iperf3', { ...link, busInfo: '' }, 573e6)).toBeUndefined()
  expect(speedFault('iperf3', { ...link, speedBitsPerSecond: undefined }, 573e6)).toBeUndefined()
  expect([speedFault('iperf3', undefined, 1), speedFault('iperf3', link, undefined)]).toEqual([
    undefined,
    undefined,
  ])
})
