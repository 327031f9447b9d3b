import { describe, expect, test } from 'vitest'
import { FAIL } from '../findings.ts'
import { type Machine, recording, valuesOf } from '../testing/machine.ts'
import { useMachines } from '../testing/use-machines.ts'

const { run, machineOf } = useMachines()

describe('disk', () => {
  const diskMachine = (): Machine =>
    machineOf().hasNo('smartctl').file('proc/self/mountinfo', recording('disk/mountinfo.txt'))

  test('reports a file system that the kernel has made read-only, not one that is mounted read-only', async () => {
    const machine = diskMachine()
    for (const path of ['boot/efi', 'scratch', 'data set', 'golden']) machine.file(`${path}/x`, '')
    const result = await run(machine, 'disk', {
      warn_space: '100%',
      fail_space: '100%',
      warn_inodes: '100%',
      fail_inodes: '100%',
    })
    expect(result.reasons).toEqual([
      '/data set: the kernel has made this ext4 read-only, which it does after errors',
    ])
    expect(valuesOf(result, 'read_only')).toMatchObject({ '/golden': true, '/scratch': false })
    expect(valuesOf(result, 'smart').drives).toMatch(/^smartctl is not installed/)
  })

  test('reports an exceeded threshold, for the given paths', async () => {
    const result = await run(diskMachine(), 'disk', {
      paths: ['/', '/nowhere', '/home'],
      warn_space: '0%',
      fail_space: '100%',
    })
    expect(result.status).toBe(FAIL)
    expect(result.reasons).toEqual([
      '/nowhere: is not mounted',
      expect.stringMatching(/^\/: is .* full: .* left$/),
      '/home: is a nfs4, not on a disk of this node',
    ])
  })

  test('reports drives that are worn or failing, and missing permissions', async () => {
    const machine = diskMachine()
      .has('smartctl')
      .replays('smartctl.scan', 'disk/scan.txt')
      .replays('smartctl.txt', 'disk/nvme.txt')
    const only = { paths: ['/home'] }
    expect((await run(machine, 'disk', only)).reasons).toContain('/dev/nvme0: has used up 94 % of its life')
    machine.replays('smartctl.txt', 'disk/failing.txt', 8)
    expect(await run(machine, 'disk', only)).toMatchObject({
      status: FAIL,
      reasons: expect.arrayContaining(['/dev/sda: reports that it is failing']),
    })
    machine.replays('smartctl.txt', 'disk/no-permission.txt', 2)
    expect((await run(machine, 'disk', only)).reasons[1]).toMatch(/Permission denied/)
  })
})
