import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { HostSample } from '#proto/meshgauge/agent/v1/host.ts'
import type { Clock } from '../../lib/clock.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { parseCpuTicks, parseLinks, parseMemory, parseSnmp, parseSnmp6 } from './counters.ts'
import { readHost, sampleBetween } from './sample.ts'
import { createSampler } from './sampler.ts'

const recorded = (name: string) =>
  readFileSync(new URL(`fixtures/debian-vm/${name}`, import.meta.url), 'utf8')

test('reads the counters of a recorded host', () => {
  const cpus = parseCpuTicks('cpu  9 9 9 9\ncpu0 113980 90 36365 250550 96 0 10828 27 5 0\nintr 1\n')
  expect([...cpus]).toEqual([[0, { total: 411936, busy: 161290, softirq: 10828, steal: 27 }]])
  expect([...parseCpuTicks(recorded('stat')).keys()]).toEqual([0, 1])
  expect(parseMemory(recorded('meminfo'), 'MemTotal')).toBe(24684084 * 1024)
  expect([...parseLinks(recorded('net-dev')).keys()]).toEqual(expect.arrayContaining(['lo', 'eth0']))
  const text = ' face |bytes\n  eth0: 438 5 1 2 0 0 0 0 648 8 3 4 0 0 0 0\nwlan0.5:1 2 3\n'
  expect([...parseLinks(text)]).toEqual([
    [
      'eth0',
      {
        receivedBytes: 438,
        receivedPacketCount: 5,
        receiveErrorCount: 1,
        receiveDropCount: 2,
        sentBytes: 648,
        sentPacketCount: 8,
        sendErrorCount: 3,
        sendDropCount: 4,
      },
    ],
  ])
  const snmp = 'Tcp: RtoMin MaxConn RetransSegs\nTcp: 200 -1 348\nUdpLite: InErrors\nUdpLite: 7\n'
  expect(parseSnmp(snmp, 'Tcp', 'RetransSegs')).toBe(348)
  expect(parseSnmp(snmp, 'Udp', 'InErrors')).toBeUndefined()
  expect(parseSnmp(snmp, 'Tcp', 'NoSuch')).toBeUndefined()
  expect(parseSnmp(recorded('net-snmp'), 'Udp', 'RcvbufErrors')).toBeTypeOf('number')
  expect(parseSnmp6(recorded('net-snmp6'), 'Udp6InErrors')).toBeTypeOf('number')
})

test('unexpected file content is absent, and never an exception', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const reading = readHost(() => text, { time: new Date(0), monotonicSeconds: 0 })
      for (const value of [reading.memoryAvailableBytes, reading.tcpRetransmits]) {
        expect(value === undefined || Number.isFinite(value)).toBe(true)
      }
    }),
  )
})

