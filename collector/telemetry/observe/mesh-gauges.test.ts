import { metrics as api } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { MeshEvent, PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { createMetrics } from '../catalogue/metrics.ts'
import { createMeshObserver } from './mesh-gauges.ts'

test('event counters start at 0, so that increase() includes the first fault', async () => {
  const metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1' })
  const events = async () =>
    [...(await metrics.registry.metrics()).matchAll(/^meshgauge_mesh_events_total\{state="(\w+)"\} (\d+)$/gm)]
      .map(([, state, count]) => `${state} ${count}`)
      .sort()
  const observer = createMeshObserver(metrics)
  expect(await events()).toEqual(['down 0', 'lossy 0', 'stale 0', 'up 0'])
  observer.observeEvent(MeshEvent.fromPartial({ state: PathState.PATH_STATE_DOWN }))
  expect(await events()).toEqual(['down 1', 'lossy 0', 'stale 0', 'up 0'])
  metrics.close()
})
