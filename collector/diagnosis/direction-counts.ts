import { isBad, type Sample } from './samples.ts'

/**
 * The pairs that a node or a rack sends, or receives. The counts cover only the pairs that no culprit explains yet, so
 * that a candidate is assessed without a pass over its pairs.
 */
export type DirectionCount = {
  readonly kind: 'node' | 'rack'
  /** The name of the node or the rack. */
  readonly name: string
  readonly direction: 'tx' | 'rx'
  readonly samples: Sample[]
  count: number
  badCount: number
  /** The bad pairs whose fault is loss. */
  lossyCount: number
  sentCount: number
  lostCount: number
}

type BothDirections = { readonly tx: DirectionCount; readonly rx: DirectionCount }

const createDirections = (kind: DirectionCount['kind'], name: string): BothDirections => {
  const counts = { count: 0, badCount: 0, lossyCount: 0, sentCount: 0, lostCount: 0 }
  return {
    tx: { kind, name, direction: 'tx', samples: [], ...counts },
    rx: { kind, name, direction: 'rx', samples: [], ...counts },
  }
}

/** The pairs of one fabric that no culprit explains yet, counted by node and by rack. */
export class UnexplainedPairs {
  readonly nodes = new Map<string, BothDirections>()
  readonly racks = new Map<string, BothDirections>()
  count = 0
  badCount = 0
  readonly #insideRack = new Map<string, Sample[]>()
  readonly #rackOf: ReadonlyMap<string, string>
  readonly #explained = new Set<Sample>()
  #changed = new Set<DirectionCount>()

  constructor(samples: readonly Sample[], rackOf: ReadonlyMap<string, string>) {
    this.#rackOf = rackOf
    for (const sample of samples) {
      const directions = this.#directionsOf(sample)
      for (const each of directions) each.samples.push(sample)
      this.#add(sample, 1, directions)
      if (sample.reach !== 'inside') continue
      const rack = rackOf.get(sample.source)!
      const inside = this.#insideRack.get(rack)
      if (inside) inside.push(sample)
      else this.#insideRack.set(rack, [sample])
    }
  }

  has(sample: Sample): boolean {
    return !this.#explained.has(sample)
  }

  /** Returns the unexplained pairs between nodes of a rack. */
  insideRack(rack: string): Sample[] {
    return (this.#insideRack.get(rack) ?? []).filter((sample) => this.has(sample))
  }

  /** Removes pairs that a culprit explains from every count. */
  explain(samples: readonly Sample[]): void {
    for (const sample of samples) {
      this.#explained.add(sample)
      this.#add(sample, -1, this.#directionsOf(sample))
    }
  }

  /** Returns the counts that have changed since the last call. */
  takeChanged(): ReadonlySet<DirectionCount> {
    const changed = this.#changed
    this.#changed = new Set()
    return changed
  }

  #directionsOf({ source, destination, reach }: Sample): DirectionCount[] {
    const found = [this.#get('node', source).tx, this.#get('node', destination).rx]
    if (reach === 'across') {
      found.push(this.#get('rack', this.#rackOf.get(source)!).tx)
      found.push(this.#get('rack', this.#rackOf.get(destination)!).rx)
    }
    return found
  }

  #get(kind: DirectionCount['kind'], name: string): BothDirections {
    const all = kind === 'node' ? this.nodes : this.racks
    const known = all.get(name)
    if (known) return known
    const found = createDirections(kind, name)
    all.set(name, found)
    return found
  }

  #add(sample: Sample, change: 1 | -1, directions: readonly DirectionCount[]): void {
    const bad = isBad(sample) ? change : 0
    for (const each of directions) {
      each.count += change
      each.badCount += bad
      each.lossyCount += sample.fault === 'lossy' ? change : 0
      each.sentCount += change * sample.sentCount
      each.lostCount += change * sample.lostCount
      this.#changed.add(each)
    }
    this.count += change
    this.badCount += bad
  }
}
