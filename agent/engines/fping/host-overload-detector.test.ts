import { describe, expect, test } from 'vitest'
import { createHostOverloadDetector } from './host-overload-detector.ts'

const create = () => createHostOverloadDetector({ everySeconds: 0.1, timeoutSeconds: 0.5 }, 0)

describe('a loss that fping reports', () => {
  test('is reliable while reads are on time', () => {
    const detector = create()
    for (let now = 0.1; now < 5; now += 0.15) {
      detector.onRead(now)
      expect(detector.isOverloaded(now)).toBe(false)
    }
  })

  test('is not reliable after a late read, until the probes of that time have timed out', () => {
    const detector = create()
    detector.onRead(0.1)
    detector.onRead(0.9)
    expect(detector.isOverloaded(0.9)).toBe(true)
    for (let now = 1; now < 1.5; now += 0.1) detector.onRead(now)
    expect(detector.isOverloaded(1.45)).toBe(true)
    expect(detector.isOverloaded(1.55)).toBe(false)
  })

  test('is never reliable on a host that is always late, which is detected after 10 s', () => {
    const detector = create()
    for (let read = 0; read < 25; read++) {
      const now = 1 + 0.4 * read
      detector.onRead(now)
      expect([now, detector.isOverloadedTooLong(now)]).toEqual([now, false])
    }
    detector.onRead(11)
    detector.onRead(11.4)
    expect(detector.isOverloadedTooLong(11.4)).toBe(true)
    for (let now = 11.5; now < 13; now += 0.1) detector.onRead(now)
    expect(detector.isOverloadedTooLong(13)).toBe(false)
    // A later overload starts a new period.
    detector.onRead(20)
    expect(detector.isOverloaded(20)).toBe(true)
    expect(detector.isOverloadedTooLong(20)).toBe(false)
  })
})
