import { expect, test } from 'vitest'
import { recording } from '../testing/machine.ts'
import { localMounts, parseDrive, parseMounts, parseScan } from './output.ts'

test('lists each local mount once, with blanks in names and both kinds of read-only', () => {
  const mounts = parseMounts(recording('disk/mountinfo.txt'))
  expect(mounts).toHaveLength(9)
  const local = localMounts(mounts)
  expect(local.map(({ path }) => path)).toEqual(['/', '/boot/efi', '/scratch', '/data set', '/golden'])
  expect(local.map(({ readOnly, fileSystemReadOnly }) => [readOnly, fileSystemReadOnly])).toEqual([
    [false, false],
    [false, false],
    [false, false],
    [false, true],
    [true, true],
  ])
})

test('parses drives of all types', () => {
  expect(parseScan(recording('disk/scan.txt'))).toEqual([
    { path: '/dev/sda', type: 'scsi' },
    { path: '/dev/nvme0', type: 'nvme' },
  ])
  expect(parseDrive(recording('disk/nvme.txt'))).toMatchObject({ passed: true, wear: 0.94, mediaErrors: 2 })
  expect(parseDrive(recording('disk/failing.txt'))).toMatchObject({ passed: false, temperatureCelsius: 55 })
  expect(parseDrive(recording('disk/no-permission.txt'))).toMatchObject({
    passed: undefined,
    messages: [expect.stringMatching(/Permission denied/)],
  })
  expect([parseDrive('{"smart'), parseScan('')]).toEqual([undefined, undefined])
})
