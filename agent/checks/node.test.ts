/** The checks of the node itself: clock, host, disk, interfaces, ping and those that only say where they belong. */

import { afterAll, afterEach, describe, expect, test } from 'vitest'
import type { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import { systemClock } from '../../lib/clock.ts'
import type { PingEngine, PingProbe } from '../engines/engine.ts'
import { type CheckDeps, worstStatus } from './check.ts'
import { CHECKS } from './checks.ts'
import { ERROR, FAIL, PASS, SKIPPED, WARN } from './findings.ts'
import { createHarness, createMachine, type Machine, recording, valuesOf } from './fixtures/machine.ts'

const harness = createHarness()
const machines: Machine[] = []
const machineOf = (...programs: string[]): Machine => {
  const machine = createMachine().has(...programs)
  machines.push(machine)
  return machine
}

afterEach(() => {
  for (const machine of machines.splice(0)) machine.remove()
})
afterAll(() => harness.close())

const runWith = async (deps: CheckDeps, name: string, parameters: Record<string, unknown> = {}) => {
  const check = CHECKS.find((candidate) => candidate.name === name)!
  const findings = await check.run(deps, check.parameters.parse(parameters), new AbortController().signal)
  return { ...findings, status: findings.status ?? worstStatus(findings.evidence) }
}
const run = (machine: Machine, name: string, parameters: Record<string, unknown> = {}) =>
  runWith(harness.depsOf(machine), name, parameters)

describe('clock', () => {
  test('chrony', async () => {
    const result = await run(machineOf('chronyc').says('chronyc.txt', 'clock/chrony.txt'), 'clock')
    expect([result.status, valuesOf(result, 'offset')]).toEqual([PASS, { clock: -0.000008421 }])
  })

  test.each([
    [{}, FAIL, /2\.7 s off 10\.0\.0\.1, more than 1\.0 s/],
    [{ fail_offset: '5s' }, WARN, /more than 50 ms/],
    [{ warn_offset: '3s', fail_offset: '5s' }, PASS, undefined],
  ])('a clock that is 2.7 s off, with %j', async (parameters, status, reason) => {
    const machine = machineOf('chronyc').says('chronyc.txt', 'clock/chrony-far.txt')
    const result = await run(machine, 'clock', parameters)
    expect(result.status).toBe(status)
    if (reason) expect(result.reasons[0]).toMatch(reason)
  })

  test('nobody keeps it', async () => {
    const machine = machineOf('chronyc').says('chronyc.txt', 'clock/chrony-lost.txt')
    expect(await run(machine, 'clock')).toMatchObject({
      status: WARN,
      reasons: ['clock: is not synchronised, says chrony'],
    })
  })

  test('where chronyd does not run, the next one is asked', async () => {
    const machine = machineOf('chronyc', 'timedatectl')
    machine.prints('chronyc.txt', '506 Cannot talk to daemon\n', 1)
    machine.says('timedatectl.timesync-status', 'clock/timesync.txt')
    expect(Object.values(valuesOf(await run(machine, 'clock'), 'keeper'))).toEqual(['systemd-timesyncd'])
  })

  test('nobody knows: skipped, with what each of them said', async () => {
    const machine = machineOf('chronyc')
    machine.prints('chronyc.txt', '506 Cannot talk to daemon\n', 1)
    const result = await run(machine, 'clock')
    expect([result.status, result.reasons.length]).toEqual([SKIPPED, 3])
    expect(result.reasons[0]).toMatch(/506 Cannot talk to daemon/)
  })
})

const PROC = {
  'proc/uptime': '5000.00 9000.00\n',
  'proc/loadavg': '1.00 0.80 0.60 2/300 4711\n',
  'proc/meminfo': 'MemTotal:       16000000 kB\nMemFree:  1 kB\nMemAvailable:   12000000 kB\n',
  'proc/stat': 'cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 50 0 50 400 0 0 0 0 0 0\ncpu1 50 0 50 400 0 0 0 0 0 0\n',
  'proc/pressure/memory':
    'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
}
const hostMachine = (files: Record<string, string> = {}): Machine => {
  const machine = machineOf('dmesg').prints(
    'dmesg.json.txt',
    '{"dmesg":[{"pri":6,"time":4999.0,"msg":"usb 1-1: new device"}]}',
  )
  for (const [path, text] of Object.entries({ ...PROC, ...files })) machine.file(path, text)
  return machine
}
const QUICK = { watch: '10ms' }

describe('host', () => {
  test('all is well', async () => {
    const result = await run(hostMachine(), 'host', QUICK)
    expect([result.status, result.reasons]).toEqual([PASS, []])
    expect(valuesOf(result, 'load_per_cpu')).toEqual({ load: 0.5 })
  })

  test.each([
    [{ 'proc/loadavg': '9.00 0.80 0.60 2/300 4711\n' }, WARN, /^load: is 4\.5 a CPU, more than 2: 9 on 2/],
    [{ 'proc/meminfo': 'MemTotal: 16000000 kB\nMemAvailable: 100000 kB\n' }, FAIL, /^memory: only 102 MB/],
    [
      { 'proc/pressure/memory': 'some avg10=0 avg60=50.0\nfull avg10=0.00 avg60=31.50 avg300=0 total=0\n' },
      WARN,
      /^memory pressure: all tasks stood still 32 %/,
    ],
  ])('%j', async (files, status, reason) => {
    const result = await run(hostMachine(files), 'host', QUICK)
    expect(result.status).toBe(status)
    expect(result.reasons).toEqual([expect.stringMatching(reason)])
  })

  test('steal and heat are what grew while it watched', async () => {
    const throttle = 'sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count'
    const machine = hostMachine({ [throttle]: '7\n' })
    const running = run(machine, 'host', { watch: '300ms' })
    await systemClock.sleep(0.15)
    machine.file(
      'proc/stat',
      PROC['proc/stat'].replace('cpu  100 0 100 800 0 0 0 0', 'cpu  130 0 100 830 0 0 0 40'),
    )
    machine.file(throttle, '9\n')
    const { status, reasons } = await running
    expect(status).toBe(FAIL)
    expect(reasons).toEqual([
      expect.stringMatching(/^cpu: the hypervisor gives 40 %/),
      'cpu: CPUs were slowed down by heat 2 times in 0.3 s',
    ])
  })

  test('the kernel log counts as far back as it is asked to', async () => {
    const machine = hostMachine()
    const messages = [
      { time: 100, msg: 'NVRM: Xid (PCI:0000:4b:00): 79, GPU has fallen off the bus.' },
      { time: 4990, msg: 'Out of memory: Killed process 4 (a)' },
    ]
    machine.prints('dmesg.json.txt', JSON.stringify({ dmesg: messages }))
    expect((await run(machine, 'host', QUICK)).status).toBe(WARN)
    expect((await run(machine, 'host', { ...QUICK, log_since: '2h' })).status).toBe(FAIL)
  })

  test('without the rights to read the log it says so, and the rest counts', async () => {
    const machine = hostMachine().has('journalctl')
    machine
      .prints('dmesg.json.txt', '', 1)
      .prints('dmesg.json.txt.stderr', 'dmesg: read kernel buffer failed: Operation not permitted\n')
    machine
      .prints('dmesg.txt', '', 1)
      .prints('dmesg.txt.stderr', 'dmesg: read kernel buffer failed: Operation not permitted\n')
    machine.prints('journalctl.txt', '', 1)
    const result = await run(machine, 'host', QUICK)
    expect(result.status).toBe(PASS)
    expect(result.reasons).toEqual([
      expect.stringMatching(/^kernel log: was not looked at: .*needs root, or CAP_SYSLOG/),
    ])
  })

  test('an older dmesg without JSON', async () => {
    const machine = hostMachine()
    machine.prints('dmesg.json.txt', "dmesg: unrecognized option '--json'\n", 1)
    machine.prints('dmesg.txt', '<3>[ 4990.000000] NETDEV WATCHDOG: eth0 (ice): transmit queue 3 timed out\n')
    expect((await run(machine, 'host', QUICK)).reasons).toEqual([
      expect.stringMatching(/^nic_reset: 1 in the log/),
    ])
  })
})

describe('disk', () => {
  const diskMachine = (): Machine =>
    machineOf().hasNo('smartctl').file('proc/self/mountinfo', recording('disk/mountinfo.txt'))

  test('a file system that the kernel has made read-only, and not the one that is so on purpose', async () => {
    const machine = diskMachine()
    for (const path of ['boot/efi', 'scratch', 'data set', 'golden']) machine.file(`${path}/x`, '')
    const result = await run(machine, 'disk', {
      warn_space: '100%',
      fail_space: '100%',
      warn_inodes: '100%',
      fail_inodes: '100%',
    })
    expect(result.reasons).toEqual([
      '/data set: the kernel has made this ext4 read-only, as it does after errors',
    ])
    expect(valuesOf(result, 'read_only')).toMatchObject({ '/golden': true, '/scratch': false })
    expect(valuesOf(result, 'smart').drives).toMatch(/^smartctl is not installed/)
  })

  test('a threshold that is passed, and paths of the user', async () => {
    const result = await run(diskMachine(), 'disk', {
      paths: ['/', '/nowhere', '/home'],
      warn_space: '0%',
      fail_space: '100%',
    })
    expect(result.status).toBe(FAIL)
    expect(result.reasons).toEqual([
      '/nowhere: is not mounted',
      expect.stringMatching(/^\/: is .* full: .* are left$/),
      '/home: is a nfs4, not on a disk of this node',
    ])
  })

  test('drives: worn, failing, and without the rights to ask', async () => {
    const machine = diskMachine()
      .has('smartctl')
      .says('smartctl.scan', 'disk/scan.txt')
      .says('smartctl.txt', 'disk/nvme.txt')
    const only = { paths: ['/home'] }
    expect((await run(machine, 'disk', only)).reasons).toContain('/dev/nvme0: has used up 94 % of its life')
    machine.says('smartctl.txt', 'disk/failing.txt', 8)
    expect(await run(machine, 'disk', only)).toMatchObject({
      status: FAIL,
      reasons: expect.arrayContaining(['/dev/sda: says that it is failing']),
    })
    machine.says('smartctl.txt', 'disk/no-permission.txt', 2)
    expect((await run(machine, 'disk', only)).reasons[1]).toMatch(/Permission denied/)
  })
})

const link = (name: string, addresses: string[], rest: Partial<Interface> = {}): Interface =>
  ({
    name,
    addresses,
    speedBitsPerSecond: 100e9,
    mtuBytes: 9000,
    state: 'up',
    driver: '',
    mac: '',
    ...rest,
  }) as Interface

describe('interfaces', () => {
  const depsWith = (machine: Machine, links: Interface[]): CheckDeps => {
    const deps = harness.depsOf(machine)
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
    // IPv6 has many spellings, and is an address like any other.
    [{ addresses: { net0: ['2001:DB8:0:0::7'] } }, link('net0', ['2001:db8::7/64']), []],
  ])('%j', async (parameters, one, reasons) => {
    expect((await examine([one], parameters)).reasons).toEqual(reasons)
  })

  test('an address on two interfaces, and one on the wrong one', async () => {
    const links = [link('net0', ['10.0.0.1/24']), link('net1', ['10.0.0.1/24', '10.0.1.1/24'])]
    const { reasons } = await examine(links, { addresses: { net0: ['10.0.1.1'] } })
    expect(reasons).toEqual(['net0: lacks its address 10.0.1.1; net1 has it', '10.0.0.1 is on net0 and net1'])
  })

  test('counters that grow, flaps and half duplex', async () => {
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

  test('a link that has flapped for long', async () => {
    const machine = machineOf().file('sys/class/net/net0/carrier_changes', '90\n')
    const { status, reasons } = await examine([link('net0', ['10.0.0.1/24'])], {}, machine)
    expect([status, reasons]).toEqual([
      WARN,
      ['net0: its link has gone down 45 times since its driver was loaded'],
    ])
  })
})

describe('ping', () => {
  /** Answers of each address: a round-trip time in seconds, or undefined for a loss. */
  const depsWith = (answers: Record<string, (number | undefined)[]>): CheckDeps => {
    const deps = harness.depsOf(machineOf())
    const links = [link('net0', ['10.0.0.1/24']), link('net1', ['10.0.1.1/24'])]
    const engine: PingEngine = {
      name: 'fake',
      detect: async () => ({ available: true, version: '1', reasons: [] }),
      validate: () => [],
      async *ping(request): AsyncGenerator<PingProbe> {
        for (const [targetIndex, { address }] of request.targets.entries()) {
          for (const rttSeconds of answers[address]!)
            yield { targetIndex, rttSeconds, refused: false, reason: '' }
        }
      },
    }
    return {
      ...deps,
      interfaces: { ...deps.interfaces, list: () => links, addressesOf: () => ['10.0.0.1'] },
      engines: { ...deps.engines, ping: async () => ({ engine, version: { name: 'fake', version: '1' } }) },
    }
  }
  const targets = [
    { node: 'n2', address: '10.0.0.2', interface: 'net0' },
    { node: 'n2', address: '10.0.1.2', interface: 'net1' },
    'fd00::3%net0',
  ]

  test('loss and round-trip time of every address on its interface', async () => {
    const deps = depsWith({
      '10.0.0.2': [0.001, 0.003],
      '10.0.1.2': [0.002, 0.002],
      'fd00::3': [0.004, 0.004],
    })
    const result = await runWith(deps, 'ping', { targets })
    expect([result.status, result.reasons]).toEqual([PASS, []])
    expect(valuesOf(result, 'rtt')['10.0.0.2%net0']).toBeCloseTo(0.002)
    expect(valuesOf(result, 'node')).toEqual({ '10.0.0.2%net0': 'n2', '10.0.1.2%net1': 'n2' })
  })

  test('one interface of a node that does not answer, and partial loss, which the first seed let pass', async () => {
    const deps = depsWith({
      '10.0.0.2': [undefined, undefined],
      '10.0.1.2': [0.002, undefined],
      'fd00::3': [0.9, 0.9],
    })
    const result = await runWith(deps, 'ping', { targets, warn_rtt: '500ms' })
    expect(result.status).toBe(FAIL)
    expect(result.reasons).toEqual([
      expect.stringMatching(/^10\.0\.0\.2%net0: no answer to any of 2 probes/),
      'fd00::3%net0: answers after 900 ms, more than 500 ms',
      '10.0.1.2%net1: loses 50 % of 2 packets',
      'peers: 1 of 3 addresses do not answer',
    ])
  })

  test('first the addresses of its own; a wrong one does not keep the rest from being looked at', async () => {
    const deps = depsWith({ '10.0.0.2': [0.001] })
    const result = await runWith(deps, 'ping', {
      targets: ['10.0.0.2%net0'],
      addresses: { net0: ['10.0.0.1'], net1: ['10.0.1.77'] },
    })
    expect(result.reasons).toEqual(['net1: lacks its address 10.0.1.77'])
    expect(valuesOf(result, 'loss')).toEqual({ '10.0.0.2%net0': 0 })
  })

  test('nobody to ping is no success', async () => {
    expect((await runWith(depsWith({}), 'ping')).status).toBe(SKIPPED)
  })

  test('an interface that is not here is the caller’s mistake', async () => {
    const run = runWith(depsWith({}), 'ping', { targets: ['10.0.0.2%eth9'] })
    await expect(run).rejects.toThrow(/there is no interface eth9/)
  })
})

test('pvc and iperf say where they belong', async () => {
  const deps = harness.depsOf(machineOf())
  const reasons = (name: string) =>
    CHECKS.find((check) => check.name === name)!.requirements(deps, new AbortController().signal)
  expect(await reasons('pvc')).toEqual(['no Kubernetes'])
  expect((await reasons('iperf'))[0]).toMatch(/the collector runs it .*meshgauge check iperf/)
})

test('the registry is in alphabetical order and every budget is one', () => {
  const names = CHECKS.map(({ name }) => name)
  expect(names).toEqual(names.toSorted())
  for (const check of CHECKS) expect(check.budgetSeconds).toBeGreaterThan(0)
  const worst = (...statuses: number[]) => worstStatus(statuses.map((status) => ({ status }) as never))
  expect([worst(ERROR, FAIL), worst(WARN, ERROR), worst(SKIPPED, PASS), worst()]).toEqual([
    FAIL,
    ERROR,
    PASS,
    PASS,
  ])
  expect([ERROR, FAIL, PASS, SKIPPED, WARN].map((status) => worstStatus([{ status } as never]))).toEqual([
    ERROR,
    FAIL,
    PASS,
    SKIPPED,
    WARN,
  ])
})
