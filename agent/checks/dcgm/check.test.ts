import { describe, expect, test } from 'vitest'
import { ERROR, FAIL, PASS, SKIPPED } from '../findings.ts'
import { valuesOf } from '../testing/machine.ts'
import { useMachines } from '../testing/use-machines.ts'

const { run, h100, a100 } = useMachines()

describe('dcgm', () => {
  test('levels 3 and 4 require idle GPUs, levels 1 and 2 do not', async () => {
    const machine = h100().prints('nvidia-smi.apps', '4711, GPU-1\n')
    expect((await run(machine, 'dcgm')).status).toBe(PASS)
    expect(machine.calls()).toContain('dcgmi diag -j -r 1')
    for (const level of [3, 4]) expect((await run(machine, 'dcgm', { level })).status).toBe(SKIPPED)
    expect((await run(machine, 'dcgm', { level: 4, force: true })).status).toBe(PASS)
    expect(machine.calls()).toContain('dcgmi diag -j -r 4')
  })

  test('a failed PCIe test of one GPU with exit code 226 is a fatal failure', async () => {
    const machine = a100().replays('dcgmi.txt', 'dcgm/3.3-pcie.txt', 226)
    const result = await run(machine, 'dcgm', { level: 2 })
    expect(result.status).toBe(FAIL)
    expect(result.reasons).toEqual([
      expect.stringMatching(/^3: DCGM test PCIe fails: GPU 3 GPU to Host bandwidth/),
    ])
    expect(result.evidence.filter(({ fatal }) => fatal).map(({ subject, name }) => [subject, name])).toEqual([
      ['3', 'pcie'],
    ])
    expect(valuesOf(result, 'failed_tests')).toEqual({ node: ['pcie.3'] })
  })

  test('a failure outside the configured categories is not fatal', async () => {
    const machine = a100().replays('dcgmi.txt', 'dcgm/3.3-power.txt', 226)
    const fatal = async (parameters: Record<string, unknown>) =>
      (await run(machine, 'dcgm', { level: 3, ...parameters })).evidence.some((evidence) => evidence.fatal)
    expect(await fatal({})).toBe(false)
    expect(await fatal({ fatal: ['Targeted Power'] })).toBe(true)
    // Autopilot compares such a list letter by letter. Here P is in no name.
    expect(await fatal({ fatal: ['P'] })).toBe(false)
  })

  test('DCGM 4: a memory ECC error on one of eight GPUs', async () => {
    const machine = h100().replays('dcgmi.txt', 'dcgm/4.2-one-bad.txt', 226)
    const result = await run(machine, 'dcgm', { level: 2, fatal: ['ECC'] })
    expect(result.evidence.filter(({ fatal }) => fatal)).toMatchObject([
      { subject: '5', name: 'memory', status: FAIL },
    ])
  })

  test('judges only the configured tests', async () => {
    const machine = a100().replays('dcgmi.txt', 'dcgm/3.3-pcie.txt', 226)
    const only = (tests: string[]) => run(machine, 'dcgm', { level: 2, tests })
    expect((await only(['DCGM GPU Diagnostic.Hardware.GPU Memory'])).status).not.toBe(FAIL)
    expect((await only(['Integration.PCIe'])).status).toBe(FAIL)
    expect(await only(['No Such Test'])).toMatchObject({
      status: ERROR,
      reasons: [expect.stringMatching(/No Such Test/)],
    })
  })

  test('a GB10: a skipped test does not fail the check, and a failed one does', async () => {
    const machine = h100().replays('dcgmi.txt', 'dcgm/4.2.3-gb10-level2.txt', 226)
    const result = await run(machine, 'dcgm', { level: 2 })
    expect(result.reasons).toEqual([expect.stringMatching(/DCGM test software fails: Persistence Mode/)])
    expect(valuesOf(result, 'memory')).toEqual({ 0: 'skip' })
  })

  test.each([
    ['no host engine', 'dcgm/no-hostengine.txt', 255, /Unable|unable/],
    ['a document that is cut off', 'dcgm/4.2-cut.txt', 139, /exit code 139/],
    ['good results, but an exit code', 'dcgm/3.1-pass.txt', 226, /did not finish: .*exit code 226/],
  ])('%s is an error with its reason', async (_, path, exitCode, reason) => {
    const result = await run(h100().replays('dcgmi.txt', path, exitCode), 'dcgm')
    expect([result.status, result.reasons[0]]).toEqual([ERROR, expect.stringMatching(reason)])
  })

  test('the reasons of an error name the processes on the GPUs', async () => {
    const machine = h100()
      .replays('dcgmi.txt', 'dcgm/no-hostengine.txt', 255)
      .prints('nvidia-smi.apps', '99, GPU-1\n')
    expect((await run(machine, 'dcgm')).reasons).toContain('processes are on the GPUs: pid 99')
  })
})
