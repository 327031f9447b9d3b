import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { FAIL, PASS, WARN } from '../findings.ts'
import { type Machine, valuesOf } from '../testing/machine.ts'
import { useMachines } from '../testing/use-machines.ts'

const { run, machineOf } = useMachines()

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
  test('passes a healthy host', async () => {
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
      /^memory pressure: all tasks were stalled for 32 %/,
    ],
  ])('%j', async (files, status, reason) => {
    const result = await run(hostMachine(files), 'host', QUICK)
    expect(result.status).toBe(status)
    expect(result.reasons).toEqual([expect.stringMatching(reason)])
  })

  test('steal and heat are compared over the time of the check', async () => {
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

  test('judges the kernel log back to the given age', async () => {
    const machine = hostMachine()
    const messages = [
      { time: 100, msg: 'NVRM: Xid (PCI:0000:4b:00): 79, GPU has fallen off the bus.' },
      { time: 4990, msg: 'Out of memory: Killed process 4 (a)' },
    ]
    machine.prints('dmesg.json.txt', JSON.stringify({ dmesg: messages }))
    expect((await run(machine, 'host', QUICK)).status).toBe(WARN)
    expect((await run(machine, 'host', { ...QUICK, log_since: '2h' })).status).toBe(FAIL)
  })

  test('reports missing permissions for the log, and judges the rest', async () => {
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
      expect.stringMatching(/^kernel log: was not checked: .*needs root, or CAP_SYSLOG/),
    ])
  })

  test('supports an older dmesg without JSON', async () => {
    const machine = hostMachine()
    machine.prints('dmesg.json.txt', "dmesg: unrecognized option '--json'\n", 1)
    machine.prints('dmesg.txt', '<3>[ 4990.000000] NETDEV WATCHDOG: eth0 (ice): transmit queue 3 timed out\n')
    expect((await run(machine, 'host', QUICK)).reasons).toEqual([
      expect.stringMatching(/^nic_reset: 1 in the log/),
    ])
  })
})
