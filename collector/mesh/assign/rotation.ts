import { createHash } from 'node:crypto'
import { createRandom, shuffle } from '../../topology/random.ts'

/** 32 bits of a text, the same on every machine and after every restart. */
export const hashOf = (text: string): number => createHash('sha256').update(text).digest().readUInt32LE(0)

/** Nodes in an order that has nothing to do with their names: neighbours of a rack are not neighbours here. */
export const ringOf = (names: readonly string[]): string[] =>
  names
    .map((name) => ({ name, key: hashOf(`ring ${name}`) }))
    .sort((one, other) => one.key - other.key || (one.name < other.name ? -1 : 1))
    .map(({ name }) => name)

/** Epochs until every ordered pair of a ring has been probed once: ceil((N-1)/k). */
export const epochsToCover = (ringSize: number, shiftCount: number): number =>
  ringSize < 2 ? 0 : Math.ceil((ringSize - 1) / Math.min(shiftCount, ringSize - 1))

/**
 * The k distinct shifts of an epoch, each from 1 to N-1. One shuffle of all shifts is dealt out k at a time, over and
 * over: any ceil((N-1)/k) epochs in a row have every shift, so every ordered pair. It depends on N and the epoch alone.
 */
export const shiftsOf = (ringSize: number, shiftCount: number, epoch: number): number[] => {
  const all = ringSize - 1
  if (all < 1) return []
  const order = shuffle(
    Array.from({ length: all }, (_, index) => index + 1),
    createRandom(hashOf(`shifts ${ringSize}`)),
  )
  const count = Math.min(shiftCount, all)
  const first = (epoch % epochsToCover(ringSize, shiftCount)) * count
  return Array.from({ length: count }, (_, index) => order[(first + index) % all]!)
}

/**
 * Each node goes over to the next epoch at a time of its own within it, so that the fleet never does so at once.
 * @param phase from 0 to 1, the node's own
 */
export const epochOf = (phase: number, nowSeconds: number, epochSeconds: number): number =>
  Math.floor(nowSeconds / epochSeconds + phase)

const phaseOf = (node: string): number => hashOf(`epoch ${node}`) / 2 ** 32

/** Who probes whom in one epoch. Its ring is of the nodes that were there when the epoch began. */
type Epoch = { ring: readonly string[]; places: ReadonlyMap<string, number>; shifts: readonly number[] }

/** Two epochs are under way at any time, and one more while the clock is set. */
const KEPT_EPOCHS = 3

/**
 * The peers of nodes in a large fleet. A node that leaves takes its own paths along and changes no others. One that
 * joins in mid-epoch stands beside a node of the ring: it probes whom that one probes, and is probed by who probes
 * that one; from the next epoch on it has a place of its own.
 */
export const createRotation = ({
  shiftCount,
  epochSeconds,
}: {
  shiftCount: number
  epochSeconds: number
}) => {
  const epochs = new Map<number, Epoch>()
  let members: ReadonlySet<string> = new Set()
  let phases = new Map<string, number>()
  let guests = new Map<string, string[]>()
  /** The places of nodes are those of the newest epoch; guests are found for each epoch anew. */
  let guestsOf: Epoch | undefined

  const epochAt = (number: number): Epoch => {
    const known = epochs.get(number)
    if (known) return known
    const ring = ringOf([...members])
    const made = {
      ring,
      places: new Map(ring.map((name, place) => [name, place])),
      shifts: shiftsOf(ring.length, shiftCount, number),
    }
    epochs.set(number, made)
    if (epochs.size > KEPT_EPOCHS) epochs.delete(Math.min(...epochs.keys()))
    return made
  }
  const placeIn = ({ ring, places }: Epoch, node: string): number =>
    places.get(node) ?? hashOf(`ring ${node}`) % Math.max(1, ring.length)
  /** Guests by the node of the ring that they stand beside. */
  const guestsIn = (epoch: Epoch): Map<string, string[]> => {
    if (guestsOf === epoch) return guests
    guestsOf = epoch
    guests = new Map()
    for (const node of members) {
      if (epoch.places.has(node) || epoch.ring.length === 0) continue
      const beside = epoch.ring[placeIn(epoch, node)]!
      guests.set(beside, [...(guests.get(beside) ?? []), node])
    }
    return guests
  }

  return {
    setMembers: (names: readonly string[]): void => {
      members = new Set(names)
      phases = new Map(names.map((name) => [name, phases.get(name) ?? phaseOf(name)]))
      guestsOf = undefined
    },
    /** Which epoch a node is in. */
    epochOf: (node: string, nowSeconds: number): number =>
      epochOf(phases.get(node) ?? phaseOf(node), nowSeconds, epochSeconds),
    /** Whom a node probes in an epoch. */
    peersOf: (node: string, number: number): string[] => {
      const epoch = epochAt(number)
      const place = placeIn(epoch, node)
      const beside = guestsIn(epoch)
      const peers = epoch.shifts.flatMap((shift) => {
        const peer = epoch.ring[(place + shift) % epoch.ring.length]!
        return [peer, ...(beside.get(peer) ?? [])]
      })
      return peers.filter((peer) => peer !== node && members.has(peer))
    },
  }
}

export type Rotation = ReturnType<typeof createRotation>
