import { metrics as api } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import type { CheckRecord } from '#proto/meshgauge/collector/v1/health.ts'
import { addResult, clearFindings } from '../health/state/findings.ts'
import { createNode, type FleetNode } from '../inventory/node.ts'
import { sampleDescription, sampleMetadata } from '../inventory/testing/nodes.ts'
import { createMetrics, type Metrics } from '../telemetry/catalogue/metrics.ts'
import { createAutopilotGauge } from './gauge.ts'
import { dcgm, gpumem, gpupower, pciebw, ping, remapped, skipped } from './testing/results.ts'

const node = (name: string, models = true): FleetNode =>
  createNode({
    name,
    ...(models && {
      description: sampleDescription({
        metadata: sampleMetadata({
          cpuModel: 'Intel(R) Xeon(R) Gold 6258R',
          gpuModel: 'NVIDIA A100-SXM4-80GB',
        }),
      }),
    }),
  })

let metrics: Metrics
let nodes: FleetNode[]
let records: Map<string, CheckRecord>
beforeEach(() => {
  metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1.2.3' })
  nodes = ['n1', 'n2', 'n3'].map((name) => node(name))
  records = new Map()
})
afterEach(() => metrics.close())

const createGauge = (budget?: number) => {
  const gauge = createAutopilotGauge({ metrics, nodes: () => nodes }, budget)
  return {
    observe: (name: string, result: CheckResult, parameters: Record<string, unknown> = {}) => {
      const key = `${name} ${result.check}`
      const record = addResult(records.get(key), result, parameters, new Date(1_700_000_000_000))
      records.set(key, record)
      gauge.observeRecord(name, record)
    },
    clear: (name: string, check: string) =>
      gauge.observeRecord(name, clearFindings(records.get(`${name} ${check}`)!)),
  }
}

/** `health node deviceid value` of each series. Also checks the models. */
const series = async (): Promise<string[]> => {
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

describe('the metric', () => {
  test('has one series per GPU: pciebw in GB/s, the others 0 or 1', async () => {
    const gauge = createGauge()
    gauge.observe('n1', pciebw([12.3, 3.5]))
    gauge.observe('n1', remapped([false, true]))
    gauge.observe('n1', gpupower([true, false]))
    gauge.observe('n1', gpumem(false))
    gauge.observe('n1', dcgm(1))
    gauge.observe('n1', ping({ n2: false, n3: true }))
    expect(await series()).toEqual([
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

  test('does not change for checks that were not carried out', async () => {
    const gauge = createGauge()
    for (const check of ['pciebw', 'dcgm', 'gpumem', 'remapped', 'gpupower', 'ping', 'pvc'])
      gauge.observe('n1', skipped(check, 'not here'))
    expect(await series()).toEqual([])
    gauge.observe('n1', pciebw([12.3]))
    gauge.observe('n1', skipped('pciebw', 'busy'))
    expect(await series()).toEqual(['pciebw n1 0 12.3'])
  })

  test('loses the series of removed GPUs and of earlier models', async () => {
    nodes = [node('n1', false)]
    const gauge = createGauge()
    gauge.observe('n1', remapped([false, false, false]))
    nodes = [node('n1')]
    gauge.observe('n1', remapped([false, false]))
    expect(await series()).toEqual(['remapped n1 0 0', 'remapped n1 1 0'])
  })

  test('does not contain checks that Autopilot does not have', async () => {
    createGauge().observe('n1', { ...dcgm(1), check: 'interfaces' })
    expect(await series()).toEqual([])
  })
})

describe('a finding', () => {
  test('is not cleared by a pass of a lower level, but by one of the same level', async () => {
    const gauge = createGauge()
    gauge.observe('n1', dcgm(3, ['Memory Bandwidth']), { level: 3 })
    gauge.observe('n1', dcgm(1), { level: 1 })
    expect(await series()).toEqual(['dcgm n1  1'])
    gauge.observe('n1', dcgm(3), { level: 3 })
    expect(await series()).toEqual(['dcgm n1  0'])
  })

  test('is 0 after it was cleared by hand', async () => {
    const gauge = createGauge()
    gauge.observe('n1', remapped([true, false]))
    gauge.clear('n1', 'remapped')
    expect(await series()).toEqual(['remapped n1 0 0', 'remapped n1 1 0'])
  })

  test('of a measured value does not replace the last value', async () => {
    const gauge = createGauge()
    gauge.observe('n1', pciebw([3.5], 4), { threshold: 4 })
    gauge.observe('n1', pciebw([12.3], 2), { threshold: 2 })
    expect(await series()).toEqual(['pciebw n1 0 12.3'])
  })
})

describe('pings of a large fleet', () => {
  const names = Array.from({ length: 100 }, (_, index) => `n${index + 1}`)
  const answersExcept = (self: string, unreachable: ReadonlySet<string>) =>
    Object.fromEntries(names.filter((name) => name !== self).map((name) => [name, !unreachable.has(name)]))

  test('have series only for unreachable peers, within the budget, and the sum contains each of these', async () => {
    nodes = names.map((name) => node(name))
    const gauge = createGauge(400)
    const unreachable = new Set(names.slice(0, 20))
    for (const name of names) gauge.observe(name, ping(answersExcept(name, unreachable)))
    const lines = await series()
    expect(lines.length).toBeLessThanOrEqual(400)
    expect(lines.every((line) => line.endsWith(' 1'))).toBe(true)
    expect(new Set(lines.map((line) => line.split(' ')[2]))).toEqual(unreachable)
    for (const name of names) gauge.observe(name, ping(answersExcept(name, new Set())))
    expect(await series()).toEqual([])
  })
})
