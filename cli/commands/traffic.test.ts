import { afterEach, expect, test } from 'vitest'
import { Traffic, TrafficState } from '#proto/meshgauge/collector/v1/traffic.ts'
import { closeCollectors, collectorWith, runCommand } from '../testing/run-command.ts'

afterEach(closeCollectors)

const status = async (fields: Partial<Traffic>) => {
  const traffic = Traffic.fromPartial({ id: 't1', nodeCount: 2, flowCount: 2, ...fields })
  return runCommand(
    await collectorWith({ traffic: { getTraffic: async () => ({ traffic }) } }),
    'traffic status',
  )
}

test('traffic status exits with 0 only if all flows move data, or did until they were stopped', async () => {
  const running = { state: TrafficState.TRAFFIC_STATE_RUNNING }
  expect((await status({ ...running, movingCount: 2 })).code).toBe(0)
  expect((await status({ ...running, movingCount: 1 })).code).toBe(1)
  expect((await status({ state: TrafficState.TRAFFIC_STATE_STOPPED })).code).toBe(0)
  const failed = await status({ state: TrafficState.TRAFFIC_STATE_FAILED, reason: 'a is silent' })
  expect(failed.code).toBe(1)
  expect(failed.out).toBe('Traffic t1 failed: a is silent. It had 2 flows on 2 nodes.\n')
})
