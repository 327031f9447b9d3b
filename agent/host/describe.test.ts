import { expect, test } from 'vitest'
import { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Processes } from '../processes.ts'
import { createHostDescriber } from './describe.ts'

const result = {
  exitCode: 0,
  signal: '',
  stderrTail: '',
  timedOut: false,
  aborted: false,
  flooded: false,
  notFound: false,
}

/** A host with the files and programs of a test; its clock advances with each sleep. */
const createHost = (files: Record<string, string>, programs: Record<string, () => Promise<string>>) => {
  const started: string[] = []
  let now = 0
  const clock: Clock = {
    now: () => new Date(now * 1000),
    monotonicSeconds: () => now,
    yield: () => new Promise((resolve) => setImmediate(resolve)),
    sleep: async (seconds, signal) => {
      // Programs that answer immediately come first.
      await new Promise((resolve) => setImmediate(resolve))
      if (!signal?.aborted) now += seconds
    },
  }
  const processes: Pick<Processes, 'run' | 'isInstalled'> = {
    isInstalled: async () => true,
    run: async (file, args) => {
      started.push([file, ...args].join(' '))
      const program = programs[file]
      if (!program)
        return { ...result, exitCode: undefined, notFound: true, reason: 'not installed', stdout: '' }
      return { ...result, reason: '', stdout: await program() }
    },
  }
  const host = createHostDescriber(
    { clock, processes, read: (path) => files[path] },
    { 'nvidia-smi': '/opt/nv' },
  )
  return {
    host,
    started,
    pass: (seconds: number) => {
      now += seconds
    },
  }
}

const TOPOLOGY = (cpu: number, socket: string, core: string) => ({
  [`/sys/devices/system/cpu/cpu${cpu}/topology/physical_package_id`]: `${socket}\n`,
  [`/sys/devices/system/cpu/cpu${cpu}/topology/core_id`]: `${core}\n`,
})

test('describes a host from its files and programs', async () => {
  const { host } = createHost(
    {
      '/etc/os-release': 'PRETTY_NAME="Debian"\n',
      '/proc/cpuinfo': 'model name\t: CPU 9000\nvendor_id\t: Maker\n',
      '/sys/devices/system/cpu/present': '0-3\n',
      ...TOPOLOGY(0, '0', '0'),
      ...TOPOLOGY(1, '0', '1'),
      ...TOPOLOGY(2, '0', '0'),
      ...TOPOLOGY(3, '0', '1'),
      '/proc/meminfo': 'MemTotal:  2048 kB\nSwapTotal:  1024 kB\n',
      '/proc/uptime': '12.5 1\n',
      '/sys/class/dmi/id/sys_vendor': 'Supermicro\n',
      '/sys/class/dmi/id/product_name': 'SYS-821GE\n',
      '/sys/class/dmi/id/product_version': '0123456789\n',
    },
    { '/opt/nv': async () => '0, NVIDIA H200\n1, NVIDIA H200\n' },
  )
  expect(await host.metadata()).toMatchObject({
    operatingSystem: 'Debian',
    cpuModel: 'CPU 9000',
    cpuVendor: 'Maker',
    cpuSocketCount: 1,
    cpuCoresPerSocketCount: 2,
    cpuThreadsPerCoreCount: 2,
    memoryBytes: 2048 * 1024,
    swapBytes: 1024 * 1024,
    uptime: { seconds: 12, nanos: 5e8 },
    systemVendor: 'Supermicro',
    productName: 'SYS-821GE',
    productVersion: '0123456789',
    gpuModel: 'NVIDIA H200',
    gpuCount: 2,
  })
})

test('describes a host without any of these files; ARM has its name in the device tree', async () => {
  const { host } = createHost({ '/proc/device-tree/model': 'Jetson AGX Orin\0' }, {})
  expect(await host.metadata()).toMatchObject({
    cpuModel: '',
    cpuSocketCount: 0,
    memoryBytes: 0,
    uptime: undefined,
    productName: 'Jetson AGX Orin',
    gpuCount: 0,
  })
})

test('does not wait for a driver that hangs; its output is in a later answer', async () => {
  const answer = Promise.withResolvers<string>()
  const { host, started } = createHost({}, { '/opt/nv': () => answer.promise })
  expect((await host.metadata()).gpuCount).toBe(0)
  expect((await host.metadata()).gpuCount).toBe(0)
  answer.resolve('0, NVIDIA L4\n')
  await answer.promise
  expect((await host.metadata()).gpuCount).toBe(1)
  expect(started).toHaveLength(1)
})

test('runs programs once in ten minutes, separately for each interface', async () => {
  const { host, started, pass } = createHost(
    {},
    {
      ethtool: async () =>
        'driver: mlx5_core\nversion: 24.10\nfirmware-version: 28.39\nbus-info: 0000:e6:00.0\n',
    },
  )
  const links = ['net0', 'net1', '-h'].map((name) => Interface.fromPartial({ name, driver: 'mlx5_core' }))
  const [net0, , dashed] = await host.withDrivers(links)
  expect(net0).toMatchObject({
    driver: 'mlx5_core',
    driverVersion: '24.10',
    firmwareVersion: '28.39',
    busInfo: '0000:e6:00.0',
  })
  expect(dashed).toEqual(links[2])
  await host.withDrivers(links)
  expect(started).toEqual(['ethtool -i net0', 'ethtool -i net1'])
  pass(601)
  await host.withDrivers(links)
  expect(started).toHaveLength(4)
})
