import { metrics as api } from '@opentelemetry/api'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { bucketOf } from '../../../lib/histogram.ts'
import { createPaths, type MeshPath } from '../../mesh/state/paths.ts'
import { createMetrics, type Metrics } from '../catalogue/metrics.ts'
import { createMeshPathGauges } from './mesh-path-gauges.ts'

const NOW = Date.parse('2026-01-01T00:00:30Z')
const MINUTE = 60_000
const [FAST, SLOW] = [bucketOf(0.001), bucketOf(0.01)]

let metrics: Metrics
let paths: ReturnType<typeof createPaths>
beforeEach(() => {
  metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1' })
  paths = createPaths({ random: () => 0.5, initialState: () => undefined })
})
afterEach(() => metrics.close())

const take = (id: number, source: string, destination: string): MeshPath => {
  const key = { source, destination, interface: 'net0' }
  paths.add(
    id,
    { key, from: '', address: '' },
    { mesh: 'mesh', staleAfterMs: MINUTE, intervalSeconds: 1, echoesPerSecond: 1 },
  )
  return paths.get(id)!
}
const window = (path: MeshPath, sent: number, received: number, endMs = NOW, index = FAST) =>
  paths.recent.add(path.row, {
    endMs,
    sentCount: sent,
    receivedCount: received,
    rttMinSeconds: 0,
    rttMaxSeconds: 1,
    rttSumSeconds: received / 1000,
    jitterSeconds: 0,
    histogramOffset: index,
    histogramCounts: received === 0 ? [] : [received],
  })
const measured = () => [...paths.all()].map((path) => ({ path, state: PathState.PATH_STATE_UP as PathState }))
const racks = new Map([
  ['a', 'r1'],
  ['b', 'r1'],
  ['c', 'r2'],
])
const values = async (name: string): Promise<Record<string, number>> =>
  Object.fromEntries(
    (await metrics.registry.getSingleMetricAsString(name))
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const labels = [...line.matchAll(/="([^"]*)"/g)].map(([, value]) => value)
        return [labels.join(' '), Number(line.split(' ').at(-1))]
      }),
  )

test('each path has its loss and its median, and no series once it is not measured any more', async () => {
  const show = createMeshPathGauges(metrics)
  const [first, second] = [take(1, 'a', 'b'), take(2, 'b', 'c')]
  window(first, 10, 8)
  window(first, 4, 4, NOW, SLOW)
  window(second, 10, 0)
  await show(measured(), paths.recent, racks, NOW)
  expect(await values('meshgauge_mesh_pair_loss_ratio')).toEqual({ 'a b net0': 2 / 14, 'b c net0': 1 })
  expect(await values('meshgauge_mesh_pair_rtt_p50_seconds')).toEqual({
    'a b net0': paths.recent.lastMinute(first.row, NOW).rtt!.p50,
  })
  expect(paths.recent.medianSeconds(first.row, NOW)).toBeCloseTo(0.001, 4)
  expect(await values('meshgauge_pair_series_dropped')).toEqual({ mesh: 0 })
  await show(measured(), paths.recent, racks, NOW + 2 * MINUTE)
  expect(await values('meshgauge_mesh_pair_loss_ratio')).toEqual({})
  expect(await values('meshgauge_mesh_pair_rtt_p50_seconds')).toEqual({})
})

test('with more paths than the budget none has series, and their number is exported', async () => {
  const show = createMeshPathGauges(metrics, { budget: 2 })
  for (const [id, name] of ['b', 'c'].entries()) window(take(id + 1, 'a', name), 10, 10)
  await show(measured(), paths.recent, racks, NOW)
  expect(Object.keys(await values('meshgauge_mesh_pair_loss_ratio'))).toHaveLength(2)
  window(take(3, 'b', 'a'), 10, 10)
  await show(measured(), paths.recent, racks, NOW)
  expect(await values('meshgauge_mesh_pair_loss_ratio')).toEqual({})
  expect(await values('meshgauge_mesh_pair_rtt_p50_seconds')).toEqual({})
  expect(await values('meshgauge_pair_series_dropped')).toEqual({ mesh: 3 })
  paths.get(3)!.releasedMs = NOW
  await show(measured(), paths.recent, racks, NOW)
  expect(Object.keys(await values('meshgauge_mesh_pair_loss_ratio'))).toHaveLength(2)
})

test('pairs of racks have the loss and the mean round-trip time of their paths, and the worst paths are ranked', async () => {
  const show = createMeshPathGauges(metrics)
  window(take(1, 'a', 'c'), 10, 10)
  window(take(2, 'b', 'c'), 10, 5)
  window(take(3, 'a', 'b'), 10, 9)
  window(take(4, 'c', 'b'), 10, 0)
  await show(measured(), paths.recent, racks, NOW)
  expect(await values('meshgauge_mesh_rack_loss_ratio')).toEqual({ 'r1 r2': 0.25, 'r1 r1': 0.1, 'r2 r1': 1 })
  const rtt = await values('meshgauge_mesh_rack_rtt_seconds')
  expect(Object.keys(rtt)).toEqual(['r1 r2', 'r1 r1'])
  expect(rtt['r1 r2']).toBeCloseTo(0.001, 6)
  expect(await values('meshgauge_mesh_worst_path_loss_ratio')).toEqual({
    '1 c b net0': 1,
    '2 b c net0': 0.5,
    '3 a b net0': 0.1,
  })
})
