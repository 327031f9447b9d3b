import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { advance, type Change, clearWithInterface, createPathHealth, type PathHealth } from './path-state.ts'

const { PATH_STATE_UP: UP, PATH_STATE_LOSSY: LOSSY, PATH_STATE_DOWN: DOWN } = PathState

/** Probes a path. As agents do, it ends a window after 10 s, at each lost probe and at the first answer after one. */
const probed = (intervalSeconds = 1, path: PathHealth = createPathHealth()) => {
  const changes: Change[] = []
  let [startMs, nowMs, sent, received, trailing] = [0, 0, 0, 0, 0]
  return {
    path,
    changes,
    states: () => changes.map(({ state }) => state),
    nowMs: () => nowMs,
    probe: (answered: boolean) => {
      nowMs += 1000 * intervalSeconds
      sent++
      const isNews = !answered || trailing > 0
      if (answered) received++
      trailing = answered ? 0 : trailing + 1
      if (!isNews && nowMs - startMs < 10_000) return
      const window = { startMs, endMs: nowMs, sentCount: sent, receivedCount: received }
      const { change } = advance(path, window, trailing, { intervalSeconds, isLoaded: false })
      if (change) changes.push(change)
      ;[startMs, sent, received] = [nowMs, 0, 0]
    },
    run(answers: string) {
      for (const each of answers) this.probe(each === '+')
      return this
    },
  }
}

