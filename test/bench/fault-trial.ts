// One trial of a benchmark: inject a fault, observe the verdicts, repair it, observe the recovery.

import { setTimeout as sleep } from 'node:timers/promises'
import type { TestFleet } from '../testing/test-fleet.ts'
import { ALL_ZERO, type DashboardWatch, isShown, viewText } from './fault-dashboard.ts'
import { isHealthy, type MeshWatch, secondsOf, type Verdict } from './fault-watch.ts'
import { median } from './figures.ts'

/** The expected culprit. */
export type Culprit = {
  kind?: 'NODE' | 'INTERFACE' | 'LINK' | 'RACK_UPLINK'
  node?: string
  interface?: string
  direction?: 'TX' | 'RX' | 'BOTH'
  /** Either end of a link; `node` is the other. */
  peer?: string
  rack?: string
}

export type Trial = {
  name: string
  inject: () => Promise<unknown>
  undo: () => Promise<unknown>
  /** The expected culprit. Absent: no verdict is expected. */
  expected?: Culprit | undefined
  /** Minimum duration of the fault, to see later verdicts. */
  holdSeconds: number
  /** Longest wait for the verdict. */
  withinSeconds: number
  /** The verdict must have the expected direction, at the latest when the fault ends. */
  isDirected?: boolean
}

/** Times in seconds since the injection, `cleared` since the repair; absent when it did not happen. */
export type Figures = {
  seen?: number
  named?: number
  directed?: number
  /** First time in the table of the Fleet dashboard. */
  shown?: number
  cleared?: number
  events: number
  isRight: boolean
  said: string
  exits: string
}

const CLEAR_SECONDS = 150

const isNamed = (verdict: Verdict, expected: Culprit): boolean => {
  if (expected.kind && verdict.kind !== `CULPRIT_KIND_${expected.kind}`) return false
  if (expected.rack) return verdict.rack === expected.rack
  if (expected.peer) {
    const ends = [verdict.node, verdict.peer].sort().join()
    return ends === [expected.node, expected.peer].sort().join()
  }
  if (verdict.peer || verdict.node !== expected.node) return false
  return expected.interface === undefined || verdict.interface === expected.interface
}

