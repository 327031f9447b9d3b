import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  countCpus,
  fullName,
  parseCpu,
  parseCpuList,
  parseEthtool,
  parseGpus,
  parseOperatingSystem,
  parsePlaces,
  parseUptime,
} from './facts.ts'

const recorded = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')

test.each([
  ['debian-vm', 'AMD EPYC', 'AuthenticAMD'],
  ['xeon-2-sockets', 'Intel(R) Xeon(R) CPU E5-2699 v3 @ 2.30GHz', 'GenuineIntel'],
  ['grace', 'ARM Neoverse-V2', ''],
  ['power7', 'POWER7 (architected), altivec supported', ''],
  ['zseries', '', 'IBM/S390'],
])('parses the CPU of %s', (machine, model, vendor) => {
  expect(parseCpu(recorded(`${machine}/cpuinfo`))).toEqual({ model, vendor })
})

test('an unknown ARM core is shown with its numbers', () => {
  expect(parseCpu('CPU implementer\t: 0x48\nCPU part\t: 0xd01\n').model).toBe('implementer 0x48 part 0xd01')
})

describe('sockets, cores and threads', () => {
  test.each([
    ['debian-vm', { sockets: 1, coresPerSocket: 2, threadsPerCore: 1 }],
    ['xeon-2-sockets', { sockets: 2, coresPerSocket: 1, threadsPerCore: 1 }],
    ['grace', { sockets: 0, coresPerSocket: 0, threadsPerCore: 0 }],
  ])('are read from the cpuinfo of %s', (machine, counts) => {
    expect(countCpus(parsePlaces(recorded(`${machine}/cpuinfo`)))).toEqual(counts)
  })

  test('are counted for two sockets that both number their cores from 0', () => {
    const places = Array.from({ length: 128 }, (_, cpu) => ({
      socket: String(Math.floor(cpu / 32) % 2),
      core: String(cpu % 32),
    }))
    expect(countCpus(places)).toEqual({ sockets: 2, coresPerSocket: 32, threadsPerCore: 2 })
  })

  test.each([
    ['0-3\n', [0, 1, 2, 3]],
    ['0,2-3', [0, 2, 3]],
    ['', []],
    ['x', []],
  ])('parses the list %j', (text, cpus) => {
    expect(parseCpuList(text)).toEqual(cpus)
  })
})

test('parses the operating system with any quotes', () => {
  expect(parseOperatingSystem(recorded('debian-vm/os-release'))).toBe('Debian GNU/Linux 12 (bookworm)')
  expect(parseOperatingSystem("NAME=x\nPRETTY_NAME='Rocky Linux 9.4'\n")).toBe('Rocky Linux 9.4')
  expect(parseOperatingSystem('PRETTY_NAME=Alpine\n')).toBe('Alpine')
  expect(parseOperatingSystem('NAME=x\n')).toBe('')
})

test('parses the uptime', () => {
  expect(parseUptime('4158.01 4831.94\n')).toBe(4158.01)
  expect(parseUptime('')).toBeUndefined()
})

test.each([
  ['gpu-1.example.org', '', '(none)', 'gpu-1.example.org'],
  ['gpu-1', '127.0.1.1 gpu-1.example.org gpu-1 # ours\n', '(none)', 'gpu-1.example.org'],
  ['gpu-1', '127.0.0.1 localhost.localdomain localhost\n', '(none)', 'gpu-1'],
  ['gpu-1', '#10.0.0.1 gpu-1.old.example gpu-1\n', 'nis.example\n', 'gpu-1.nis.example'],
])('finds the full name of %s', (hostname, hosts, domain, full) => {
  expect(fullName(hostname, hosts, domain)).toBe(full)
})

test.each([
  [
    'debian-vm/ethtool',
    { driver: 'virtio_net', driverVersion: '1.0.0', firmwareVersion: '', busInfo: '0000:00:03.0' },
  ],
  [
    'ethtool-mlx5.txt',
    {
      driver: 'mlx5_core',
      driverVersion: '23.10-1.1.9',
      firmwareVersion: '28.39.3560 (MT_0000000838)',
      busInfo: '0000:e6:00.0',
    },
  ],
  [
    'ethtool-ice.txt',
    {
      driver: 'ice',
      driverVersion: '5.18.10-1.el8.elrepo.x86_64',
      firmwareVersion: '2.50 0x800077a8 1.2960.0',
      busInfo: '0000:03:00.0',
    },
  ],
])('%s', (file, info) => {
  expect(parseEthtool(recorded(file))).toEqual(info)
})

test('what a driver does not report is empty, also as N/A', () => {
  expect(parseEthtool(recorded('ethtool-veth.txt'))).toMatchObject({ firmwareVersion: '', busInfo: '' })
  expect(parseEthtool('firmware-version: N/A\nbus-info:\n')).toMatchObject({
    firmwareVersion: '',
    busInfo: '',
  })
})

test.each([
  ['0, NVIDIA H200\n1, NVIDIA H200\n', { model: 'NVIDIA H200', count: 2 }],
  ['0, NVIDIA H200\nWARNING: infoROM is corrupted at gpu 0000:B3:00.0\n', { model: 'NVIDIA H200', count: 1 }],
  ['0, NVIDIA A100-SXM4-80GB\n', { model: 'NVIDIA A100-SXM4-80GB', count: 1 }],
  ['No devices were found\n', { model: '', count: 0 }],
  [
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
    { model: '', count: 0 },
  ],
  ['', { model: '', count: 0 }],
])('parses the GPUs in %j', (text, gpus) => {
  expect(parseGpus(text)).toEqual(gpus)
})
