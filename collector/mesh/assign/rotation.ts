import { createHash } from 'node:crypto'
import { createRandom, shuffle } from '../../topology/random.ts'

/** Returns 32 bits of the SHA-256 of a text: the same on every machine and after every restart. */
export const hashOf = (text: string): number => createHash('sha256').update(text).digest().readUInt32LE(0)

/** Returns the nodes in an order that does not depend on their names, so that racks do not form neighbourhoods. */
export const ringOf = (names: readonly string[]): string[] =>
  names
    .map((name) => ({ name, key: hashOf(`ring ${name}`) }))
    .sort((one, other) => one.key - other.key || (one.name < other.name ? -1 : 1))
    .map(({ name }) => name)

/** Returns the number of epochs until every ordered pair of a ring was probed once: ceil((N-1)/k). */
export const epochsToCover = (ringSize: number, shiftCount: number): number =>
  ringSize < 2 ? 0 : Math.ceil((ringSize - 1) / Math.min(shiftCount, ringSize - 1))

/**
 * Returns the k distinct shifts of an epoch, each from 1 to N-1. One fixed shuffle of all shifts is dealt out k at a
 * time, cyclically: any ceil((N-1)/k) consecutive epochs contain every shift and therefore every ordered pair. The
 * result depends only on N and the epoch.
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
 * Returns the epoch number of a node. Each node has its own phase, so that the nodes do not all change their peers at
 * the same moment. @param phase the node's offset within an epoch, in [0, 1)
 */
export const epochOf = (phase: number, nowSeconds: number, epochSeconds: number): number =>
  Math.floor(nowSeconds / epochSeconds + phase)

const phaseOf = (node: string): number => hashOf(`epoch ${node}`) / 2 ** 32

/** The pairs of one epoch. The ring holds the nodes that were members when the epoch began. */
type Epoch = { ring: readonly string[]; positions: ReadonlyMap<string, number>; shifts: readonly number[] }

/** Because of the phases two epochs are current at any time; a third one while the clock steps. */
const MAX_EPOCHS = 3

/**
 * Returns the peers of each node in a large fleet: k-regular sets of cyclic shifts that change every epoch.
 *
 * A node that leaves removes only its own paths. A node that joins within an epoch becomes the guest of a ring node,
 * its host: it probes the host's peers and is probed by the nodes that probe the host. From the next epoch on it has
 * its own position.
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
  /** Guests by host, for the epoch that was used last. */
  let guests = new Map<string, string[]>()
  let guestsEpoch: Epoch | undefined

  const epochAt = (number: number): Epoch => {
    const known = epochs.get(number)
    if (known) return known
    const ring = ringOf([...members])
    const created = {
      ring,
      positions: new Map(ring.map((name, position) => [name, position])),
      shifts: shiftsOf(ring.length, shiftCount, number),
    }
    epochs.set(number, created)
    if (epochs.size > MAX_EPOCHS) epochs.delete(Math.min(...epochs.keys()))
    return created
  }
  const positionIn = ({ ring, positions }: Epoch, node: string): number =>
    positions.get(node) ?? hashOf(`ring ${node}`) % Math.max(1, ring.length)
  const guestsIn = (epoch: Epoch): Map<string, string[]> => {
    if (guestsEpoch === epoch) return guests
    guestsEpoch = epoch
    guests = new Map()
    for (const node of members) {
      if (epoch.positions.has(node) || epoch.ring.length === 0) continue
      const host = epoch.ring[positionIn(epoch, node)]!
      guests.set(host, [...(guests.get(host) ?? []), node])
    }
    return guests
  }

  return {
    /** Replaces the members. Epochs that have begun keep their ring. */
    setMembers: (names: readonly string[]): void => {
      members = new Set(names)
      phases = new Map(names.map((name) => [name, phases.get(name) ?? phaseOf(name)]))
      guestsEpoch = undefined
    },
    /** Returns the number of the epoch that a node is in. */
    epochOf: (node: string, nowSeconds: number): number =>
      epochOf(phases.get(node) ?? phaseOf(node), nowSeconds, epochSeconds),
    /** Returns the nodes that a node probes in an epoch. */
    peersOf: (node: string, number: number): string[] => {
      const epoch = epochAt(number)
      const position = positionIn(epoch, node)
      const guestsOf = guestsIn(epoch)
      const peers = epoch.shifts.flatMap((shift) => {
        const peer = epoch.ring[(position + shift) % epoch.ring.length]!
        return [peer, ...(guestsOf.get(peer) ?? [])]
      })
      return peers.filter((peer) => peer !== node && members.has(peer))
    },
  }
}

export type Rotation = ReturnType<typeof createRotation>