export const runTrial = async (
  fleet: TestFleet,
  watch: MeshWatch,
  dashboard: DashboardWatch,
  trial: Trial,
): Promise<Figures> => {
  const { expected } = trial
  const startMs = Date.now()
  await trial.inject()
  const injectedMs = Date.now()
  // An injection that takes long, such as flapping, counts from its start.
  const atMs = injectedMs - startMs > 2000 ? startMs : (startMs + injectedMs) / 2
  const isRight = (verdict: Verdict) => expected !== undefined && isNamed(verdict, expected)
  const named = expected
    ? await watch.until(({ verdicts = [] }) => verdicts.some(isRight), trial.withinSeconds, startMs)
    : undefined
  const status = named ? await fleet.meshgauge('mesh') : undefined
  await sleep(Math.max(0, startMs + trial.holdSeconds * 1000 - Date.now()))
  const during = watch.since(startMs)
  const views = dashboard.since(startMs)
  const undoMs = Date.now()
  await trial.undo()
  const cleared = await watch.until(isHealthy, CLEAR_SECONDS, undoMs)
  // Late events belong to this trial, not to the next one.
  await sleep(2000)
  const after = await fleet.meshgauge('mesh')
  const events = await watch.events(startMs).catch(() => [])
  if (!expected || events.length < 8) {
    for (const { source, destination, state, reason } of events) {
      console.log(
        `    event: ${source.node} ${source.interface ?? ''} ${destination?.node ?? ''} ${state} ${reason ?? ''}`,
      )
    }
  }
  const bad = events.find(({ state }) => state !== 'PATH_STATE_UP')
  const all = watch.since(startMs).flatMap(({ verdicts = [] }) => verdicts)
  const wrong = all.filter((verdict) => !isRight(verdict))
  const direction = `FAULT_DIRECTION_${expected?.direction}`
  for (const [index, { verdicts = [] }] of during.entries()) {
    const [was, is] = [during[index - 1]?.verdicts ?? [], verdicts].map((each) =>
      each
        .map(({ kind, node, peer, interface: name, direction, rack }) =>
          [kind.slice(13), node, peer, rack, name, direction?.slice(16)].join(' '),
        )
        .join(' + '),
    )
    if (was !== is)
      console.log(`    ${((during[index]!.atMs - atMs) / 1000).toFixed(1)} s: ${is || 'no verdict'}`)
  }
  const directed = during.find(({ verdicts = [] }) =>
    verdicts.some((verdict) => isRight(verdict) && verdict.direction === direction),
  )
  const last = during.findLast(({ verdicts }) => verdicts !== undefined)?.verdicts?.find(isRight)
  const isDirectionRight = !trial.isDirected || last?.direction === direction
  const said = [
    ...new Set([...wrong.map(({ message }) => `WRONG: ${message}`), ...(last ? [last.message] : [])]),
  ]
  const shownView = expected && views.find((view) => isShown(view, expected))
  const texts = views.map(viewText)
  const isQuiet = texts.every((text) => text === ALL_ZERO)
  console.log(`    Fleet dashboard: ${isQuiet ? ALL_ZERO : texts.findLast((text) => text !== ALL_ZERO)}`)
  const shown = status ? `${status.exitCode} ${status.stdout.split('\n')[0]}` : ''
  console.log(`  said: ${said.join(' | ') || 'no verdict'}`)
  if (shown) console.log(`    meshgauge mesh: exit ${shown}; afterwards exit ${after.exitCode}`)
  const since = (ms: number | undefined) => (ms === undefined ? undefined : (ms - atMs) / 1000)
  return {
    ...(bad && { seen: secondsOf(bad.seenTime) - atMs / 1000 }),
    ...(named && { named: since(named.atMs)! }),
    ...(directed && { directed: since(directed.atMs)! }),
    ...(shownView && { shown: since(shownView.atMs)! }),
    ...(cleared && { cleared: (cleared.atMs - undoMs) / 1000 }),
    events: events.length,
    isRight:
      wrong.length === 0 &&
      (expected === undefined || (named !== undefined && isDirectionRight && status?.exitCode === 1)) &&
      cleared !== undefined &&
      after.exitCode === 0,
    said: said.join(' | '),
    exits: `${status?.exitCode ?? '-'}/${after.exitCode}`,
  }
}

const spread = (values: readonly (number | undefined)[]): string => {
  const known = values.filter((value) => value !== undefined)
  if (known.length === 0) return '-'
  return [Math.min(...known), median(known), Math.max(...known)].map((value) => value.toFixed(1)).join('/')
}

const HEADERS = [
  'FAULT',
  'TIMES',
  'SEEN s',
  'NAMED s',
  'DIRECTION s',
  'SHOWN s',
  'CLEARED s',
  'EVENTS',
  'RIGHT',
  'EXIT',
]

/** A table with one row per fault. Times are min/median/max in seconds, since the fault or its repair. */
export const tableOf = (results: ReadonlyMap<string, readonly Figures[]>): string => {
  const rows = [...results].map(([name, all]) => [
    name,
    String(all.length),
    spread(all.map(({ seen }) => seen)),
    spread(all.map(({ named }) => named)),
    spread(all.map(({ directed }) => directed)),
    spread(all.map(({ shown }) => shown)),
    spread(all.map(({ cleared }) => cleared)),
    all.map(({ events }) => events).join(' '),
    `${all.filter(({ isRight }) => isRight).length} of ${all.length}`,
    [...new Set(all.map(({ exits }) => exits))].join(' '),
  ])
  const widths = HEADERS.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]!.length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()
  return [HEADERS, ...rows].map(line).join('\n')
}
