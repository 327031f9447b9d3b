import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Direction, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IpFamily } from '#proto/meshgauge/agent/v1/types.ts'
import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { ConfigError } from '../../lib/config.ts'
import { PING_DEFAULTS } from '../../lib/test-defaults.ts'
import { checkExpectations } from '../diagnosis/expectations.ts'
import { readBuiltIns } from './built-ins.ts'
import { readProfile } from './profile.ts'

const bad = new URL('fixtures/bad/', import.meta.url)
const good = (file: string) =>
  readProfile(file, readFileSync(new URL(`fixtures/good/${file}`, import.meta.url), 'utf8'))

describe('a bad profile gets one message with every problem and its location', () => {
  const files = readdirSync(bad).filter((file) => file.endsWith('.yaml'))
  test.each(files)('%s', async (file) => {
    let message = 'was accepted'
    try {
      readProfile(file, readFileSync(new URL(file, bad), 'utf8'))
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      message = error.message
    }
    await expect(`${message}\n`).toMatchFileSnapshot(`fixtures/bad/${file}.message`)
  })

  test('refuses a profile that is too long', () => {
    expect(() => readProfile('long.yaml', `name: ${'x'.repeat(300_000)}`)).toThrow('longer than')
  })

  test('any text is parsed to a profile or an error message, and never crashes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          readProfile('x.yaml', text)
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError)
        }
      }),
    )
  })
})

describe('stepsOf', () => {
  test('supports every key', () => {
    const { name, version, steps } = good('everything.yaml')
    expect([name, version, steps.map((step) => step.name)]).toEqual([
      'everything',
      '2',
      ['stream', 'transactions', 'probes'],
    ])
    const [stream, transactions, probes] = steps.map((step) => step.spec)
    expect(stream).toMatchObject({
      profile: 'everything',
      interfaces: ['net0'],
      caps: { perNodeCount: 2 },
      topology: {
        kind: TopologyKind.TOPOLOGY_KIND_MATRIX,
        clients: ['rack=r1'],
        servers: ['rack=r2'],
      },
      test: {
        kind: 'iperf',
        protocol: Protocol.PROTOCOL_UDP,
        direction: Direction.DIRECTION_BIDIRECTIONAL,
        durationSeconds: 30,
        omitSeconds: 2,
        bitsPerSecond: 1e9,
        parallelCount: 4,
        lengthBytes: 1400,
        windowBytes: 4194304,
        dscp: 46,
        family: IpFamily.IP_FAMILY_V6,
        clientCpu: 1,
        requestResponse: undefined,
      },
      expectations: [
        { name: 'udp_throughput_min', limit: 900e6 },
        { name: 'packet_loss_max', limit: 0.01 },
      ],
    })
    expect(transactions).toMatchObject({
      test: {
        kind: 'iperf',
        engine: 'netperf',
        omitSeconds: undefined,
        requestResponse: { requestBytes: 64, responseBytes: 1024 },
        extraArguments: ['-b', '7', '-c', '-o', 'BURST_SIZE,REQUEST_SIZE'],
      },
      expectations: [{ name: 'p99_latency_max', limit: expect.closeTo(500e-6, 9) }],
    })
    expect(probes).toMatchObject({
      topology: { kind: TopologyKind.TOPOLOGY_KIND_STAR, center: 'n1' },
      test: { kind: 'ping', count: 5, intervalSeconds: 0.02, sizeBytes: 1472, dontFragment: true },
    })
    expect(steps.map(({ cooldownSeconds }) => cooldownSeconds)).toEqual([0, 5, 5])
  })

  test('settings of global for streams do not apply to pings', () => {
    const { steps } = readProfile(
      'x.yaml',
      'name: x\nglobal: { duration: 5s, warmup: 1s, interval: 100ms, cooldown: 1s }\ntests: [{ name: a, test: ping }]\n',
    )
    expect(steps[0]).toMatchObject({
      cooldownSeconds: 1,
      spec: { test: { intervalSeconds: PING_DEFAULTS.intervalSeconds } },
    })
  })

  test('reads a profile of netperf-orchestrate with bare numbers', () => {
    const { steps } = good('netperf-orchestrate.yaml')
    expect(steps.map(({ spec }) => spec.expectations)).toEqual([
      [
        { name: 'tcp_throughput_min', limit: 100e6 },
        { name: 'cpu_util_max', limit: 0.7 },
      ],
      [
        { name: 'tcp_throughput_min', limit: 100e6 },
        { name: 'cpu_util_max', limit: 0.7 },
      ],
      [
        { name: 'mean_latency_max', limit: 0.01 },
        { name: 'cpu_util_max', limit: 0.7 },
      ],
    ])
    expect(steps[0]!.spec.test).toMatchObject({
      engine: 'iperf3',
      durationSeconds: 30,
      omitSeconds: 5,
      windowBytes: 131072,
    })
    expect(steps[1]!.spec.test).toMatchObject({ direction: Direction.DIRECTION_REVERSE })
    expect(steps[2]!.spec.test).toMatchObject({ engine: 'netperf', requestResponse: {} })
  })
})

test('the profile of the README is valid', () => {
  const text = readFileSync(new URL('README.md', import.meta.url), 'utf8')
  const yaml = /```yaml\n([\s\S]*?)```/.exec(text)![1]!
  expect(readProfile('README.md', yaml).steps).toHaveLength(3)
})

describe('built-in profiles', () => {
  const builtIns = [...readBuiltIns()]
  test.each(builtIns)(
    '%s is called as its file, says what it is for, and expects what its tests measure',
    (name, profile) => {
      expect(profile.name).toBe(name)
      expect(profile.description).not.toBe('')
      expect(profile.yaml).toMatch(/^# \w+: /)
      for (const { spec } of profile.steps) {
        expect(spec.expectations.length).toBeGreaterThan(0)
        expect(checkExpectations(spec.expectations, spec.test)).toEqual([])
      }
    },
  )

  test('every file is registered', () => {
    const files = readdirSync(new URL('built-in/', import.meta.url)).map((file) => file.replace('.yaml', ''))
    expect(files.sort()).toEqual(builtIns.map(([name]) => name).sort())
  })
})
