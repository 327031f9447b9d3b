import { describe, expect, test } from 'vitest'
import type { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import { systemClock } from '../../../lib/clock.ts'
import type { CheckDeps } from '../check.ts'
import { FAIL, WARN } from '../findings.ts'
import type { Machine } from '../testing/machine.ts'
import { link, useMachines } from '../testing/use-machines.ts'

const { depsOf, runWith, machineOf } = useMachines()

describe('interfaces', () => {
  const depsWith = (machine: Machine, links: Interface[]): CheckDeps => {
    const deps = depsOf(machine)
    return { ...deps, interfaces: { ...deps.interfaces, list: () => links } }
  }
  const examine = (links: Interface[], parameters: Record<string, unknown> = {}, machine = machineOf()) =>
    runWith(depsWith(machine, links), 'interfaces', { watch: '10ms', ...parameters })

  test.each([
    [{}, link('net0', ['10.0.0.1/24']), []],
    [
      { speed: '200G' },
      link('net0', ['10.0.0.1/24']),
      ['net0: speed is 100 Gbit/s where 200 Gbit/s is expected'],
    ],
    [{ mtu: 1500 }, link('net0', ['10.0.0.1/24']), ['net0: MTU is 9000 bytes where 1500 is expected']],
    [{}, link('net0', [], { state: 'down' }), ['net0: is down', 'net0: has no address']],
    [{ interfaces: ['net0', 'net7'] }, link('net0', ['10.0.0.1/24']), ['net7: there is no such interface']],
    [
      { addresses: { net0: ['10.0.0.9'] } },
      link('net0', ['10.0.0.1/24']),
      ['net0: lacks its address 10.0.0.9'],
    ],
    // An IPv6 address has several forms.
    [{ addresses: { net0: ['2001:DB8:0:0::7'] } }, link('net0', ['2001:db8::7/64']), []],
  ])('%j', async (parameters, one, reasons) => {
    expect((await examine([one], parameters)).reasons).toEqual(reasons)
  })

  test('reports an address on two interfaces, and one on the wrong interface', async () => {
    const links = [link('net0', ['10.0.0.1/24']), link('net1', ['10.0.0.1/24', '10.0.1.1/24'])]
    const { reasons } = await examine(links, { addresses: { net0: ['10.0.1.1'] } })
    expect(reasons).toEqual(['net0: lacks its address 10.0.1.1; net1 has it', '10.0.0.1 is on net0 and net1'])
  })

  test('reports growing counters, flaps and half duplex', async () => {
    const folder = 'sys/class/net/net0'
    const machine = machineOf()
      .file(`${folder}/statistics/rx_crc_errors`, '5\n')
      .file(`${folder}/carrier_changes`, '2\n')
    machine.file(`${folder}/duplex`, 'half\n')
    const running = examine([link('net0', ['10.0.0.1/24'])], { watch: '300ms' }, machine)
    await systemClock.sleep(0.15)
    machine.file(`${folder}/statistics/rx_crc_errors`, '8\n').file(`${folder}/carrier_changes`, '4\n')
    const { status, reasons } = await running
    expect(status).toBe(FAIL)
    expect(reasons).toEqual([
      'net0: runs half duplex where full is expected',
      'net0: rx_crc_errors grew by 3 in 0.3 s',
      'net0: its carrier changed 2 times in 0.3 s: the link flaps',
    ])
  })

  test('reports a link that has flapped in the past', async () => {
    const machine = machineOf().file('sys/class/net/net0/carrier_changes', '90\n')
    const { status, reasons } = await examine([link('net0', ['10.0.0.1/24'])], {}, machine)
    expect([status, reasons]).toEqual([
      WARN,
      ['net0: its link has gone down 45 times since its driver was loaded'],
    ])
  })
})
