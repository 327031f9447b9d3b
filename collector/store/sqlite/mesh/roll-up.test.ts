import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Store } from '../../store.ts'
import { mergeOf, type WholeWindow, windowFrom } from '../../testing/expected-windows.ts'
import type { Window } from '../../windows.ts'
import { openSqliteStore } from '../store.ts'

const HOUR = 3_600_000
const T = 480_000 * HOUR
/** Windows begin within these 2 hours, and all arrive within the next hour. */
const SPAN_SECONDS = 2 * 3600

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-rollup-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const histogram = fc.array(fc.constantFrom(0, 0, 1, 2, 3, 4, 5, 900), { maxLength: 12 })
const windowArbitrary: fc.Arbitrary<WholeWindow> = fc
  .record({
    path: fc.nat({ max: 2 }),
    // Few different times, so that windows share a minute, touch its edges or have the same start.
    startMs: fc
      .oneof(
        fc.nat({ max: SPAN_SECONDS / 10 - 1 }).map((n) => n * 10),
        fc.constantFrom(0, 59, 60, 299, 300, 3599, 3600),
      )
      .map((seconds) => T + seconds * 1000),
    lengthMs: fc.constantFrom(1000, 10_000, 9_999, 90_000),
    sent: fc.constant(0),
    received: fc.constantFrom(0, 1, 9, 10, 1000),
    rttMin: fc.integer({ min: 700, max: 5e9 }),
    rttSpan: fc.constantFrom(0, 1, 250_000, 3e9),
    rttSum: fc.integer({ min: 1, max: 2 ** 40 }),
    jitter: fc.nat({ max: 1e9 }),
    offset: fc.constantFrom(-638, -426, -420, -1, 0, 300),
    counts: histogram,
  })
  .map((window) => ({ ...window, sent: window.received + (window.startMs % 3) }))

type Step =
  | { kind: 'put'; windows: WholeWindow[] }
  | { kind: 'again' }
  | { kind: 'maintain'; pieces: number; minute: number; impatient: boolean }
  | { kind: 'kill' }
  | { kind: 'read' }

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), windows: fc.array(windowArbitrary, { maxLength: 8 }) }),
  fc.constant<Step>({ kind: 'again' }),
  fc.record({
    kind: fc.constant('maintain' as const),
    pieces: fc.integer({ min: 1, max: 30 }),
    minute: fc.nat({ max: 200 }),
    impatient: fc.boolean(),
  }),
  fc.constant<Step>({ kind: 'kill' }),
  fc.constant<Step>({ kind: 'read' }),
)

const byStart = (a: { startMs: number }, b: { startMs: number }) => a.startMs - b.startMs

/** The expected content: each window once, those of one start in the order of their arrival. */
const createModel = () => {
  const windows = new Map<string, WholeWindow>()
  const ofPath = (path: number) =>
    [...windows.values()].filter((window) => window.path === path).sort(byStart)
  return {
    put: (window: WholeWindow) => {
      const key = JSON.stringify(mergeOf([window]))
      if (!windows.has(key)) windows.set(key, window)
    },
    raw: (path: number): Window[] => ofPath(path).map((window) => mergeOf([window])),
    merged: (path: number, spanMs: number): Window[] => {
      const groups = Map.groupBy(ofPath(path), ({ startMs }) => Math.floor(startMs / spanMs))
      return [...groups.values()].map(mergeOf)
    },
    all: (): Map<number, Window> =>
      new Map([0, 1, 2].flatMap((path) => (ofPath(path).length > 0 ? [[path, mergeOf(ofPath(path))]] : []))),
  }
}

type Model = ReturnType<typeof createModel>

const FROM = T - HOUR
const TO = T + 5 * HOUR
const { RESOLUTION_RAW, RESOLUTION_5_MINUTES, RESOLUTION_1_HOUR } = Resolution