/** A host whose counters the test sets, and a clock that the test advances. */
const createHost = () => {
  const files = new Map<string, string>()
  let now = 1000
  let sleepers: { until: number; resolve: () => void }[] = []
  const clock: Clock = {
    now: () => new Date(now * 1000),
    monotonicSeconds: () => now,
    yield: () => new Promise((resolve) => setImmediate(resolve)),
    sleep: (seconds, signal) =>
      new Promise((resolve, reject) => {
        sleepers.push({ until: now + seconds, resolve })
        signal?.addEventListener('abort', () => reject(signal.reason))
      }),
  }
  const set = (counts: { idle?: number; user?: number; received?: number; retransmits?: number }) => {
    const { idle = 0, user = 0, received = 0, retransmits = 0 } = counts
    files.set('/proc/stat', `cpu0 ${user} 0 0 ${idle} 0 0 0 0 0 0\n`)
    files.set(
      '/proc/net/dev',
      `  net0: ${received} 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n  other: 9 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n`,
    )
    files.set('/proc/net/snmp', `Tcp: RetransSegs\nTcp: ${retransmits}\n`)
  }
  set({})
  return {
    clock,
    files,
    set,
    read: (path: string) => files.get(path),
    /** Advances the clock and wakes the sleepers whose time has come. */
    advance: async (seconds: number) => {
      now += seconds
      const due = sleepers.filter(({ until }) => until <= now + 1e-9)
      sleepers = sleepers.filter((sleeper) => !due.includes(sleeper))
      for (const { resolve } of due) resolve()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

const options = { intervalSeconds: 1, interfaces: ['net0'] }

test('takes a sample for each interval and one for the rest, which add up to all bytes', async () => {
  const host = createHost()
  const sampler = createSampler(host, options)
  host.set({ idle: 75, user: 25, received: 1000, retransmits: 2 })
  await host.advance(1)
  expect(sampler.take()).toEqual([
    expect.objectContaining({
      interval: { seconds: 1, nanos: 0 },
      cpus: [{ cpu: 0, busyRatio: 0.25, softirqRatio: 0, stealRatio: 0 }],
      interfaces: [expect.objectContaining({ interface: 'net0', receivedBytes: 1000, sentBytes: 0 })],
      tcpRetransmitCount: 2,
    }),
  ])
  expect(sampler.take()).toEqual([])
  host.set({ idle: 175, user: 25, received: 1500, retransmits: 2 })
  await host.advance(1)
  host.set({ idle: 176, user: 26, received: 1600, retransmits: 2 })
  await host.advance(0.25)
  await sampler.end()
  const rest = sampler.take()
  expect(rest.map((sample) => sample.interfaces[0]!.receivedBytes)).toEqual([500, 100])
  expect(rest.map((sample) => fromDuration(sample.interval))).toEqual([1, 0.25])
  // Two ticks are too few for a ratio.
  expect(rest[1]!.cpus).toEqual([])
})

test('a late sample does not delay the next ones', async () => {
  const host = createHost()
  const sampler = createSampler(host, options)
  await host.advance(1.4)
  await host.advance(0.6)
  const intervals = sampler.take().map((sample: HostSample) => fromDuration(sample.interval))
  expect(intervals.map((seconds) => Number(seconds!.toFixed(3)))).toEqual([1.4, 0.6])
  await sampler.end()
})

test('a value that cannot be read is absent until it can be read again', async () => {
  const host = createHost()
  const sampler = createSampler(host, options)
  const snmp = host.files.get('/proc/net/snmp')!
  host.files.delete('/proc/net/snmp')
  host.files.delete('/proc/net/dev')
  await host.advance(1)
  const [sample] = sampler.take()
  expect(sample).toMatchObject({
    interfaces: [],
    tcpRetransmitCount: undefined,
    memoryAvailableBytes: undefined,
  })
  expect(sample!.udpReceiveErrorCount).toBeUndefined()
  host.files.set('/proc/net/snmp', snmp)
  host.set({})
  await host.advance(1)
  await host.advance(1)
  expect(sampler.take().at(-1)).toMatchObject({ tcpRetransmitCount: 0, interfaces: [{ interface: 'net0' }] })
  await sampler.end()
})

test('a counter that restarted has no difference, such as after an interface was created again', () => {
  const host = createHost()
  host.set({ received: 5000, retransmits: 7 })
  const before = readHost(host.read, { time: new Date(0), monotonicSeconds: 0 })
  host.set({ received: 10, retransmits: 1 })
  const after = readHost(host.read, { time: new Date(1000), monotonicSeconds: 1 })
  const sample = sampleBetween(before, after, ['net0', 'gone'])
  expect(sample.interfaces).toEqual([])
  expect(sample.tcpRetransmitCount).toBeUndefined()
})

test('adds both families of UDP', () => {
  const at = { time: new Date(0), monotonicSeconds: 0 }
  const files = (v4: number, v6: number) => (path: string) =>
    path === '/proc/net/snmp'
      ? `Udp: InErrors RcvbufErrors\nUdp: ${v4} ${v4}\n`
      : path === '/proc/net/snmp6'
        ? `Udp6InErrors   \t${v6}\nUdp6RcvbufErrors \t${v6}\n`
        : undefined
  const sample = sampleBetween(
    readHost(files(1, 10), at),
    readHost(files(3, 40), { ...at, monotonicSeconds: 1 }),
    [],
  )
  expect(sample).toMatchObject({ udpReceiveErrorCount: 32, udpReceiveBufferErrorCount: 32 })
})

test('the samples of a long test are bounded, and the problem reports their end', async () => {
  const host = createHost()
  const sampler = createSampler(host, options)
  const cores = Array.from({ length: 1000 }, (_, cpu) => cpu)
  let taken = 0
  for (let second = 1; second <= 400 && sampler.problem() === ''; second++) {
    host.files.set(
      '/proc/stat',
      cores.map((cpu) => `cpu${cpu} ${second * 50} 0 0 ${second * 50} 0 0 0 0`).join('\n'),
    )
    await host.advance(1)
    taken += sampler.take().length
  }
  expect(sampler.problem()).toMatch(/^sampling ended after 2\.10 MB of samples; request a longer interval$/)
  expect(taken).toBeGreaterThan(10)
  await host.advance(1)
  await sampler.end()
  expect(sampler.take()).toEqual([])
})
