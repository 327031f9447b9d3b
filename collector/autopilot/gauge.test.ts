import { metrics as api } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { CheckRecord } from '#proto/meshgauge/collector/v1/health.ts'
import { forget, remember } from '../health/severity.ts'
import { createMetrics, type Metrics } from '../telemetry/catalogue/metrics.ts'
import { createAutopilotGauge } from './gauge.ts'
import { dcgm, gpumem, gpupower, pciebw, ping, remapped, skipped } from './testing/results.ts'

const node = (name: string, models = true): Node =>
  Node.fromPartial({
    name,
    ...(models && {
      description: {
        metadata: { cpuModel: 'Intel(R) Xeon(R) Gold 6258R', gpuModel: 'NVIDIA A100-SXM4-80GB' },
      },
    }),
  })

let metrics: Metrics
let nodes: Node[]
let records: Map<string, CheckRecord>
beforeEach(() => {
  metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1.2.3' })
  nodes = ['n1', 'n2', 'n3'].map((name) => node(name))
  records = new Map()
})
afterEach(() => metrics.close())

const gaugeWith = (budget?: number) => {
  const gauge = createAutopilotGauge({ metrics, nodes: () => nodes }, budget)
  return {
    see: (name: string, result: CheckResult, parameters: Record<string, unknown> = {}) => {
      const key = `${name} ${result.check}`
      const record = remember(records.get(key), result, parameters, new Date(1_700_000_000_000))
      records.set(key, record)
      gauge.observeRecord(name, record)
    },
    clear: (name: string, check: string) =>
      gauge.observeRecord(name, forget(records.get(`${name} ${check}`)!)),
  }
}

/** `health node deviceid value` of each series, and that its models are right. */
const shown = async (): Promise<string[]> => {
  const lines = (await metrics.registry.metrics()).split('\n')
  return lines
    .filter((line) => line.startsWith('autopilot_health_checks{'))
    .map((line) => {
      const [, health, name, cpu, gpu, device, value] =
        /^autopilot_health_checks\{health="(.*?)",node="(.*?)",cpumodel="(.*?)",gpumodel="(.*?)",deviceid="(.*?)"\} (.*)$/.exec(
          line,
        )!
      expect([cpu, gpu]).toEqual(['IntelR Xeon(R) Gold 6258R', 'NVIDIA A100-SXM4-80GB'])
      return `${health} ${name} ${device} ${value}`
    })
    .sort()
}

describe('the exact values', () => {
  test('a GPU is a series; pciebw is in GB/s, the others 0 or 1', async () => {
    const gauge = gaugeWith()
    gauge.see('n1', pciebw([12.3, 3.5]))
    gauge.see('n1', remapped([false, true]))
    gauge.see('n1', gpupower([true, false]))
    gauge.see('n1', gpumem(false))
    gauge.see('n1', dcgm(1))
    gauge.see('n1', ping({ n2: false, n3: true }))
    expect(await shown()).toEqual([
      'dcgm n1  0',
      'gpumem n1 0 1',
      'pciebw n1 0 12.3',
      'pciebw n1 1 3.5',
      'ping n1 n2 1',
      'ping n1 n3 0',
      'power-slowdown n1 0 1',
      'power-slowdown n1 1 0',
      'remapped n1 0 0',
      'remapped n1 1 1',
    ])
  })

  test('what was not carried out has no sample, and leaves the earlier ones', async () => {
    const gauge = gaugeWith()
    for (const check of ['pciebw', 'dcgm', 'gpumem', 'remapped', 'gpupower', 'ping', 'pvc'])
      gauge.see('n1', skipped(check, 'not here'))
    expect(await shown()).toEqual([])
    gauge.see('n1', pciebw([12.3]))
    gauge.see('n1', skipped('pciebw', 'busy'))
    expect(await shown()).toEqual(['pciebw n1 0 12.3'])
  })

  test('a GPU that is gone leaves no series, and neither does an old model', async () => {
    nodes = [node('n1', false)]
    const gauge = gaugeWith()
    gauge.see('n1', remapped([false, false, false]))
    nodes = [node('n1')]
    gauge.see('n1', remapped([false, false]))
    expect(await shown()).toEqual(['remapped n1 0 0', 'remapped n1 1 0'])
  })

  test('checks that Autopilot does not have are not shown', async () => {
    gaugeWith().see('n1', { ...dcgm(1), check: 'interfaces' })
    expect(await shown()).toEqual([])
  })
})

describe('a finding that stands stays', () => {
  test('a lighter pass does not paint it over, a pass as heavy does', async () => {
    const gauge = gaugeWith()
    gauge.see('n1', dcgm(3, ['Memory Bandwidth']), { level: 3 })
    gauge.see('n1', dcgm(1), { level: 1 })
    expect(await shown()).toEqual(['dcgm n1  1'])
    gauge.see('n1', dcgm(3), { level: 3 })
    expect(await shown()).toEqual(['dcgm n1  0'])
  })

  test('clearing it by hand shows', async () => {
    const gauge = gaugeWith()
    gauge.see('n1', remapped([true, false]))
    gauge.clear('n1', 'remapped')
    expect(await shown()).toEqual(['remapped n1 0 0', 'remapped n1 1 0'])
  })

  test('a measured value is the last one', async () => {
    const gauge = gaugeWith()
    gauge.see('n1', pciebw([3.5], 4), { threshold: 4 })
    gauge.see('n1', pciebw([12.3], 2), { threshold: 2 })
    expect(await shown()).toEqual(['pciebw n1 0 12.3'])
  })
})

describe('pings of a large fleet', () => {
  const names = Array.from({ length: 100 }, (_, index) => `n${index + 1}`)
  const answersBut = (self: string, silent: ReadonlySet<string>) =>
    Object.fromEntries(names.filter((name) => name !== self).map((name) => [name, !silent.has(name)]))

  test('only peers that do not answer have series, of these a bounded number, and each is in the sum', async () => {
    nodes = names.map((name) => node(name))
    const gauge = gaugeWith(400)
    const silent = new Set(names.slice(0, 20))
    for (const name of names) gauge.see(name, ping(answersBut(name, silent)))
    const series = await shown()
    expect(series.length).toBeLessThanOrEqual(400)
    expect(series.every((line) => line.endsWith(' 1'))).toBe(true)
    expect(new Set(series.map((line) => line.split(' ')[2]))).toEqual(silent)
    for (const name of names) gauge.see(name, ping(answersBut(name, new Set())))
    expect(await shown()).toEqual([])
  })
})
