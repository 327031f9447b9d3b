import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  chooseAddressPair,
  cidrOf,
  commonPrefixLength,
  containsAddress,
  type IpPrefix,
  parseIpPrefix,
} from './ip-address.ts'

const prefix = (text: string): IpPrefix => parseIpPrefix(text)!
const choose = (sources: string[], destinations: string[]): string | undefined => {
  const pair = chooseAddressPair(sources.map(prefix), destinations.map(prefix))
  return pair && `${pair.source.address} ${pair.destination.address}`
}

describe('parseIpPrefix', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1/32'],
    ['10.0.0.1/24', '10.0.0.1/24'],
    ['FD00:0:0::0001', 'fd00::1/128'],
    ['fd00::1/64', 'fd00::1/64'],
    ['0:0:0:0:0:0:0:1', '::1/128'],
    ['::ffff:10.0.0.1', '::ffff:a00:1/128'],
  ])('%s is %s', (text, cidr) => {
    expect(cidrOf(prefix(text))).toBe(cidr)
  })

  test.each([
    '',
    'h1',
    '10.0.0.256',
    '10.0.0.1/33',
    '10.0.0.1/',
    'fd00::1/129',
    'fe80::1%eth0',
    '10.0.0.1/24/1',
  ])('%s is no address', (text) => {
    expect(parseIpPrefix(text)).toBeUndefined()
  })
})

const ipv6Bytes = fc.uint8Array({ minLength: 16, maxLength: 16 })
const groupsOf = (bytes: Uint8Array): string[] =>
  Array.from({ length: 8 }, (_, index) => ((bytes[2 * index]! << 8) | bytes[2 * index + 1]!).toString(16))

test('an IPv6 address has the same prefix in every spelling', () => {
  fc.assert(
    fc.property(ipv6Bytes, (bytes) => {
      const full = groupsOf(bytes).map((group) => group.padStart(4, '0').toUpperCase())
      const one = prefix(full.join(':'))
      expect(one).toEqual(prefix(groupsOf(bytes).join(':')))
      expect(
        one.words.flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]),
      ).toEqual([...bytes])
    }),
  )
})

test.each([
  [
    'the pair in one network, not the first address',
    ['10.88.0.2/24', '198.18.4.2/22'],
    ['198.18.5.9/22'],
    '198.18.4.2 198.18.5.9',
  ],
  [
    'of both ends',
    ['10.88.0.2/24', '198.18.4.2/22'],
    ['10.99.0.2/24', '198.18.4.3/22'],
    '198.18.4.2 198.18.4.3',
  ],
  [
    'the IPv6 prefix that both have',
    ['fd00:1::1/64', 'fd00:2::1/64'],
    ['fd00:3::2/64', 'fd00:2::2/64'],
    'fd00:2::1 fd00:2::2',
  ],
  [
    'IPv6 where only it shares a network',
    ['10.1.0.1/24', 'fd00::1/64'],
    ['10.2.0.1/24', 'fd00::2/64'],
    'fd00::1 fd00::2',
  ],
  [
    'IPv4 where both share one',
    ['fd00::1/64', '10.1.0.1/24'],
    ['fd00::2/64', '10.1.0.2/24'],
    '10.1.0.1 10.1.0.2',
  ],
  [
    'the longest common prefix in routed networks',
    ['10.1.0.1/32', '10.2.0.1/32'],
    ['10.2.9.1/32'],
    '10.2.0.1 10.2.9.1',
  ],
  ['nothing without a common family', ['10.1.0.1/24'], ['fd00::2/64'], undefined],
  ['nothing without addresses', [], ['fd00::2/64'], undefined],
])('chooses %s', (_, sources, destinations, expected) => {
  expect(choose(sources, destinations)).toBe(expected)
})

// Few different bits, so that prefixes are shared often.
const anyAddress = fc
  .tuple(
    fc.constantFrom('10.0.', '10.1.', '198.18.'),
    fc.nat(3),
    fc.integer({ min: 1, max: 6 }),
    fc.integer({ min: 8, max: 32 }),
  )
  .map(([net, third, last, length]) => prefix(`${net}${third}.${last}/${length}`))
const anyIpv6 = fc
  .tuple(fc.nat(3), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 16, max: 128 }))
  .map(([net, last, length]) => prefix(`fd00:${net}::${last}/${length}`))
const anyAddresses = fc.uniqueArray(fc.oneof(anyAddress, anyIpv6), {
  maxLength: 4,
  selector: ({ address }) => address,
})

test('the other direction of a pair gets the same addresses, in any order of the lists', () => {
  fc.assert(
    fc.property(anyAddresses, anyAddresses, (one, other) => {
      const there = chooseAddressPair(one, other)
      const back = chooseAddressPair([...other].reverse(), [...one].reverse())
      expect(back && { source: back.destination, destination: back.source }).toEqual(there)
    }),
  )
})

test('no other pair shares more: a pair in one network is never passed over', () => {
  fc.assert(
    fc.property(anyAddresses, anyAddresses, (sources, destinations) => {
      const chosen = chooseAddressPair(sources, destinations)
      const pairs = sources.flatMap((source) =>
        destinations
          .filter(({ family }) => family === source.family)
          .map((destination) => ({ source, destination })),
      )
      expect(chosen === undefined).toBe(pairs.length === 0)
      if (!chosen) return
      const shares = ({ source, destination }: typeof chosen) =>
        containsAddress(source, destination) && containsAddress(destination, source)
      if (pairs.some(shares)) expect(shares(chosen)).toBe(true)
      const alike = pairs.filter(
        (pair) => shares(pair) === shares(chosen) && pair.source.family === chosen.source.family,
      )
      const isOneSided = ({ source, destination }: typeof chosen) =>
        containsAddress(source, destination) !== containsAddress(destination, source)
      const best = Math.max(
        ...alike
          .filter((pair) => isOneSided(pair) === isOneSided(chosen))
          .map(({ source, destination }) => commonPrefixLength(source, destination)),
      )
      expect(commonPrefixLength(chosen.source, chosen.destination)).toBe(best)
    }),
  )
})
