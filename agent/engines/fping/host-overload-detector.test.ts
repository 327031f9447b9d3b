import { describe, expect, test } from 'vitest'
import { createHostOverloadDetector } from './host-overload-detector.ts'

const doubtOf = () => createHostOverloadDetector({ everySeconds: 0.1, timeoutSeconds: 0.5 }, 0)

describe('a loss told by fping', () => {
  test('is believed as long as we come in time', () => {
    const doubt = doubtOf()
    for (let now = 0.1; now < 5; now += 0.15) {
      doubt.look(now)
      expect(doubt.isInDoubt(now)).toBe(false)
    }
  })

  test('is not when we come late, until the probes of that time have timed out', () => {
    const doubt = doubtOf()
    doubt.look(0.1)
    doubt.look(0.9)
    expect(doubt.isInDoubt(0.9)).toBe(true)
    for (let now = 1; now < 1.5; now += 0.1) doubt.look(now)
    expect(doubt.isInDoubt(1.45)).toBe(true)
    expect(doubt.isInDoubt(1.55)).toBe(false)
  })

  test('of a host that is always late is none, and that is told', () => {
    const doubt = doubtOf()
    for (let look = 0; look < 25; look++) {
      const now = 1 + 0.4 * look
      doubt.look(now)
      expect([now, doubt.isTooLong(now)]).toEqual([now, false])
    }
    doubt.look(11)
    doubt.look(11.4)
    expect(doubt.isTooLong(11.4)).toBe(true)
    for (let now = 11.5; now < 13; now += 0.1) doubt.look(now)
    expect(doubt.isTooLong(13)).toBe(false)
    // Much later it begins anew.
    doubt.look(20)
    expect(doubt.isInDoubt(20)).toBe(true)
    expect(doubt.isTooLong(20)).toBe(false)
  })
})
