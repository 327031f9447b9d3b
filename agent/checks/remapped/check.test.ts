import { describe, expect, test } from 'vitest'
import { ERROR, FAIL, PASS, SKIPPED } from '../findings.ts'
import { gpuMachine, valuesOf } from '../testing/machine.ts'
import { useMachines } from '../testing/use-machines.ts'

const { keep, run, h100, h200, a100, v100 } = useMachines()

describe('remapped', () => {
  test('H100: a row that was remapped in the past passes', async () => {
    const result = await run(h100(), 'remapped')
    expect([result.status, result.reasons]).toEqual([PASS, []])
    expect(valuesOf(result, 'uncorrectable_rows')).toMatchObject({ 3: 1, 4: 0 })
    expect(valuesOf(result, 'model')[0]).toBe('NVIDIA H100 80GB HBM3')
    expect(result.rawOutput).toContain('NVIDIA H100 80GB HBM3')
  })

  test('A100: one of eight GPUs needs a reset', async () => {
    const result = await run(a100(), 'remapped')
    expect([result.status, result.reasons]).toEqual([
      FAIL,
      ['6: memory rows wait to be remapped: reset the GPU'],
    ])
    expect(valuesOf(result, 'pending')).toEqual({
      0: false,
      1: false,
      2: false,
      3: false,
      4: false,
      5: false,
      6: true,
      7: false,
    })
  })

  test('supports drivers that print flags as 0 and 1', async () => {
    const machine = h100().edit('nvidia-smi.remapped', (text) =>
      text.replaceAll('No', '0').replace(/0, 0\n$/, '0, 1\n'),
    )
    expect((await run(machine, 'remapped')).reasons).toEqual([
      '7: a row could not be remapped: replace the GPU',
    ])
  })

  test('V100: is skipped without row remapping', async () => {
    const result = await run(v100(), 'remapped')
    expect([result.status, valuesOf(result, 'pending')[0]]).toEqual([SKIPPED, 'not supported'])
  })

  test.each([
    ['nothing', '', 0],
    ['that it does not know such a table', 'Option "--query-remapped-rows" is not recognized.\n', 2],
  ])(
    'a version that answers %s is queried with nvidia-smi -q, as Autopilot does',
    async (_, text, exitCode) => {
      const machine = keep(gpuMachine('v100-4').prints('nvidia-smi.remapped', text, exitCode))
      const sections = ['No', 'No', 'Yes', 'No'].map(
        (pending, index) => `GPU 00000000:${index}7:00.0
    Product Name                          : NVIDIA A100-SXM4-40GB
    GPU UUID                              : ${machine.read('nvidia-smi.gpus').split('\n')[index]!.split(', ')[1]}
    ECC Mode
        Current                           : Enabled
        Pending                           : Enabled
    Retired Pages
        Single Bit ECC                    : N/A
        Pending Page Blacklist            : N/A
    Remapped Rows
        Correctable Error                 : 1
        Uncorrectable Error               : 0
        Pending                           : ${pending}
        Remapping Failure Occurred        : No
        Bank Remap Availability Histogram
            Max                           : 639 bank(s)
    Temperature
        GPU Current Temp                  : 34 C
`,
      )
      machine.prints(
        'nvidia-smi.details',
        `\n==============NVSMI LOG==============\n\nAttached GPUs : 4\n${sections.join('')}\n`,
      )
      const result = await run(machine, 'remapped')
      expect(result.reasons).toEqual(['2: memory rows wait to be remapped: reset the GPU'])
      expect(valuesOf(result, 'correctable_rows')).toEqual({ 0: 1, 1: 1, 2: 1, 3: 1 })
    },
  )

  test('H200: passes as a table and in detail', async () => {
    const machine = h200()
    const table = await run(machine, 'remapped')
    const inDetail = await run(machine.prints('nvidia-smi.remapped', ''), 'remapped')
    expect(machine.calls().at(-1)).toBe('nvidia-smi -q')
    expect([table.status, inDetail.status, inDetail.evidence]).toEqual([PASS, PASS, table.evidence])
  })

  test('works with MIG', async () => {
    const machine = h100().edit('nvidia-smi.gpus', (text) => text.replaceAll('Disabled', 'Enabled'))
    expect((await run(machine, 'remapped')).status).toBe(PASS)
  })

  test('an unexpected flag is not a pass', async () => {
    const machine = h100().edit('nvidia-smi.remapped', (text) => text.replace('No, No', 'Nein, No'))
    expect((await run(machine, 'remapped')).status).toBe(ERROR)
  })
})
