/** Compares the addresses of interfaces with the expected ones. */

import type { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import { canonicalAddress } from '../../lib/ip-address.ts'
import { createFinding, FAIL, type Finding } from './findings.ts'

const bare = (cidr: string): string => cidr.split('/')[0]!.split('%')[0]!

/** Whether two texts are the same address: an IPv6 address has several forms. */
const same = (a: string, b: string): boolean => canonicalAddress(bare(a)) === canonicalAddress(bare(b))

/** Returns one finding for each expected address; FAIL where the interface lacks it. */
export const missingAddresses = (
  links: readonly Interface[],
  expected: Readonly<Record<string, readonly string[]>>,
): Finding[] =>
  Object.entries(expected).flatMap(([name, addresses]) => {
    const has = links.find((link) => link.name === name)?.addresses ?? []
    return addresses.map((address) => {
      if (has.some((candidate) => same(candidate, address)))
        return createFinding(name, 'expected_address', address)
      const other = links.find((link) => link.addresses.some((candidate) => same(candidate, address)))
      const where = other ? `; ${other.name} has it` : ''
      return createFinding(
        name,
        'expected_address',
        address,
        '',
        FAIL,
        `lacks its address ${bare(address)}${where}`,
      )
    })
  })