describe('a path', () => {
  test('is UP after the first answer, without an event', () => {
    const { path, states } = probed().run('+'.repeat(10))
    expect([path.state, states()]).toEqual([UP, []])
  })

  test('is DOWN at the second lost probe in a row, dated back to the first one', () => {
    const { path, changes } = probed().run(`${'+'.repeat(20)}--`)
    expect(changes).toEqual([{ timeMs: 21_000, before: UP, state: DOWN }])
    expect(path.state).toBe(DOWN)
  })

  test.each([0.05, 0.1, 0.2, 0.5])(
    'probed every %s s is DOWN after 1 s without answers, and not after 0.5 s',
    (interval) => {
      const probes = (seconds: number) => Math.round(seconds / interval)
      const hiccup = probed(interval).run('+'.repeat(probes(20)) + '-'.repeat(Math.ceil(0.5 / interval)))
      expect(hiccup.states()).toEqual([])
      const dead = probed(interval).run('+'.repeat(probes(20)) + '-'.repeat(probes(1)))
      expect(dead.states()).toEqual([DOWN])
      dead.run('+'.repeat(probes(4))).run('+'.repeat(probes(16)))
      expect(dead.states()).toEqual([DOWN, UP])
      expect(dead.changes[1]!.timeMs - dead.changes[0]!.timeMs).toBeLessThan(2000)
    },
  )

  test('is UP sooner after LOSSY when it is probed more often', () => {
    const clean = (interval: number): number => {
      const path = probed(interval).run('+++++++++-'.repeat(Math.round(6 / interval)))
      expect(path.states()).toEqual([LOSSY])
      const before = path.nowMs()
      while (path.states().at(-1) !== UP) path.probe(true)
      const seconds = (path.nowMs() - before) / 1000
      path.run('+'.repeat(100))
      expect(path.states()).toEqual([LOSSY, UP])
      return seconds
    }
    expect(clean(0.05)).toBeGreaterThanOrEqual(10)
    expect(clean(0.05)).toBeLessThan(25)
    expect(clean(1)).toBeGreaterThanOrEqual(60)
  })

  test('is UP when its interface recovers, unless it has lost a probe since', () => {
    const path = probed().run('+++++++++-'.repeat(12))
    const lostMs = path.nowMs()
    path.run('+'.repeat(20))
    expect(clearWithInterface(path.path, lostMs - 1, path.nowMs())).toBeUndefined()
    expect(path.path.state).toBe(LOSSY)
    expect(clearWithInterface(path.path, lostMs, path.nowMs())).toMatchObject({ before: LOSSY, state: UP })
    path.run('+'.repeat(100))
    expect([path.path.state, path.states()]).toEqual([UP, [LOSSY]])
    expect(clearWithInterface(path.path, path.nowMs(), path.nowMs())).toBeUndefined()
  })

  test('stays UP with one lost probe, and with two that are not in a row', () => {
    expect(
      probed()
        .run(`${'+'.repeat(20)}-${'+'.repeat(20)}-${'+'.repeat(20)}`)
        .states(),
    ).toEqual([])
  })

  test('is UP after 5 s without loss, dated back to its first answer', () => {
    const path = probed()
      .run(`${'+'.repeat(20)}----`)
      .run('+++')
    expect(path.states()).toEqual([DOWN])
    path.run('+'.repeat(20))
    expect(path.changes.at(-1)).toEqual({ timeMs: 25_000, before: DOWN, state: UP })
  })

  test('that loses 10 % is LOSSY and not DOWN, and UP after a minute without loss', () => {
    const path = probed().run('+++++++++-'.repeat(12))
    expect(path.states()).toEqual([LOSSY])
    path.run('+++++++--+')
    expect(path.states()).toEqual([LOSSY])
    path.run('+'.repeat(80))
    expect(path.states()).toEqual([LOSSY, UP])
  })

  test('does not become LOSSY from probes that were lost while it was DOWN', () => {
    expect(
      probed()
        .run(`${'+'.repeat(20)}${'-'.repeat(15)}${'+'.repeat(60)}`)
        .states(),
    ).toEqual([DOWN, UP])
  })

  test('ignores windows that are older than the last one', () => {
    const { path } = probed().run('+'.repeat(20))
    const copy = { ...path }
    const old = { startMs: 0, endMs: 10_000, sentCount: 10, receivedCount: 0 }
    expect(advance(path, old, 10, { intervalSeconds: 1, isLoaded: false })).toEqual({
      change: undefined,
      confirmedLost: 0,
    })
    expect(path).toEqual(copy)
  })

  test('confirms lost probes as loss at the next answer, except after DOWN', () => {
    const health = createPathHealth()
    let endMs = 0
    const seen = (sentCount: number, receivedCount: number, trailing: number) => {
      endMs += 1000
      const window = { startMs: endMs - 1000, endMs, sentCount, receivedCount }
      return advance(health, window, trailing, { intervalSeconds: 1, isLoaded: false }).confirmedLost
    }
    seen(10, 10, 0)
    expect([seen(1, 0, 1), seen(1, 1, 0)]).toEqual([0, 1])
    expect([seen(1, 0, 1), seen(1, 0, 2), seen(1, 0, 3), seen(1, 1, 0)]).toEqual([0, 0, 0, 0])
  })

  test('that flaps has at most 8 changes per minute, then fewer, and their times never go back', () => {
    const pattern = fc.array(
      fc.record({ up: fc.integer({ min: 1, max: 30 }), down: fc.integer({ min: 1, max: 12 }) }),
      {
        minLength: 5,
        maxLength: 60,
      },
    )
    fc.assert(
      fc.property(pattern, (flaps) => {
        const path = probed()
        for (const { up, down } of flaps) path.run('+'.repeat(up) + '-'.repeat(down))
        const times = path.changes.map(({ timeMs }) => timeMs)
        expect(times).toEqual([...times].sort((a, b) => a - b))
        for (const time of times) {
          expect(times.filter((other) => other >= time && other < time + 60_000).length).toBeLessThanOrEqual(
            8,
          )
        }
        const late = times.filter((time) => time > 300_000 && time < 600_000)
        expect(late.length).toBeLessThanOrEqual(12)
        for (const [index, { before }] of path.changes.entries()) {
          if (index > 0) expect(before).toBe(path.changes[index - 1]!.state)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('is DOWN after 12 lost probes and UP after an hour without loss, from any state', () => {
    const answers = fc.array(fc.boolean(), { maxLength: 400 })
    fc.assert(
      fc.property(answers, (before) => {
        const path = probed()
        path.probe(true)
        for (const answered of before) path.probe(answered)
        path.run('-'.repeat(12))
        expect(path.path.state).toBe(DOWN)
        path.run('+'.repeat(3600))
        expect(path.path.state).toBe(UP)
      }),
      { numRuns: 100 },
    )
  })
})
