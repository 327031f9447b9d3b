import { describe, expect, test } from 'vitest'
import { FAIL, PASS, SKIPPED, WARN } from '../findings.ts'
import { valuesOf } from '../testing/machine.ts'
import { useMachines } from '../testing/use-machines.ts'

const { run, machineOf } = useMachines()

describe('clock', () => {
  test('asks chrony', async () => {
    const result = await run(machineOf('chronyc').replays('chronyc.txt', 'clock/chrony.txt'), 'clock')
    expect([result.status, valuesOf(result, 'offset')]).toEqual([PASS, { clock: -0.000008421 }])
  })

  test.each([
    [{}, FAIL, /2\.7 s off 10\.0\.0\.1, more than 1\.0 s/],
    [{ fail_offset: '5s' }, WARN, /more than 50 ms/],
    [{ warn_offset: '3s', fail_offset: '5s' }, PASS, undefined],
  ])('judges a clock that is 2.7 s off, with %j', async (parameters, status, reason) => {
    const machine = machineOf('chronyc').replays('chronyc.txt', 'clock/chrony-far.txt')
    const result = await run(machine, 'clock', parameters)
    expect(result.status).toBe(status)
    if (reason) expect(result.reasons[0]).toMatch(reason)
  })

  test('a clock without synchronisation fails', async () => {
    const machine = machineOf('chronyc').replays('chronyc.txt', 'clock/chrony-lost.txt')
    expect(await run(machine, 'clock')).toMatchObject({
      status: WARN,
      reasons: ['clock: is not synchronised, according to chrony'],
    })
  })

  test('asks the next program where chronyd does not run', async () => {
    const machine = machineOf('chronyc', 'timedatectl')
    machine.prints('chronyc.txt', '506 Cannot talk to daemon\n', 1)
    machine.replays('timedatectl.timesync-status', 'clock/timesync.txt')
    expect(Object.values(valuesOf(await run(machine, 'clock'), 'keeper'))).toEqual(['systemd-timesyncd'])
  })

  test('is skipped when no program knows, with the reason of each', async () => {
    const machine = machineOf('chronyc')
    machine.prints('chronyc.txt', '506 Cannot talk to daemon\n', 1)
    const result = await run(machine, 'clock')
    expect([result.status, result.reasons.length]).toEqual([SKIPPED, 3])
    expect(result.reasons[0]).toMatch(/506 Cannot talk to daemon/)
  })
})
