import { z } from 'zod'
import type { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import { formatBitrate } from '../../../lib/units.ts'
import { missingAddresses } from '../addresses.ts'
import { type CheckDeps, defineCheck } from '../check.ts'
import { createFinding, FAIL, type Finding, PASS, toFindings } from '../findings.ts'
import { addressesByInterface, bitrate, duration } from '../parameters.ts'
import { readHostFile } from '../programs.ts'
import { compareCounters, readCounters } from './counters.ts'

const parameters = z.strictObject({
  interfaces: z.array(z.string()).default([]),
  speed: bitrate().optional(),
  /** The MTU of the fleet, in bytes. */
  mtu: z.int().min(68).max(65536).optional(),
  duplex: z.enum(['full', 'half']).default('full'),
  /** Expected addresses of each interface. */
  addresses: addressesByInterface().default({}),
  /** Time over which counters are compared. */
  watch: duration()
    .refine((seconds) => seconds > 0 && seconds <= 60, 'must be up to 60s')
    .default(1),
  /** Number of carrier losses since the driver was loaded that is still good. */
  max_flaps: z.int().min(0).default(20),
})

type Parameters = z.output<typeof parameters>

const speedFindings = (
  { name, speedBitsPerSecond: speed }: Interface,
  expected: number | undefined,
): Finding[] => {
  if (speed === undefined && expected === undefined) return []
  const right = expected === undefined || speed === expected
  const is = speed === undefined ? 'speed is unknown' : `speed is ${formatBitrate(speed)}`
  const reason = right ? '' : `${is} where ${formatBitrate(expected)} is expected`
  return [createFinding(name, 'speed', speed ?? null, 'bits_per_second', right ? PASS : FAIL, reason)]
}

/** Virtual links have no duplex, and a link that is down reports `unknown`. */
const duplexFindings = (name: string, duplex: string | undefined, expected: string): Finding[] => {
  if (duplex !== 'full' && duplex !== 'half') return []
  const right = duplex === expected
  const reason = right ? '' : `runs ${duplex} duplex where ${expected} is expected`
  return [createFinding(name, 'duplex', duplex, '', right ? PASS : FAIL, reason)]
}

const examine = async (
  deps: Pick<CheckDeps, 'root'>,
  link: Interface,
  request: Parameters,
): Promise<Finding[]> => {
  const { name, mtuBytes: mtu } = link
  // Virtual links report `unknown`, which is not down.
  const up = link.state === 'up' || link.state === 'unknown'
  const addressed = link.addresses.length > 0
  const agrees = request.mtu === undefined || mtu === request.mtu
  const mtuReason = agrees ? '' : `MTU is ${mtu} bytes where ${request.mtu} is expected`
  const duplex = (await readHostFile(deps, `sys/class/net/${name}/duplex`))?.trim()
  return [
    createFinding(name, 'state', link.state, '', up ? PASS : FAIL, up ? '' : `is ${link.state}`),
    createFinding(
      name,
      'addresses',
      link.addresses,
      '',
      addressed ? PASS : FAIL,
      addressed ? '' : 'has no address',
    ),
    createFinding(name, 'mtu', mtu, 'bytes', agrees ? PASS : FAIL, mtuReason),
    ...speedFindings(link, request.speed),
    ...duplexFindings(name, duplex, request.duplex),
  ]
}

const duplicates = (links: readonly Interface[]): Finding[] => {
  const owners = Map.groupBy(
    links.flatMap(({ name, addresses }) =>
      addresses.map((address) => ({ name, address: address.split('/')[0]! })),
    ),
    ({ address }) => address,
  )
  return [...owners]
    .filter(([, holders]) => holders.length > 1)
    .map(([address, holders]) => {
      const names = holders.map(({ name }) => name)
      const finding = createFinding(names.join(' '), 'duplicate_address', address, '', FAIL)
      return { ...finding, reason: `${address} is on ${names.join(' and ')}` }
    })
}

const missingLinks = (links: readonly Interface[], wanted: readonly string[]): Finding[] =>
  wanted
    .filter((name) => !links.some((link) => link.name === name))
    .map((name) => createFinding(name, 'state', 'missing', '', FAIL, 'there is no such interface'))

export const interfacesCheck = defineCheck({
  name: 'interfaces',
  summary:
    'Every measured interface is up, with its addresses, speed, duplex and MTU; it does not flap, and no error or drop counter grows.',
  invasive: false,
  budgetSeconds: 70,
  parameters,
  requirements: async ({ interfaces }) =>
    interfaces.list().length > 0 ? [] : ['this node has no interface that tests may use'],
  run: async (deps, request, signal) => {
    const wanted = request.interfaces
    const all = deps.interfaces.list()
    const links = all.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
    const read = () => Promise.all(links.map(({ name }) => readCounters(deps, name)))
    const before = await read()
    await deps.clock.sleep(request.watch, signal)
    const after = await read()
    const watched = links.flatMap(({ name }, index) =>
      compareCounters({
        name,
        before: before[index]!,
        after: after[index]!,
        seconds: request.watch,
        maxFlaps: request.max_flaps,
      }),
    )
    return toFindings([
      ...missingLinks(links, wanted),
      ...(await Promise.all(links.map((link) => examine(deps, link, request)))).flat(),
      ...missingAddresses(all, request.addresses),
      ...duplicates(links),
      ...watched,
    ])
  },
})
