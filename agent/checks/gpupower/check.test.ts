import { describe, expect, test } from 'vitest'
import { FAIL, PASS, SKIPPED } from '../findings.ts'
import { valuesOf } from '../testing/machine.ts'
import { useMachines } from '../testing/use-machines.ts'

const { run, h100, h200, a100 } = useMachines()

describe('gpupower', () => {
  test('queries an older driver with the older name of the field', async () => {
    const machine = a100()
    const result = await run(machine, 'gpupower')
    expect([result.status, result.reasons]).toEqual([FAIL, ['2: its clocks are slowed down: it is too hot']])
    expect(machine.calls().at(-1)).toContain('clocks_throttle_reasons.hw_slowdown')
  })

  test('passes an H200', async () => {
    expect((await run(h200(), 'gpupower')).status).toBe(PASS)
  })

  test('a GPU without the value is not slowed down', async () => {
    const machine = h100().edit('nvidia-smi.slowdown', (text) => text.replaceAll('Not Active', '[N/A]'))
    const result = await run(machine, 'gpupower')
    expect([result.status, valuesOf(result, 'hw_slowdown')[0]]).toEqual([SKIPPED, 'not supported'])
  })
})
