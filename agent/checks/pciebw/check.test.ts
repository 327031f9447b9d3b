import { describe, expect, test } from 'vitest'
import { ERROR, FAIL, PASS, SKIPPED, WARN } from '../findings.ts'
import { valuesOf } from '../testing/machine.ts'
import { useMachines } from '../testing/use-machines.ts'

const { run, h100, h200, a100, v100 } = useMachines()

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
    // CUDA orders GPUs by speed unless it is set to the order of nvidia-smi.
    expect(machine.read('order')).toBe('PCI_BUS_ID\n')
  })

  test('accepts a threshold with a unit', async () => {
    const machine = a100()
    expect((await run(machine, 'pciebw', { threshold: '3GB/s' })).status).toBe(PASS)
    expect((await run(machine, 'pciebw', { threshold: 30 })).reasons).toHaveLength(8)
  })

  test('uses nvbandwidth where it is installed', async () => {
    const result = await run(h100(), 'pciebw', { threshold: '55.5GB/s' })
    expect(Object.values(valuesOf(result, 'program'))).toEqual(['nvbandwidth'])
    expect(result.reasons.map((reason) => reason[0])).toEqual(['4', '5'])
  })

  test('runs an nvbandwidth without JSON again', async () => {
    const machine = h100().replays('nvbandwidth.txt', 'nvbandwidth/0.6-gh200.txt')
    machine.replays('nvbandwidth.json.txt', 'nvbandwidth/refusal.txt', 1)
    const result = await run(machine, 'pciebw')
    // It printed three columns where nvidia-smi lists eight GPUs, so they cannot be matched.
    expect(result.status).toBe(ERROR)
    expect(result.reasons[0]).toMatch(/nvbandwidth sees 3 GPUs, nvidia-smi 8/)
    expect(machine.calls().filter((call) => call.startsWith('nvbandwidth'))).toHaveLength(2)
  })

  test('passes a V100', async () => {
    expect((await run(v100(), 'pciebw')).status).toBe(PASS)
  })

  test('passes an H200, with either program', async () => {
    const rates = async (program: string) =>
      valuesOf(await run(h200(), 'pciebw', { program, threshold: '50GB/s' }), 'host_to_device')
    expect([await rates('bandwidthTest'), await rates('nvbandwidth')]).toEqual([
      { 0: 55.3e9 },
      { 0: 55.5149e9 },
    ])
  })

  test('does not use the rate of GPU 0 for a GPU that CUDA does not see', async () => {
    const machine = a100().replays('bandwidthTest.7', 'bandwidthTest/wrong-gpu.txt')
    const result = await run(machine, 'pciebw', { threshold: '1GB/s' })
    expect([result.status, valuesOf(result, 'host_to_device')[7]]).toEqual([ERROR, null])
    expect(result.reasons[0]).toMatch(/^7: was not measured: !+Invalid GPU number 3 given/)
  })

  test('reports the meaning of a CUDA error', async () => {
    const machine = h200().replays('bandwidthTest.0', 'bandwidthTest/no-device.txt', 1)
    expect((await run(machine, 'pciebw')).reasons).toEqual([
      '0: was not measured: cudaGetDeviceCount returned 100 -> no CUDA-capable device is detected',
    ])
  })

  test('measures the other GPUs when CUDA cannot use one yet', async () => {
    const machine = a100().replays('bandwidthTest.2', 'bandwidthTest/not-ready.txt', 1)
    const result = await run(machine, 'pciebw', { threshold: '1GB/s' })
    expect(result.status).toBe(ERROR)
    expect(result.reasons).toEqual([expect.stringMatching(/^2: was not measured: .*802/)])
    expect(valuesOf(result, 'host_to_device')).toMatchObject({ 1: 24.2e9, 2: null, 3: 24e9 })
  })

  test('a time that contains 802 is not error 802', async () => {
    const machine = a100().edit('bandwidthTest.0', (text) => text.replace(/Time = [\d.]+/, 'Time = 0.00802'))
    expect((await run(machine, 'pciebw', { threshold: '1GB/s' })).status).toBe(PASS)
  })

  test('an incomplete line has no rate', async () => {
    const machine = a100().replays('bandwidthTest.0', 'bandwidthTest/cut.txt', 139)
    const result = await run(machine, 'pciebw', { threshold: '1GB/s' })
    expect([result.status, valuesOf(result, 'host_to_device')[0]]).toEqual([ERROR, null])
  })

  test('a low rate of a busy GPU is only a warning', async () => {
    const machine = a100()
      .replays('nvidia-smi.apps', 'nvidia-smi/busy-apps.txt')
      .replays('nvidia-smi.load', 'nvidia-smi/busy-load.txt')
    const result = await run(machine, 'pciebw')
    expect([result.status, result.reasons[0]]).toEqual([
      WARN,
      expect.stringMatching(
        /but processes are on the GPUs: pid 1257, GPU 0 is 99 % busy and has 1011 MiB in use$/,
      ),
    ])
  })

  test('is skipped with MIG', async () => {
    const machine = a100().edit('nvidia-smi.gpus', (text) => text.replace('Disabled', 'Enabled'))
    expect(await run(machine, 'pciebw')).toMatchObject({
      status: SKIPPED,
      reasons: ['MIG is enabled on GPU 0: its slices cannot be measured as a GPU'],
    })
  })
})
