import { metrics as api } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { openSqliteStore } from '../../store/sqlite/store.ts'
import { sampleResult, sampleRun } from '../../store/testing/samples.ts'
import { describeStore } from '../../store/testing/store-contract.ts'
import { createMetrics } from '../catalogue/metrics.ts'
import { measuredStore, watchDamage } from './measured-store.ts'

const open = () => {
  const metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1.2.3' })
  const store = measuredStore(openSqliteStore(':memory:'), { metrics, clock: systemClock })
  return { metrics, store, remove: metrics.close }
}

describeStore('SQLite, measured', open)

test('the time of writes is measured, and failures are counted and rethrown', async () => {
  const { metrics, store, remove } = open()
  const run = sampleRun()
  store.createRun(run)
  store.putResults(run.id, [sampleResult(1)])
  store.putResults(run.id, [sampleResult(2)])
  expect(() => store.createRun(run)).toThrow(/UNIQUE/)
  const text = await metrics.registry.metrics()
  expect(text).toContain('meshgauge_store_write_seconds_count{operation="put_results"} 2\n')
  expect(text).toContain('meshgauge_store_write_seconds_count{operation="create_run"} 1\n')
  expect(text).toContain('meshgauge_store_errors_total{operation="create_run"} 1\n')
  store.close()
  remove()
})

test('damaged rows are counted, and the first is logged', async () => {
  const { metrics, store, remove } = open()
  const logged: unknown[] = []
  const onDamaged = watchDamage({ metrics, logger: { error: (row: unknown) => logged.push(row) } as never })
  onDamaged('one_hour', 3_600_000)
  onDamaged('raw', 7_200_000)
  expect(logged).toEqual([{ level: 'one_hour', time: '1970-01-01T01:00:00.000Z' }])
  expect(await metrics.registry.metrics()).toContain(
    'meshgauge_store_errors_total{operation="damaged_row"} 2\n',
  )
  store.close()
  remove()
})
