/** The checks of GPUs on machines that are not here, each bug of the first seed turned into a test that we lack it. */

import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { worstStatus } from './check.ts'
import { CHECKS } from './checks.ts'
import { ERROR, FAIL, PASS, SKIPPED, WARN } from './findings.ts'
import {
  createHarness,
  createMachine,
  gpuMachine,
  type Machine,
  misbehaving,
  valuesOf,
} from './fixtures/machine.ts'

const harness = createHarness()
const machines: Machine[] = []
const keep = (machine: Machine): Machine => {
  machines.push(machine)
  return machine
}
const h100 = () => keep(gpuMachine('h100-8').has('nvbandwidth', 'dcgmi'))
const a100 = () => keep(gpuMachine('a100-8').has('bandwidthTest', 'gpucheck', 'dcgmi'))
const v100 = () => keep(gpuMachine('v100-4').has('bandwidthTest'))

const run = async (machine: Machine, name: string, parameters: Record<string, unknown> = {}) => {
  const findings = await harness.run(machine, name, parameters)
  return { ...findings, status: findings.status ?? worstStatus(findings.evidence) }
}

afterEach(() => {
  for (const machine of machines.splice(0)) machine.remove()
})
afterAll(() => harness.close())

describe('remapped', () => {
  test('H100: a row that was remapped in the past is no trouble', async () => {
    const result = await run(h100(), 'remapped')
    expect([result.status, result.reasons]).toEqual([PASS, []])
    expect(valuesOf(result, 'uncorrectable_rows')).toMatchObject({ 3: 1, 4: 0 })
    expect(valuesOf(result, 'model')[0]).toBe('NVIDIA H100 80GB HBM3')
    expect(result.rawOutput).toContain('NVIDIA H100 80GB HBM3')
  })

  test('A100: one of eight waits for its reset', async () => {
    const result = await run(a100(), 'remapped')
    expect([result.status, result.reasons]).toEqual([
      FAIL,
      ['6: rows of its memory wait to be remapped: reset the GPU'],
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

  test('drivers that print flags as 0 and 1', async () => {
    const machine = h100().edit('nvidia-smi.remapped', (text) =>
      text.replaceAll('No', '0').replace(/0, 0\n$/, '0, 1\n'),
    )
    expect((await run(machine, 'remapped')).reasons).toEqual([
      '7: a row could not be remapped: replace the GPU',
    ])
  })

  test('V100: no rows to remap is neither good nor bad', async () => {
    const result = await run(v100(), 'remapped')
    expect([result.status, valuesOf(result, 'pending')[0]]).toEqual([SKIPPED, 'not supported'])
  })

  test.each([
    ['nothing', '', 0],
    ['that it does not know such a table', 'Option "--query-remapped-rows" is not recognized.\n', 2],
  ])('a version that says %s is asked as the first seed asked', async (_, text, exitCode) => {
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
    expect(result.reasons).toEqual(['2: rows of its memory wait to be remapped: reset the GPU'])
    expect(valuesOf(result, 'correctable_rows')).toEqual({ 0: 1, 1: 1, 2: 1, 3: 1 })
  })

  test('MIG makes no difference to rows', async () => {
    const machine = h100().edit('nvidia-smi.gpus', (text) => text.replaceAll('Disabled', 'Enabled'))
    expect((await run(machine, 'remapped')).status).toBe(PASS)
  })

  test('an answer that is neither yes nor no is no pass', async () => {
    const machine = h100().edit('nvidia-smi.remapped', (text) => text.replace('No, No', 'Nein, No'))
    expect((await run(machine, 'remapped')).status).toBe(ERROR)
  })
})

describe('gpupower', () => {
  test('an older driver is asked for the older name of the field', async () => {
    const machine = a100()
    const result = await run(machine, 'gpupower')
    expect([result.status, result.reasons]).toEqual([FAIL, ['2: its clocks are slowed down: it is too hot']])
    expect(machine.calls().at(-1)).toContain('clocks_throttle_reasons.hw_slowdown')
  })

  test('a GPU that does not say is not one that is slowed down', async () => {
    const machine = h100().edit('nvidia-smi.slowdown', (text) => text.replaceAll('Not Active', '[N/A]'))
    const result = await run(machine, 'gpupower')
    expect([result.status, valuesOf(result, 'hw_slowdown')[0]]).toEqual([SKIPPED, 'not supported'])
  })
})

describe('pciebw', () => {
  test('one of eight is below the default of 4 GB/s', async () => {
    const machine = a100()
    const result = await run(machine, 'pciebw')
    expect([result.status, result.reasons]).toEqual([
      FAIL,
      ['4: only 3.1 GB/s from host to GPU, less than 4 GB/s'],
    ])
    expect(valuesOf(result, 'host_to_device')[4]).toBe(3.1e9)
    expect(machine.calls()).toContain('bandwidthTest --htod --memory=pinned --device=7 --csv')
    // CUDA counts GPUs by speed unless it is told to count them as nvidia-smi does.
    expect(machine.read('order')).toBe('PCI_BUS_ID\n')
  })

  test('the threshold has a unit', async () => {
    const machine = a100()
    expect((await run(machine, 'pciebw', { threshold: '3GB/s' })).status).toBe(PASS)
    expect((await run(machine, 'pciebw', { threshold: 30 })).reasons).toHaveLength(8)
  })

  test('nvbandwidth where that is installed', async () => {
    const result = await run(h100(), 'pciebw', { threshold: '55.5GB/s' })
    expect(Object.values(valuesOf(result, 'program'))).toEqual(['nvbandwidth'])
    expect(result.reasons.map((reason) => reason[0])).toEqual(['4', '5'])
  })

  test('an nvbandwidth without JSON is asked again', async () => {
    const machine = h100().says('nvbandwidth.txt', 'nvbandwidth/0.6-gh200.txt')
    machine.says('nvbandwidth.json.txt', 'nvbandwidth/refusal.txt', 1)
    const result = await run(machine, 'pciebw')
    // It measured three columns where nvidia-smi lists eight GPUs: nobody can tell which is which.
    expect(result.status).toBe(ERROR)
    expect(result.reasons[0]).toMatch(/nvbandwidth sees 3 GPUs, nvidia-smi 8/)
    expect(machine.calls().filter((call) => call.startsWith('nvbandwidth'))).toHaveLength(2)
  })

  test('V100', async () => {
    expect((await run(v100(), 'pciebw')).status).toBe(PASS)
  })

  test('a GPU that CUDA cannot use yet is not measured, and the others are', async () => {
    const machine = a100().says('bandwidthTest.2', 'bandwidthTest/not-ready.txt', 1)
    const result = await run(machine, 'pciebw', { threshold: '1GB/s' })
    expect(result.status).toBe(ERROR)
    expect(result.reasons).toEqual([expect.stringMatching(/^2: was not measured: .*802/)])
    expect(valuesOf(result, 'host_to_device')).toMatchObject({ 1: 24.2e9, 2: null, 3: 24e9 })
  })

  test('802 in a time is no error 802', async () => {
    const machine = a100().edit('bandwidthTest.0', (text) => text.replace(/Time = [\d.]+/, 'Time = 0.00802'))
    expect((await run(machine, 'pciebw', { threshold: '1GB/s' })).status).toBe(PASS)
  })

  test('half a line is not a figure', async () => {
    const machine = a100().says('bandwidthTest.0', 'bandwidthTest/cut.txt', 139)
    const result = await run(machine, 'pciebw', { threshold: '1GB/s' })
    expect([result.status, valuesOf(result, 'host_to_device')[0]]).toEqual([ERROR, null])
  })

  test('on a busy GPU a low figure accuses nobody', async () => {
    const machine = a100().prints('nvidia-smi.apps', '4711, GPU-a1000004\n')
    const result = await run(machine, 'pciebw')
    expect([result.status, result.reasons[0]]).toEqual([
      WARN,
      expect.stringMatching(/but processes are on the GPUs: pid 4711/),
    ])
  })

  test('MIG', async () => {
    const machine = a100().edit('nvidia-smi.gpus', (text) => text.replace('Disabled', 'Enabled'))
    expect(await run(machine, 'pciebw')).toMatchObject({
      status: SKIPPED,
      reasons: ['MIG is enabled on GPU 0: its slices cannot be measured as a GPU'],
    })
  })
})

describe('gpumem', () => {
  test('good', async () => {
    const result = await run(a100(), 'gpumem')
    expect([result.status, valuesOf(result, 'daxpy')[3]]).toEqual([PASS, 1564.2e9])
  })

  test('a failure stays a failure, and names the GPUs', async () => {
    const machine = a100().says('gpucheck.txt', 'gpucheck/two-bad.txt')
    const result = await run(machine, 'gpumem')
    expect(result.status).toBe(FAIL)
    expect(result.reasons).toEqual([
      '1: dgemm reaches only 11.2 TFlop/s, less than 16 TFlop/s',
      '7: dgemm reaches only 11.2 TFlop/s, less than 16 TFlop/s',
    ])
    expect((await run(machine, 'gpumem', { dgemm: 7 })).status).toBe(PASS)
  })

  test('what gpucheck sees behind its rounded table', async () => {
    const machine = a100().says('gpucheck.txt', 'gpucheck/edge.txt')
    expect((await run(machine, 'gpumem')).reasons).toEqual(['0: gpucheck calls it faulty'])
  })

  test('one that does not come to its end has found nothing, neither good nor bad', async () => {
    const machine = a100().says('gpucheck.txt', 'gpucheck/cut.txt', 139)
    const result = await run(machine, 'gpumem')
    expect([result.status, result.reasons[0]]).toEqual([
      ERROR,
      expect.stringMatching(/did not come to its end/),
    ])
  })

  test('only on idle GPUs, unless forced', async () => {
    const machine = a100().prints('nvidia-smi.load', '0, 97 %, 71321 MiB\n')
    const result = await run(machine, 'gpumem')
    expect([result.status, result.reasons[1]]).toEqual([
      SKIPPED,
      'GPU 0 is 97 % busy and has 71321 MiB in use',
    ])
    expect(machine.calls().some((call) => call.startsWith('gpucheck'))).toBe(false)
    expect((await run(machine, 'gpumem', { force: true })).status).toBe(PASS)
  })

  test('GPUs that cannot be asked whether they are idle are not', async () => {
    const machine = a100().prints('nvidia-smi.apps', 'gibberish\n', 3)
    expect((await run(machine, 'gpumem')).status).toBe(SKIPPED)
  })
})

describe('dcgm', () => {
  test('levels 1 and 2 do not ask whether GPUs are idle, 3 and 4 do', async () => {
    const machine = h100().prints('nvidia-smi.apps', '4711, GPU-1\n')
    expect((await run(machine, 'dcgm')).status).toBe(PASS)
    expect(machine.calls()).toContain('dcgmi diag -j -r 1')
    for (const level of [3, 4]) expect((await run(machine, 'dcgm', { level })).status).toBe(SKIPPED)
    expect((await run(machine, 'dcgm', { level: 4, force: true })).status).toBe(PASS)
    expect(machine.calls()).toContain('dcgmi diag -j -r 4')
  })

  test('a failing PCIe test of one GPU with exit code 226 is a failure, and fatal', async () => {
    const machine = a100().says('dcgmi.txt', 'dcgm/3.3-pcie.txt', 226)
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

  test('a failure of another category is not fatal; the list is the user’s', async () => {
    const machine = a100().says('dcgmi.txt', 'dcgm/3.3-power.txt', 226)
    const fatal = async (parameters: Record<string, unknown>) =>
      (await run(machine, 'dcgm', { level: 3, ...parameters })).evidence.some((evidence) => evidence.fatal)
    expect(await fatal({})).toBe(false)
    expect(await fatal({ fatal: ['Targeted Power'] })).toBe(true)
    // The first seed took such a list letter by letter: P is in no name.
    expect(await fatal({ fatal: ['P'] })).toBe(false)
  })

  test('DCGM 4: an ECC error of memory on one of eight', async () => {
    const machine = h100().says('dcgmi.txt', 'dcgm/4.2-one-bad.txt', 226)
    const result = await run(machine, 'dcgm', { level: 2, fatal: ['ECC'] })
    expect(result.evidence.filter(({ fatal }) => fatal)).toMatchObject([
      { subject: '5', name: 'memory', status: FAIL },
    ])
  })

  test('only the tests that count', async () => {
    const machine = a100().says('dcgmi.txt', 'dcgm/3.3-pcie.txt', 226)
    const only = (tests: string[]) => run(machine, 'dcgm', { level: 2, tests })
    expect((await only(['DCGM GPU Diagnostic.Hardware.GPU Memory'])).status).not.toBe(FAIL)
    expect((await only(['Integration.PCIe'])).status).toBe(FAIL)
    expect(await only(['No Such Test'])).toMatchObject({
      status: ERROR,
      reasons: [expect.stringMatching(/No Such Test/)],
    })
  })

  test('a GB10: what was skipped is no failure, and what failed is one', async () => {
    const machine = h100().says('dcgmi.txt', 'dcgm/4.2.3-gb10-level2.txt', 226)
    const result = await run(machine, 'dcgm', { level: 2 })
    expect(result.reasons).toEqual([expect.stringMatching(/DCGM test software fails: Persistence Mode/)])
    expect(valuesOf(result, 'memory')).toEqual({ 0: 'skip' })
  })

  test.each([
    ['no host engine', 'dcgm/no-hostengine.txt', 255, /Unable|unable/],
    ['a document that is cut off', 'dcgm/4.2-cut.txt', 139, /exit code 139/],
    ['good results, but an exit code', 'dcgm/3.1-pass.txt', 226, /did not end well: .*exit code 226/],
  ])('%s is an error with its reason', async (_, path, exitCode, reason) => {
    const result = await run(h100().says('dcgmi.txt', path, exitCode), 'dcgm')
    expect([result.status, result.reasons[0]]).toEqual([ERROR, expect.stringMatching(reason)])
  })

  test('the reasons of an error name who is on the GPUs', async () => {
    const machine = h100()
      .says('dcgmi.txt', 'dcgm/no-hostengine.txt', 255)
      .prints('nvidia-smi.apps', '99, GPU-1\n')
    expect((await run(machine, 'dcgm')).reasons).toContain('processes are on the GPUs: pid 99')
  })
})

describe('without GPUs, or with sick ones', () => {
  const ALL = ['remapped', 'gpupower', 'pciebw', 'gpumem', 'dcgm']
  const equipped = () => keep(createMachine('h100-8').has('nvidia-smi', 'nvbandwidth', 'dcgmi', 'gpucheck'))

  test.each(ALL)('%s: nothing installed', async (name) => {
    const check = CHECKS.find((candidate) => candidate.name === name)!
    const bare = keep(createMachine())
    const reasons = await check.requirements(harness.depsOf(bare), new AbortController().signal)
    expect(reasons[0]).toMatch(/^nvidia-smi is not installed at .*: it comes with the NVIDIA driver$/)
    expect(await check.concerns!(harness.depsOf(bare))).toBe(false)
    const gpus = keep(createMachine().pciGpus(8))
    expect(await check.concerns!(harness.depsOf(gpus))).toBe(true)
    const [reason] = await check.requirements(harness.depsOf(gpus), new AbortController().signal)
    expect(reason).toMatch(/but there are 8 NVIDIA GPUs on the PCI bus/)
  })

  test('all programs that are missing are named', async () => {
    const pciebw = CHECKS.find(({ name }) => name === 'pciebw')!
    const reasons = await pciebw.requirements(
      harness.depsOf(keep(createMachine())),
      new AbortController().signal,
    )
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
    const machine = equipped().says('nvidia-smi.gpus', `nvidia-smi/${path}.txt`, Number(exitCode))
    expect((await run(machine, name)).status).toBe(without)
    const result = await run(machine.pciGpus(4), name)
    expect([result.status, result.reasons[0]]).toEqual([
      withGpus,
      expect.stringMatching(/^4 NVIDIA GPUs are on the PCI bus, but /),
    ])
  })

  test.each(['remapped', 'gpupower'])(
    '%s: a GPU that is lost fails, and the others are looked at',
    async (name) => {
      const machine = equipped().edit('nvidia-smi.gpus', (text) =>
        text.replace(
          /^5, .*$/m,
          'Unable to determine the device handle for GPU5: 0000:CB:00.0: Unknown Error',
        ),
      )
      machine.prints('nvidia-smi.gpus.exit', '15\n')
      const result = await run(machine, name)
      expect(result.status).toBe(FAIL)
      expect(result.reasons).toEqual([expect.stringMatching(/^0000:CB:00.0: does not answer: /)])
      expect(Object.keys(valuesOf(result, 'uuid'))).toHaveLength(7)
    },
  )

  test('a GPU that wants to be reset', async () => {
    const machine = equipped().edit('nvidia-smi.slowdown', (text) =>
      text.replace(/^3, .*$/m, '3, [GPU requires reset], [GPU requires reset], [GPU requires reset]'),
    )
    expect((await run(machine, 'gpupower')).reasons).toEqual(['3: GPU does not answer: [GPU requires reset]'])
  })

  test.each(ALL)('%s: nvidia-smi writes half a line and dies', async (name) => {
    const machine = equipped().edit('nvidia-smi.gpus', (text) => text.slice(0, 30))
    machine.prints('nvidia-smi.gpus.exit', '139\n')
    expect((await run(machine, name)).status).toBe(ERROR)
  })

  test('a table that breaks off: what is there counts, and it is said', async () => {
    const machine = a100()
    machine.edit('nvidia-smi.remapped', (text) => text.slice(0, text.indexOf('\n', 100) + 20))
    const result = await run(machine, 'remapped')
    expect(result.status).toBe(ERROR)
    expect(result.reasons[0]).toMatch(/wrote what is not a row/)
    expect(Object.keys(valuesOf(result, 'pending'))).toEqual(['0', '1'])
  })

  test.each(ALL.flatMap((name) => ['floods', 'one-long-line', 'rubbish', 'dies'].map((how) => [name, how])))(
    '%s: an nvidia-smi that %s',
    async (name, how) => {
      const machine = equipped().replace('nvidia-smi', misbehaving(how))
      expect((await run(machine, name)).status).toBe(ERROR)
    },
  )

  test('programs are run in English whatever the agent was started in', async () => {
    expect((await run(h100(), 'pciebw')).status).toBe(PASS)
  })
})
