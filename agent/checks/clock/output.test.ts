import { describe, expect, test } from 'vitest'
import { recording } from '../testing/machine.ts'
import { parseChrony, parseNtpq, parseSpan, parseTimedate, parseTimesync } from './output.ts'

describe('clock programs', () => {
  test('chrony', () => {
    expect(parseChrony(recording('clock/chrony.txt'))).toEqual({
      keeper: 'chrony',
      source: '169.254.169.123',
      stratum: 4,
      offsetSeconds: -0.000008421,
      synchronised: true,
    })
    expect(parseChrony(recording('clock/chrony-lost.txt'))).toMatchObject({ source: '', synchronised: false })
  })

  test('systemd-timesyncd', () => {
    expect(parseTimesync(recording('clock/timesync.txt'))).toEqual({
      keeper: 'systemd-timesyncd',
      source: '185.125.190.56 (ntp.ubuntu.com)',
      stratum: 2,
      offsetSeconds: expect.closeTo(-0.001287),
      synchronised: true,
    })
    expect(parseTimesync('  Server: n/a\n Packet count: 0\n')).toMatchObject({ synchronised: false })
  })

  test('ntpd, which reports milliseconds', () => {
    expect(parseNtpq(recording('clock/ntpq.txt'))).toEqual({
      keeper: 'ntpd',
      source: '10.0.0.1',
      stratum: 3,
      offsetSeconds: expect.closeTo(0.000412107),
      synchronised: true,
    })
    expect(parseNtpq('leap_alarm, sync_unspec, stratum=16, offset=0.0')).toMatchObject({
      synchronised: false,
    })
  })

  test('the flag of the kernel', () => {
    expect(parseTimedate(recording('clock/timedatectl-show.txt'))).toMatchObject({
      keeper: 'kernel',
      synchronised: true,
    })
    expect(parseTimedate('NTPSynchronized=no')).toMatchObject({ synchronised: false })
  })

  test.each([
    ['+1.234ms', 0.001234],
    ['-35us', -0.000035],
    ['1min 2.5s', 62.5],
    ['soon', undefined],
  ])('%s', (text, seconds) => {
    expect(parseSpan(text)).toEqual(seconds === undefined ? undefined : expect.closeTo(seconds, 9))
  })

  test.each([parseChrony, parseTimesync, parseNtpq, parseTimedate])(
    'incomplete output is no answer',
    (parse) => {
      expect(parse('')).toBeUndefined()
      expect(parse('A9FEA97B,169.254.169.123,4,17636')).toBeUndefined()
    },
  )
})
