/** All GPU checks on machines without GPUs, or with faulty ones. */

import { describe, expect, test } from 'vitest'
import { CHECKS } from './checks.ts'
import { ERROR, FAIL, PASS, SKIPPED, WARN } from './findings.ts'
import { createMachine, misbehaving, valuesOf } from './testing/machine.ts'
import { useMachines } from './testing/use-machines.ts'

const { keep, depsOf, run, h100, a100 } = useMachines()

describe('without GPUs, or with faulty ones', () => {
  const ALL = ['remapped', 'gpupower', 'pciebw', 'gpumem', 'dcgm']
  const equipped = () => keep(createMachine('h100-8').has('nvidia-smi', 'nvbandwidth', 'dcgmi', 'gpucheck'))

  test.each(ALL)('%s: nothing installed', async (name) => {
    const check = CHECKS.find((candidate) => candidate.name === name)!
    const bare = keep(createMachine())
    const reasons = await check.requirements(depsOf(bare), new AbortController().signal)
    expect(reasons[0]).toMatch(/^nvidia-smi is not installed at .*: it comes with the NVIDIA driver$/)
    expect(await check.hasHardware!(depsOf(bare))).toBe(false)
    const gpus = keep(createMachine().pciGpus(8))
    expect(await check.hasHardware!(depsOf(gpus))).toBe(true)
    const [reason] = await check.requirements(depsOf(gpus), new AbortController().signal)
    expect(reason).toMatch(/but there are 8 NVIDIA GPUs on the PCI bus/)
  })

  test('names all missing programs', async () => {
    const pciebw = CHECKS.find(({ name }) => name === 'pciebw')!
    const reasons = await pciebw.requirements(depsOf(keep(createMachine())), new AbortController().signal)
    expect(reasons.map((reason) => reason.split(' ')[0])).toEqual([
      'nvidia-smi',
      'bandwidthTest',
      'nvbandwidth',
    ])
  })

  test.each(
    ALL.flatMap((name) =>
      [
        ['no-driver', 9, SKIPPED, ERROR],
        ['no-devices', 6, SKIPPED, ERROR],
        ['mismatch', 18, ERROR, ERROR],
        ['no-permission', 4, ERROR, ERROR],
      ].map(([path, exitCode, without, withGpus]) => ({ name, path, exitCode, without, withGpus })),
    ),
  )('$name: $path', async ({ name, path, exitCode, without, withGpus }) => {
    const machine = equipped().replays('nvidia-smi.gpus', `nvidia-smi/${path}.txt`, Number(exitCode))
    expect((await run(machine, name)).status).toBe(without)
    const result = await run(machine.pciGpus(4), name)
    expect([result.status, result.reasons[0]]).toEqual([
      withGpus,
      expect.stringMatching(/^4 NVIDIA GPUs are on the PCI bus, but /),
    ])
  })

  test.each(['remapped', 'gpupower'])('%s: a lost GPU fails, and the others are checked', async (name) => {
    const machine = equipped().edit('nvidia-smi.gpus', (text) =>
      text.replace(/^5, .*$/m, 'Unable to determine the device handle for GPU5: 0000:CB:00.0: Unknown Error'),
    )
    machine.prints('nvidia-smi.gpus.exit', '15\n')
    const result = await run(machine, name)
    expect(result.status).toBe(FAIL)
    expect(result.reasons).toEqual([expect.stringMatching(/^0000:CB:00.0: does not answer: /)])
    expect(Object.keys(valuesOf(result, 'uuid'))).toHaveLength(7)
  })

  // The line is of NVIDIA/gpu-operator issue 20; the exit code 14 is of microsoft/pai issue 3756.
  test.each(['remapped', 'gpupower'])(
    '%s: a warning after the table does not hide its rows',
    async (name) => {
      const warning = 'WARNING: infoROM is corrupted at gpu 0000:B3:00.0'
      const machine = equipped()
      const table = name === 'remapped' ? 'nvidia-smi.remapped' : 'nvidia-smi.slowdown'
      for (const each of ['nvidia-smi.gpus', table]) {
        machine.edit(each, (text) => `${text}${warning}\n`)
        machine.prints(`${each}.exit`, '14\n')
      }
      const result = await run(machine, name)
      expect(result.reasons).toEqual([`0000:B3:00.0: ${warning}`])
      expect(result.status).toBe(WARN)
      expect(Object.keys(valuesOf(result, name === 'remapped' ? 'pending' : 'hw_slowdown'))).toHaveLength(8)
    },
  )

  test('a disabled persistence mode is quoted, and is no fault', async () => {
    const text =
      'Warning: persistence mode is disabled on device 00000000:07:00.0. See the Known Issues section.'
    const machine = equipped().edit('nvidia-smi.gpus', (table) => `${table}${text}\n`)
    const result = await run(machine, 'gpupower')
    expect([result.status, result.reasons]).toEqual([PASS, [`00000000:07:00.0: ${text}`]])
  })

  test('each line that is not a row is quoted', async () => {
    const machine = equipped().edit('nvidia-smi.slowdown', (table) => `${table}lost track\nof, it\n`)
    const result = await run(machine, 'gpupower')
    expect(result.status).toBe(ERROR)
    expect(result.reasons).toEqual([expect.stringMatching(/unexpected row: lost track; of, it$/)])
    machine.prints('nvidia-smi.slowdown.exit', '3\n')
    expect((await run(machine, 'gpupower')).reasons).toEqual([
      expect.stringMatching(/ended with exit code 3.*; it wrote: lost track; of, it$/),
    ])
  })

  test('a GPU that requires a reset fails', async () => {
    const machine = equipped().edit('nvidia-smi.slowdown', (text) =>
      text.replace(/^3, .*$/m, '3, [GPU requires reset], [GPU requires reset], [GPU requires reset]'),
    )
    expect((await run(machine, 'gpupower')).reasons).toEqual(['3: GPU does not answer: [GPU requires reset]'])
  })

  test.each(ALL)('%s: nvidia-smi is killed in the middle of a line', async (name) => {
    const machine = equipped().edit('nvidia-smi.gpus', (text) => text.slice(0, 30))
    machine.prints('nvidia-smi.gpus.exit', '139\n')
    expect((await run(machine, name)).status).toBe(ERROR)
  })

  test('of an incomplete table, the complete rows count, and the failure is reported', async () => {
    const machine = a100()
    machine.edit('nvidia-smi.remapped', (text) => text.slice(0, text.indexOf('\n', 100) + 20))
    const result = await run(machine, 'remapped')
    expect(result.status).toBe(ERROR)
    expect(result.reasons[0]).toMatch(/wrote an unexpected row/)
    expect(Object.keys(valuesOf(result, 'pending'))).toEqual(['0', '1'])
  })

  test.each(ALL.flatMap((name) => ['floods', 'one-long-line', 'rubbish', 'dies'].map((how) => [name, how])))(
    '%s with an nvidia-smi that %s',
    async (name, how) => {
      const machine = equipped().replace('nvidia-smi', misbehaving(how))
      expect((await run(machine, name)).status).toBe(ERROR)
    },
  )

  test('runs programs in English in any locale of the agent', async () => {
    expect((await run(h100(), 'pciebw')).status).toBe(PASS)
  })
})