const expectHistories = (store: Store, model: Model): void => {
  for (const path of [0, 1, 2]) {
    const read = (resolution: Resolution) => store.history(path, FROM, TO, resolution).windows
    expect(read(RESOLUTION_RAW)).toEqual(model.raw(path))
    expect(read(RESOLUTION_5_MINUTES)).toEqual(model.merged(path, 300_000))
    expect(read(RESOLUTION_1_HOUR)).toEqual(model.merged(path, HOUR))
  }
}

const expectAggregates = async (store: Store, model: Model): Promise<void> => {
  // Windows end at most 90 s after the two hours, so each of these intervals contains all of them.
  for (const toMs of [T + 2 * HOUR + 90_000, T + 6 * HOUR, T + 7 * HOUR]) {
    expect(await store.aggregate(T, toMs)).toEqual(model.all())
  }
}

const maintain = (store: Store, atMs: number, pieces: number, impatient = false): void => {
  for (let piece = 0; piece < pieces; piece++) if (!store.maintain(new Date(atMs), () => impatient)) return
}

const RETAINED = {
  retention: { raw: 1e6, fiveMinutes: 1e6, oneHour: 1e6, events: 1e6, runs: 1e6 },
  maxBytes: 2 ** 40,
}

/** Opens a copy of the files that a process killed now would leave. */
const killed = (path: string, next: string): Store => {
  for (const suffix of ['', '-wal']) {
    if (existsSync(`${path}${suffix}`)) cpSync(`${path}${suffix}`, `${next}${suffix}`)
  }
  return openSqliteStore(next, RETAINED)
}

const play = async (steps: readonly Step[], kills: boolean): Promise<void> => {
  const place = mkdtempSync(join(folder, 'run-'))
  let [path, generation] = [kills ? join(place, '0.db') : ':memory:', 0]
  let store = openSqliteStore(path, RETAINED)
  const model = createModel()
  /** Names the paths again, as a collector does when it starts: numbers that no window used are lost with a kill. */
  const namePaths = () => {
    const keys = [0, 1, 2].map((index) => ({ source: `n${index}`, destination: 'd', interface: 'i' }))
    expect(keys.map(store.pathId)).toEqual([0, 1, 2])
  }
  namePaths()
  let last: WholeWindow[] = []
  try {
    for (const step of steps) {
      if (step.kind === 'put') {
        store.putWindows(step.windows.map(windowFrom), [])
        for (const window of step.windows) model.put(window)
        last = step.windows
      } else if (step.kind === 'again') store.putWindows(last.map(windowFrom), [])
      else if (step.kind === 'maintain')
        maintain(store, T + step.minute * 60_000, step.pieces, step.impatient)
      else if (step.kind === 'read') expectHistories(store, model)
      else if (kills) {
        const next = join(place, `${++generation}.db`)
        const opened = killed(path, next)
        store.close()
        ;[path, store] = [next, opened]
        namePaths()
      }
    }
    expectHistories(store, model)
    await expectAggregates(store, model)
    maintain(store, T + 8 * HOUR, 10_000)
    expect(store.info().waitingWindows).toBe(0)
    expectHistories(store, model)
    await expectAggregates(store, model)
    const rows = Object.fromEntries(store.info().levels.map((level) => [level.name, level.rows]))
    const count = (windows: (path: number) => Window[]) => [0, 1, 2].flatMap(windows).length
    expect(rows).toMatchObject({
      raw: count(model.raw),
      '5m': count((each) => model.merged(each, 300_000)),
      '1h': count((each) => model.merged(each, HOUR)),
    })
  } finally {
    store.close()
  }
}

describe('roll-ups equal the merged raw windows', () => {
  for (const kills of [false, true]) {
    test(`for any order, delay and duplicates of windows${kills ? ', with kills at any step' : ''}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 25 }), (steps) => play(steps, kills)),
        { numRuns: kills ? 60 : 150 },
      )
    }, 120_000)
  }
})
