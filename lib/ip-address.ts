/** IP addresses with their networks, and the choice of addresses for a pair of interfaces. */

import { isIP } from 'node:net'

export type IpPrefix = {
  /** Canonical text without the prefix length: RFC 5952 for IPv6. */
  address: string
  family: 4 | 6
  /** 32 or 128 when the text has none. */
  prefixLength: number
  /** The address in words of 32 bits: 1 or 4. */
  words: readonly number[]
}

const wordOfIpv4 = (text: string): number => {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number)
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

/** The URL parser writes IPv6 addresses in their canonical form (https://url.spec.whatwg.org/#concept-ipv6-serializer). */
const canonicalIpv6 = (text: string): string => new URL(`http://[${text}]`).hostname.slice(1, -1)

const wordsOfIpv6 = (canonical: string): number[] => {
  const [head = '', tail] = canonical.split('::', 2)
  const groupsOf = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')]
  const groups = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return [0, 2, 4, 6].map((index) => ((groups[index]! << 16) | groups[index + 1]!) >>> 0)
}

/** Parses an address, with or without a prefix length; undefined when it is none, or has an IPv6 zone. */
export const parseIpPrefix = (text: string): IpPrefix | undefined => {
  const [bare = '', length, rest] = text.split('/')
  const family = isIP(bare)
  if (family === 0 || bare.includes('%') || rest !== undefined) return undefined
  const bits = family === 4 ? 32 : 128
  if (length !== undefined && !(/^\d{1,3}$/.test(length) && Number(length) <= bits)) return undefined
  const prefixLength = length === undefined ? bits : Number(length)
  if (family === 4) return { address: bare, family, prefixLength, words: [wordOfIpv4(bare)] }
  const address = canonicalIpv6(bare)
  return { address, family: 6, prefixLength, words: wordsOfIpv6(address) }
}

/** The canonical text of an address; other text is returned unchanged. */
export const canonicalAddress = (text: string): string => parseIpPrefix(text)?.address ?? text

/** The text with the prefix length, such as 10.0.0.1/24. */
export const cidrOf = ({ address, prefixLength }: IpPrefix): string => `${address}/${prefixLength}`

/** The number of leading bits that two addresses of one family have in common; -1 for different families. */
export const commonPrefixLength = (one: IpPrefix, other: IpPrefix): number => {
  if (one.family !== other.family) return -1
  for (const [index, word] of one.words.entries()) {
    const different = (word ^ other.words[index]!) >>> 0
    if (different !== 0) return index * 32 + Math.clz32(different)
  }
  return one.words.length * 32
}

/** Whether the network of the prefix contains the address. */
export const containsAddress = (prefix: IpPrefix, address: IpPrefix): boolean =>
  commonPrefixLength(prefix, address) >= prefix.prefixLength

export type AddressPair = { source: IpPrefix; destination: IpPrefix }

/** 2: each address is in the network of the other, 1: one of them is, 0: none is. */
const sharing = ({ source, destination }: AddressPair): number =>
  Number(containsAddress(source, destination)) + Number(containsAddress(destination, source))

/** Compares the addresses of two pairs as texts, in an order that does not depend on the direction of the pair. */
const compareTexts = (one: AddressPair, other: AddressPair): number => {
  const textOf = ({ source, destination }: AddressPair) =>
    [source.address, destination.address].sort().join(' ')
  const [a, b] = [textOf(one), textOf(other)]
  return a < b ? -1 : Number(a > b)
}

/**
 * Returns the addresses to measure between two interfaces: the pair that shares a network, then IPv4 before IPv6, then
 * the longest common prefix. Both directions of a pair get the same addresses. Undefined when the interfaces have no
 * addresses of one family.
 */
export const chooseAddressPair = (
  sources: readonly IpPrefix[],
  destinations: readonly IpPrefix[],
): AddressPair | undefined => {
  let best: AddressPair | undefined
  for (const source of sources) {
    for (const destination of destinations) {
      if (source.family !== destination.family) continue
      const pair = { source, destination }
      if (!best || comparePairs(pair, best) < 0) best = pair
    }
  }
  return best
}

const comparePairs = (one: AddressPair, other: AddressPair): number =>
  sharing(other) - sharing(one) ||
  one.source.family - other.source.family ||
  commonPrefixLength(other.source, other.destination) - commonPrefixLength(one.source, one.destination) ||
  compareTexts(one, other)
