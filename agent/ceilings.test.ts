import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Limits } from '#proto/meshgauge/agent/v1/agent.ts'
import {
  Direction,
  Flow,
  IperfOptions,
  Protocol,
  RequestResponse,
  ServeRequest,
} from '#proto/meshgauge/agent/v1/iperf.ts'
import { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { OperatingError } from '../lib/errors.ts'
import { fromDuration, toDuration } from '../lib/protobuf-time.ts'
import {
  boundedOptions,
  boundedPingSeconds,
  boundedServeSeconds,
  createProbeCeiling,
  MAX_PROBES_PER_SECOND,
  maxProbeBitsOf,
  probeLoadOf,
} from './ceilings.ts'
import { clientArgs, deadlineSeconds, planIperf, serverArgs } from './engines/iperf3/args.ts'
import { createRateWatch } from './engines/iperf3/output-server.ts'
import { deadlineSeconds as netperfDeadline, planNetperf } from './engines/netperf/args.ts'
import { planPing } from './engines/ping-request.ts'

const limitsOf = (maxSeconds: number, maxBits: number): Limits =>
  Limits.fromPartial({
    maxDuration: toDuration(maxSeconds),
    maxFlowsCount: 512,
    maxBitsPerSecond: maxBits,
    maxProbesPerSecond: MAX_PROBES_PER_SECOND,
    maxProbeBitsPerSecond: maxProbeBitsOf(maxBits),
  })
const IPERF3 = { flowCount: 1, sustained: false, limitsRate: true }

/** The value, or undefined when the request is refused because of a limit. */
const withinLimits = <T>(act: () => T): T | undefined => {
  try {
    return act()
  } catch (error) {
    if (error instanceof OperatingError && error.reason === 'LIMIT_EXCEEDED') return undefined
    throw error
  }
}

const option = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const seconds = fc.integer({ min: 0, max: 90_000 }).map(toDuration)

/** A value for every field of the options: a new field must be added here. */
const OPTIONS = {
  duration: option(seconds),
  bytes: option(fc.integer({ min: 1, max: 2 ** 50 })),
  omit: option(seconds),
  interval: option(seconds),
  parallelCount: option(fc.integer({ min: 1, max: 128 })),
  bitsPerSecond: option(fc.integer({ min: 0, max: 1e12 })),
  protocol: fc.constantFrom(Protocol.PROTOCOL_UNSPECIFIED, Protocol.PROTOCOL_TCP, Protocol.PROTOCOL_UDP),
  direction: fc.constantFrom(0, Direction.DIRECTION_REVERSE, Direction.DIRECTION_BIDIRECTIONAL),
  lengthBytes: option(fc.integer({ min: 16, max: 65_507 })),
  windowBytes: option(fc.nat()),
  mssBytes: option(fc.nat()),
  noDelay: fc.boolean(),
  congestionControl: fc.constantFrom('', 'bbr'),
  tos: option(fc.nat(255)),
  dscp: option(fc.nat(63)),
  zerocopy: fc.boolean(),
  family: fc.constantFrom(0, 1, 2),
  clientCpu: option(fc.nat(9)),
  serverCpu: option(fc.nat(9)),
  requestResponse: option(fc.constant(RequestResponse.fromPartial({}))),
  extraArguments: fc.constantFrom<string[][]>([], ['-b', '7']),
}
const PING = {
  targets: fc.array(fc.record({ address: fc.ipV4(), port: option(fc.nat(65_535)) }), { maxLength: 4096 }),
  interface: fc.constantFrom('', 'net0'),
  engine: fc.constantFrom('', 'fping', 'tcp'),
  count: option(fc.integer({ min: 1, max: 2 ** 32 - 1 })),
  continuous: fc.boolean(),
  interval: option(fc.integer({ min: 10, max: 3_600_000 }).map((ms) => toDuration(ms / 1000))),
  timeout: option(fc.integer({ min: 1, max: 60_000 }).map((ms) => toDuration(ms / 1000))),
  sizeBytes: option(fc.nat(65_535)),
  dontFragment: fc.boolean(),
  ttl: option(fc.nat(255)),
  tos: option(fc.nat(255)),
  reportInterval: option(seconds),
}
const limits = fc
  .record({ maxSeconds: fc.integer({ min: 1, max: 86_400 }), maxBits: fc.constantFrom(0, 64, 1e6, 1e9) })
  .map(({ maxSeconds, maxBits }) => ({ maxSeconds, maxBits, limits: limitsOf(maxSeconds, maxBits) }))

const valueAfter = (args: readonly string[], name: string): number | undefined => {
  const index = args.indexOf(name)
  return index < 0 ? undefined : Number(args[index + 1])
}

describe('no request exceeds the ceilings', () => {
  test('every field of the requests has an arbitrary value', () => {
    const fieldsOf = (message: object) => Object.keys(message).sort()
    expect(Object.keys(OPTIONS).sort()).toEqual(fieldsOf(IperfOptions.fromPartial({})))
    expect(Object.keys(PING).sort()).toEqual(fieldsOf(PingRequest.fromPartial({})))
    // Of these two, no other field has a time, a rate or a size.
    expect(
      fieldsOf(ServeRequest.fromPartial({})).filter((name) =>
        /duration|timeout|bits|bytes|count/i.test(name),
      ),
    ).toEqual(['duration', 'idleTimeout'])
    expect(fieldsOf(Flow.fromPartial({}))).toEqual(['address', 'interface', 'port', 'sourceAddress'])
  })

  test('iperf3: time and rate of its arguments, and the deadline of its process', () => {
    fc.assert(
      fc.property(limits, fc.record(OPTIONS), (ceiling, fields) => {
        const given = IperfOptions.fromPartial(fields)
        const bounded = withinLimits(() => boundedOptions(ceiling.limits, given, IPERF3))
        if (bounded === undefined) return
        const args = clientArgs(Flow.fromPartial({ address: '10.0.0.1', port: 1 }), bounded, 'json')
        const plan = planIperf(bounded)
        const streams = valueAfter(args, '-P')!
        if (plan.bytes === undefined)
          expect(valueAfter(args, '-t')! + (valueAfter(args, '-O') ?? 0)).toBeLessThanOrEqual(
            ceiling.maxSeconds,
          )
        if (ceiling.maxBits > 0) {
          expect(valueAfter(args, '-b')).toBeGreaterThan(0)
          expect(valueAfter(args, '-b')! * streams).toBeLessThanOrEqual(ceiling.maxBits)
        }
        const deadline = deadlineSeconds(plan, bounded.bitsPerSecond, 3, ceiling.maxSeconds)
        expect(deadline).toBeLessThanOrEqual(ceiling.maxSeconds + 11 + plan.intervalSeconds)
      }),
      { numRuns: 1000 },
    )
  })

  test('netperf: it is refused where a rate is limited, and its process has a deadline', () => {
    fc.assert(
      fc.property(limits, fc.record(OPTIONS), (ceiling, fields) => {
        const kind = { flowCount: 1, sustained: false, limitsRate: false }
        const given = IperfOptions.fromPartial(fields)
        const bounded = withinLimits(() => boundedOptions(ceiling.limits, given, kind))
        if (bounded === undefined) return
        expect(ceiling.maxBits).toBe(0)
        expect(netperfDeadline(planNetperf(bounded), ceiling.maxSeconds)).toBeLessThanOrEqual(
          ceiling.maxSeconds + 12,
        )
      }),
    )
  })

  test('servers: the time of the test, and the rate of both directions', () => {
    fc.assert(
      fc.property(limits, option(fc.integer({ min: 1, max: 90_000 })), (ceiling, requested) => {
        const found = withinLimits(() =>
          boundedServeSeconds(ceiling.limits, requested, { flowCount: 1, limitsRate: true }),
        )
        expect(found ?? 0).toBeLessThanOrEqual(ceiling.maxSeconds)
        const listener = {
          address: '10.0.0.1',
          port: 1,
          interface: '',
          cpu: undefined,
          idleSeconds: 1,
          durationSeconds: 1,
        }
        const limit = serverArgs(listener, ceiling.maxBits).find((arg) => arg.endsWith('/1'))
        expect(limit === undefined).toBe(ceiling.maxBits === 0)
      }),
    )
    expect(
      withinLimits(() => boundedServeSeconds(limitsOf(10, 1e6), 5, { flowCount: 1, limitsRate: false })),
    ).toBeUndefined()
  })

  test('pings: their time, their number and their rate', () => {
    fc.assert(
      fc.property(limits, fc.record(PING), (ceiling, fields) => {
        const plan = planPing(PingRequest.fromPartial(fields))
        const ceilings = createProbeCeiling()
        const longest = withinLimits(() => boundedPingSeconds(ceiling.limits, plan))
        const release = withinLimits(() => ceilings.lease(ceiling.limits, probeLoadOf(plan)))
        if (longest === undefined || release === undefined) return
        expect(longest).toBeLessThanOrEqual(ceiling.maxSeconds + plan.timeoutSeconds)
        const probes = plan.addresses.length / plan.intervalSeconds
        expect(probes).toBeLessThanOrEqual(MAX_PROBES_PER_SECOND)
        expect(probes * plan.sizeBytes * 8).toBeLessThanOrEqual(maxProbeBitsOf(ceiling.maxBits))
      }),
      { numRuns: 200 },
    )
  })
})

const optionsWithin = (
  maxSeconds: number,
  maxBits: number,
  fields: Parameters<typeof IperfOptions.fromPartial>[0],
) => boundedOptions(limitsOf(maxSeconds, maxBits), IperfOptions.fromPartial(fields ?? {}), IPERF3)

test('a request without a limit gets the ceiling', () => {
  expect(fromDuration(optionsWithin(3, 0, {}).duration)).toBe(3)
  expect(fromDuration(optionsWithin(3600, 0, {}).duration)).toBe(10)
  expect(fromDuration(optionsWithin(12, 0, { omit: { seconds: 5 } }).duration)).toBe(7)
  expect(optionsWithin(10, 1e6, { parallelCount: 4 }).bitsPerSecond).toBe(250_000)
  expect(optionsWithin(10, 500_000, { protocol: Protocol.PROTOCOL_UDP }).bitsPerSecond).toBe(500_000)
  expect(optionsWithin(10, 1e7, { protocol: Protocol.PROTOCOL_UDP }).bitsPerSecond).toBe(1e6)
})

test.each([
  [
    'bytes at a low rate',
    { bytes: 20_000_000, bitsPerSecond: 1000 },
    /20000000 bytes take .* at 1\.00 kbit\/s .*max_duration/,
  ],
  ['a long test', { duration: { seconds: 11 } }, /max_duration/],
  ['a long warm-up', { duration: { seconds: 5 }, omit: { seconds: 6 } }, /max_duration/],
  [
    'many streams',
    { bitsPerSecond: 500_000, parallelCount: 3 },
    /1\.50 Mbit\/s over all streams .*max_bits_per_second/,
  ],
])('%s: refused with the limit', (_, fields, message) => {
  expect(() => optionsWithin(10, 1e6, fields)).toThrow(message)
})

describe('the load of all streams together', () => {
  const load = (targets: number, intervalSeconds: number, sizeBytes = 56) =>
    probeLoadOf({ addresses: new Array<string>(targets).fill('10.0.0.1'), intervalSeconds, sizeBytes })

  test('100 targets every 10 ms with 65,000 bytes are refused', () => {
    const ceilings = createProbeCeiling()
    expect(() => ceilings.lease(limitsOf(60, 1e6), load(100, 0.01, 65_000))).toThrow(
      /max_probe_bits_per_second 1\.00 Mbit/,
    )
    expect(() => ceilings.lease(limitsOf(60, 0), load(100, 0.01, 65_000))).toThrow(
      /5\.20 Gbit\/s from this node/,
    )
  })

  test('streams add up, with the mesh, and give back what they had', () => {
    const ceilings = createProbeCeiling()
    const all = limitsOf(60, 0)
    ceilings.countMesh(() => load(2000, 1))
    const release = ceilings.lease(all, load(8000, 1))
    expect(() => ceilings.lease(all, load(1, 1))).toThrow(/10001 probes a second from this node/)
    expect(() => ceilings.throwIfMeshExceeds(all, load(2001, 1))).toThrow(/max_probes_per_second/)
    ceilings.throwIfMeshExceeds(all, load(1999, 1))
    release()
    release()
    ceilings.lease(all, load(8000, 1))
  })
})

test('the agent ends a server whose client moves more than the limit, in either direction', () => {
  const row = (end: number, kilobits: number, role = '') =>
    `[  5]${role}   ${(end - 0.1).toFixed(2)}-${end.toFixed(2)}   sec  ${((kilobits * 100) / 8 / 1024).toFixed(0)} KBytes  ${kilobits} Kbits/sec  `
  const fast = createRateWatch()
  expect([0.1, 0.2].map((end) => fast(row(end, 2_150_000, '[TX-S]'), 1e6))).toEqual([true, true])
  const slow = createRateWatch()
  const ends = Array.from({ length: 600 }, (_, index) => (index + 1) / 10)
  expect(ends.some((end) => slow(row(end, 1000), 1e6))).toBe(false)
  expect(createRateWatch()(row(0.1, 2_150_000), 0)).toBe(false)
})
