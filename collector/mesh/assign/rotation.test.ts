import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRotation, epochsToCover, shiftsOf } from './rotation.ts'

const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`)
const sizes = fc.record({
  size: fc.integer({ min: 2, max: 90 }),
  shiftCount: fc.integer({ min: 0, max: 15 }).map((half) => 2 * half + 1),
  epoch: fc.integer({ min: 0, max: 30_000_000 }),
})

const peersIn = (rotation: ReturnType<typeof createRotation>, members: readonly string[], epoch: number) =>
  new Map(members.map((node) => [node, rotation.peersOf(node, epoch)]))
const probedBy = (peers: ReadonlyMap<string, readonly string[]>, node: string): number =>
  [...peers.values()].filter((list) => list.includes(node)).length

describe('rotation', () => {
  test('in every epoch each node probes k others once and is probed by k', () => {
    fc.assert(
      fc.property(sizes, ({ size, shiftCount, epoch }) => {
        const rotation = createRotation({ shiftCount, epochSeconds: 60 })
        const members = names(size)
        rotation.setMembers(members)
        const peers = peersIn(rotation, members, epoch)
        const expected = Math.min(shiftCount, size - 1)
        for (const node of members) {
          expect(new Set(peers.get(node)).size).toBe(expected)
          expect(peers.get(node)).toHaveLength(expected)
          expect(peers.get(node)).not.toContain(node)
          expect(probedBy(peers, node)).toBe(expected)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('any ceil((N-1)/k) consecutive epochs cover every ordered pair', () => {
    fc.assert(
      fc.property(sizes, ({ size, shiftCount, epoch }) => {
        const rotation = createRotation({ shiftCount, epochSeconds: 60 })
        const members = names(size)
        rotation.setMembers(members)
        const seen = new Set<string>()
        for (let each = epoch; each < epoch + epochsToCover(size, shiftCount); each++) {
          for (const [node, peers] of peersIn(rotation, members, each)) {
            for (const peer of peers) seen.add(`${node} ${peer}`)
          }
        }
        expect(seen.size).toBe(size * (size - 1))
      }),
      { numRuns: 40 },
    )
  })

  test('the peers are the same after a restart and for any order of the fleet', () => {
    const [one, other] = [1, 2].map(() => createRotation({ shiftCount: 5, epochSeconds: 60 }))
    one!.setMembers(names(40))
    other!.setMembers(names(40).reverse())
    expect(peersIn(one!, names(40), 77)).toEqual(peersIn(other!, names(40), 77))
    expect(shiftsOf(40, 5, 77)).not.toEqual(shiftsOf(40, 5, 78))
  })

  test('a node that leaves removes only its own paths, and a node that joins adds only its own', () => {
    fc.assert(
      fc.property(sizes, ({ size, shiftCount, epoch }) => {
        const members = names(size)
        const rotation = createRotation({ shiftCount, epochSeconds: 60 })
        rotation.setMembers(members)
        const before = peersIn(rotation, members, epoch)
        rotation.setMembers([...members.slice(1), 'late'])
        for (const node of members.slice(1)) {
          const kept = rotation.peersOf(node, epoch).filter((peer) => peer !== 'late')
          expect(kept).toEqual(before.get(node)!.filter((peer) => peer !== 'n0'))
        }
        const after = peersIn(rotation, [...members.slice(1), 'late'], epoch)
        // With a single peer, that one may be the node that has left.
        if (Math.min(shiftCount, size - 1) > 1) expect(after.get('late')!.length).toBeGreaterThan(0)
        // From the next epoch on it has its own position in the ring.
        const next = peersIn(rotation, [...members.slice(1), 'late'], epoch + 1)
        expect(probedBy(next, 'late')).toBe(Math.min(shiftCount, size - 1))
      }),
      { numRuns: 60 },
    )
  })

  test('nodes enter the next epoch at different times', () => {
    const rotation = createRotation({ shiftCount: 5, epochSeconds: 60 })
    rotation.setMembers(names(600))
    const switched = Array.from({ length: 60 }, (_, second) =>
      names(600).filter(
        (node) => rotation.epochOf(node, 6000 + second + 1) !== rotation.epochOf(node, 6000 + second),
      ),
    )
    expect(switched.flat()).toHaveLength(600)
    expect(Math.max(...switched.map(({ length }) => length))).toBeLessThan(40)
  })
})
