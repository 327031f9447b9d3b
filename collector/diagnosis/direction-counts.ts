import { isBad, type Sample } from './samples.ts'

/**
 * A side of something: the pairs that a node or a rack sends, or receives. The counts are of those pairs that no
 * culprit explains yet, so that a candidate is weighed without going through its pairs.
 */
export type DirectionCount = {
  readonly kind: 'end' | 'rack'
  /** The node or the rack. */
  readonly name: string
  readonly direction: 'tx' | 'rx'
  readonly samples: Sample[]
  count: number
  badCount: number
  /** Of the bad ones, those that are bad for loss alone. */
  lossyCount: number
  sentCount: number
  lostCount: number
}

export type DirectionCounts = Map<string, { tx: DirectionCount; rx: DirectionCount }>

/** What is still unexplained in a fabric. */
export type Open = {
  readonly explained: Set<Sample>
  readonly ends: DirectionCounts
  readonly racks: DirectionCounts
  readonly insideRack: Map<string, Sample[]>
  readonly rackOf: ReadonlyMap<string, string>
  /** Sides whose counts have changed since somebody emptied this. */
  readonly touched: Set<DirectionCount>
  count: number
  badCount: number
}

const sideOf = (
  sides: DirectionCounts,
  kind: DirectionCount['kind'],
  name: string,
  direction: DirectionCount['direction'],
): DirectionCount => {
  let found = sides.get(name)
  if (!found) {
    const counts = { count: 0, badCount: 0, lossyCount: 0, sentCount: 0, lostCount: 0 }
    found = {
      tx: { kind, name, direction: 'tx', samples: [], ...counts },
      rx: { kind, name, direction: 'rx', samples: [], ...counts },
    }
    sides.set(name, found)
  }
  return found[direction]
}

const sidesOf = (open: Open, sample: Sample): DirectionCount[] => {
  const { source, destination, reach } = sample
  const ends = [sideOf(open.ends, 'end', source, 'tx'), sideOf(open.ends, 'end', destination, 'rx')]
  if (reach !== 'across') return ends
  return [
    ...ends,
    sideOf(open.racks, 'rack', open.rackOf.get(source)!, 'tx'),
    sideOf(open.racks, 'rack', open.rackOf.get(destination)!, 'rx'),
  ]
}

const count = (open: Open, sample: Sample, units: 1 | -1): void => {
  const bad = isBad(sample) ? units : 0
  for (const side of sidesOf(open, sample)) {
    side.count += units
    side.badCount += bad
    side.lossyCount += sample.fault === 'lossy' ? units : 0
    side.sentCount += units * sample.sentCount
    side.lostCount += units * sample.lostCount
    open.touched.add(side)
  }
  open.count += units
  open.badCount += bad
}

export const openUp = (samples: readonly Sample[], rackOf: ReadonlyMap<string, string>): Open => {
  const open: Open = {
    explained: new Set(),
    ends: new Map(),
    racks: new Map(),
    insideRack: new Map(),
    rackOf,
    touched: new Set(),
    count: 0,
    badCount: 0,
  }
  for (const sample of samples) {
    for (const side of sidesOf(open, sample)) side.samples.push(sample)
    count(open, sample, 1)
    if (sample.reach !== 'inside') continue
    const rack = rackOf.get(sample.source)!
    const inside = open.insideRack.get(rack)
    if (inside) inside.push(sample)
    else open.insideRack.set(rack, [sample])
  }
  return open
}

export const isOpen = (open: Open, sample: Sample): boolean => !open.explained.has(sample)

/** Takes explained pairs out of every count. */
export const explain = (open: Open, samples: readonly Sample[]): void => {
  for (const sample of samples) {
    open.explained.add(sample)
    count(open, sample, -1)
  }
}
