import type { NetworkInterfaceInfo } from 'node:os'
import { expect, test } from 'vitest'
import {
  addressesByDevice,
  createDeviceList,
  EXCLUDED_INTERFACES,
  isExcluded,
  parseDevices,
} from './devices.ts'

const info = (address: string, internal = false) => ({ address, internal }) as NetworkInterfaceInfo

test('an address with a label belongs to its device', () => {
  const found = { net0: [info('10.0.0.1')], 'net0:1': [info('10.0.0.2')], 'net1:a': [info('10.1.0.1')] }
  const byDevice = addressesByDevice(found)
  expect([...byDevice.keys()]).toEqual(['net0', 'net1'])
  expect(byDevice.get('net0')!.map(({ address }) => address)).toEqual(['10.0.0.1', '10.0.0.2'])
})

test.each([
  'docker0',
  'br-1a2b3c',
  'virbr0',
  'veth12ab34c',
  'cni0',
  'flannel.1',
  'cali01ab',
  'tunl0',
  'kube-ipvs0',
  'lxcbr0',
])('%s is excluded by default', (name) => {
  expect(isExcluded(name, EXCLUDED_INTERFACES)).toBe(true)
})

test.each(['net0', 'eth0', 'ens3f0np0', 'ib0', 'bond0', 'br0', 'enp1s0.100', 'mydocker0'])(
  '%s is measured by default',
  (name) => {
    expect(isExcluded(name, EXCLUDED_INTERFACES)).toBe(false)
  },
)

test('a pattern matches the whole name', () => {
  expect(isExcluded('a-b-c', ['a*c'])).toBe(true)
  expect(isExcluded('a-b-c', ['a*b'])).toBe(false)
  expect(isExcluded('abab', ['ab*ab'])).toBe(true)
  expect(isExcluded('ab', ['ab*ab'])).toBe(false)
  expect(isExcluded('net01', ['net0'])).toBe(false)
})

test('a device that goes down stays, one that is removed or renamed does not', () => {
  const list = createDeviceList(['docker*'])
  const names = (addressed: readonly string[], present: readonly string[]) =>
    list.names(
      new Map([
        ...addressed.map((name) => [name, [info('10.0.0.1')]] as const),
        ['lo', [info('127.0.0.1', true)]],
      ]),
      ['lo', ...present],
      (name) => name.startsWith('card'),
    )
  expect(names(['net0', 'net1', 'docker0'], ['net0', 'net1', 'docker0'])).toEqual(['net0', 'net1'])
  // net1 is down and has no address, net2 never had one, and card0 is a network card without a cable.
  expect(names(['net0'], ['net0', 'net1', 'net2', 'card0'])).toEqual(['net0', 'net1', 'card0'])
  expect(names(['net0', 'eth9'], ['net0', 'eth9'])).toEqual(['net0', 'eth9'])
})

test('the devices of /proc/net/dev', () => {
  const text = `Inter-|   Receive                |  Transmit
 face |bytes    packets errs drop|bytes    packets
    lo: 1234 5 0 0 1234 5
  net0:99 1 0 0 99 1
`
  expect(parseDevices(text)).toEqual(['lo', 'net0'])
})
