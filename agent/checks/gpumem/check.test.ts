import { describe, expect, test } from 'vitest'
import { ERROR, FAIL, PASS, SKIPPED } from '../findings.ts'
import { valuesOf } from '../testing/machine.ts'
import { useMachines } from '../testing/use-machines.ts'

const { run, a100, h200 } = useMachines()

describe('gpumem', () => {
  test('passes good GPUs', async () => {
    const result = await run(a100(), 'gpumem')
    expect([result.status, valuesOf(result, 'daxpy')[3]]).toEqual([PASS, 1564.2e9])
  })

  test('a failure names the GPUs', async () => {
    const machine = a100().replays('gpucheck.txt', 'gpucheck/two-bad.txt')
    const result = await run(machine, 'gpumem')
    expect(result.status).toBe(FAIL)
    expect(result.reasons).toEqual([
      '1: dgemm reaches only 11.2 TFlop/s, less than 16 TFlop/s',
      '7: dgemm reaches only 11.2 TFlop/s, less than 16 TFlop/s',
    ])
    expect((await run(machine, 'gpumem', { dgemm: 7 })).status).toBe(PASS)
  })

  test('reports a GPU that gpucheck finds faulty although its rounded table is good', async () => {
    const machine = a100().replays('gpucheck.txt', 'gpucheck/edge.txt')
    expect((await run(machine, 'gpumem')).reasons).toEqual(['0: gpucheck reports it as faulty'])
  })

  test('an interrupted gpucheck has no result', async () => {
    const machine = a100().replays('gpucheck.txt', 'gpucheck/cut.txt', 139)
    const result = await run(machine, 'gpumem')
    expect([result.status, result.reasons[0]]).toEqual([ERROR, expect.stringMatching(/did not finish/)])
  })

  test('supports an older version without a summary', async () => {
    const machine = h200().replays('gpucheck.txt', 'gpucheck/without-summary.txt')
    const result = await run(machine, 'gpumem')
    expect([result.status, valuesOf(result, 'dgemm')]).toEqual([PASS, { 0: 55.57 }])
    expect((await run(machine, 'gpumem', { dgemm: 60 })).status).toBe(FAIL)
    machine.replays('gpucheck.txt', 'gpucheck/without-summary.txt', 1)
    expect((await run(machine, 'gpumem')).status).toBe(ERROR)
  })

  test('runs only on idle GPUs, unless forced', async () => {
    const machine = a100().prints('nvidia-smi.load', '0, 97 %, 71321 MiB\n')
    const result = await run(machine, 'gpumem')
    expect([result.status, result.reasons[1]]).toEqual([
      SKIPPED,
      'GPU 0 is 97 % busy and has 71321 MiB in use',
    ])
    expect(machine.calls().some((call) => call.startsWith('gpucheck'))).toBe(false)
    expect((await run(machine, 'gpumem', { force: true })).status).toBe(PASS)
  })

  test('GPUs whose load is unknown count as busy', async () => {
    const machine = a100().prints('nvidia-smi.apps', 'gibberish\n', 3)
    expect((await run(machine, 'gpumem')).status).toBe(SKIPPED)
  })
})
