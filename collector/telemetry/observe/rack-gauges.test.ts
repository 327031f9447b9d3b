import { metrics as api } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createNode } from '../../inventory/node.ts'
import { createMetrics, type Metrics } from '../catalogue/metrics.ts'
import { iperfPair } from '../testing/samples.ts'
import { createRackCells, createRackThroughput, OTHER_RACKS, SAME_RACK } from './rack-gauges.ts'

const racksOf = (racks: number, size: number): Map<string, string> =>
  new Map(Array.from({ length: racks * size }, (_, index) => [`n${index}`, `r${Math.floor(index / size)}`]))

describe('cells of the rack matrix', () => {
  test.each([
    [20, 2],
    [30, 30],
  ])('%d racks of %d nodes have a full matrix', (racks, size) => {
    const cellOf = createRackCells(racksOf(racks, size))
    expect(cellOf('n0', `n${size}`)).toEqual({ source_rack: 'r0', destination_rack: 'r1' })
  })

  test('more racks have two cells each, so that the number of series stays O(nodes)', () => {
    const racks = racksOf(63, 16)
    const cellOf = createRackCells(racks)
    expect(cellOf('n0', 'n1')).toEqual({ source_rack: 'r0', destination_rack: SAME_RACK })
    expect(cellOf('n0', 'n999')).toEqual({ source_rack: 'r0', destination_rack: OTHER_RACKS })
    const names = [...racks.keys()]
    const cells = new Set(names.flatMap((a) => names.map((b) => JSON.stringify(cellOf(a, b)))))
    expect(cells.size).toBe(2 * 63)
  })

  test('a node without a rack has no cell', () => {
    expect(createRackCells(racksOf(2, 2))('n0', 'x')).toBeUndefined()
  })
})

describe('the throughput of runs', () => {
  let metrics: Metrics
  beforeEach(() => {
    metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1' })
  })
  afterEach(() => metrics.close())
  const lines = async (name: string) =>
    (await metrics.registry.getSingleMetricAsString(name)).split('\n').filter((line) => !line.startsWith('#'))
  const nodes = (racks: Record<string, string>) =>
    Object.entries(racks).map(([name, rack]) => createNode({ name, rack }))

  test('is the median from rack to rack, and is removed with its rack', async () => {
    const racks = createRackThroughput(metrics)
    racks.setNodes(nodes({ a: 'r1', b: 'r1', c: 'r2' }))
    racks.show([iperfPair('a', 'c', 1e9), iperfPair('b', 'c', 3e9), iperfPair('c', 'a', 5e9)])
    racks.show([iperfPair('a', 'b', 9e9)])
    const name = 'meshgauge_rack_throughput_bits_per_second'
    expect(await lines(name)).toEqual([
      `${name}{source_rack="r1",destination_rack="r2"} 2000000000`,
      `${name}{source_rack="r2",destination_rack="r1"} 5000000000`,
      `${name}{source_rack="r1",destination_rack="r1"} 9000000000`,
    ])
    racks.setNodes(nodes({ a: 'r1', b: 'r1', c: 'r3' }))
    expect(await lines(name)).toEqual([`${name}{source_rack="r1",destination_rack="r1"} 9000000000`])
    expect(await lines('meshgauge_node_info')).toEqual([
      'meshgauge_node_info{node="a",rack="r1"} 1',
      'meshgauge_node_info{node="b",rack="r1"} 1',
      'meshgauge_node_info{node="c",rack="r3"} 1',
    ])
  })
})
