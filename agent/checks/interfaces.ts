import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import { CheckStatus, type Evidence } from '#proto/meshgauge/agent/v1/check.ts'
import { formatBitrate, parseBitrate } from '../../lib/units.ts'
import { defineCheck } from './check.ts'

const PASS = CheckStatus.CHECK_STATUS_PASS
const WARN = CheckStatus.CHECK_STATUS_WARN
const FAIL = CheckStatus.CHECK_STATUS_FAIL

const parameters = z.strictObject({
  interfaces: z.array(z.string()).default([]),
  speed: z
    .string()
    .refine((text) => parseBitrate(text) !== undefined, 'not a bitrate; write 100G')
    .transform((text) => parseBitrate(text)!)
    .optional(),
  mtu: z.int().min(68).max(65536).optional(),
})

/** Counters of sysfs that stand still on a healthy link. */
const COUNTERS = ['rx_errors', 'tx_errors', 'rx_dropped', 'tx_dropped', 'rx_crc_errors', 'tx_carrier_errors']

/** Time over which counters are watched. */
const WATCH_SECONDS = 1

const readCounters = (name: string): Map<string, number> =>
  new Map(
    COUNTERS.flatMap((counter): [string, number][] => {
      try {
        return [[counter, Number(readFileSync(`/sys/class/net/${name}/statistics/${counter}`, 'utf8'))]]
      } catch {
        return []
      }
    }),
  )

type Finding = Evidence & { reason: string }

const examine = (link: Interface, request: z.output<typeof parameters>): Finding[] => {
  const finding = (
    name: string,
    value: unknown,
    unit: string,
    status: CheckStatus,
    reason: string,
  ): Finding => ({
    subject: link.name,
    name,
    value,
    unit,
    status,
    reason: status === PASS ? '' : `${link.name}: ${reason}`,
  })
  const { speedBitsPerSecond: speed, mtuBytes: mtu } = link
  // Virtual links report `unknown`; only what is said to be down is down.
  const up = link.state === 'up' || link.state === 'unknown'
  const findings = [
    finding('state', link.state, '', up ? PASS : FAIL, `is ${link.state}`),
    finding('addresses', link.addresses, '', link.addresses.length > 0 ? PASS : FAIL, 'has no address'),
    finding(
      'mtu',
      mtu,
      'bytes',
      request.mtu === undefined || mtu === request.mtu ? PASS : FAIL,
      `MTU is ${mtu} bytes where ${request.mtu} is expected`,
    ),
  ]
  if (speed !== undefined || request.speed !== undefined) {
    const right = request.speed === undefined || speed === request.speed
    const is = speed === undefined ? 'speed is unknown' : `speed is ${formatBitrate(speed)}`
    findings.push(
      finding(
        'speed',
        speed ?? null,
        'bits_per_second',
        right ? PASS : FAIL,
        `${is} where ${formatBitrate(request.speed ?? 0)} is expected`,
      ),
    )
  }
  return findings
}

const duplicates = (links: readonly Interface[]): Finding[] => {
  const owners = Map.groupBy(
    links.flatMap(({ name, addresses }) =>
      addresses.map((address) => ({ name, address: address.split('/')[0]! })),
    ),
    ({ address }) => address,
  )
  return [...owners].flatMap(([address, holders]) =>
    holders.length < 2
      ? []
      : [
          {
            subject: holders.map(({ name }) => name).join(' '),
            name: 'duplicate_address',
            value: address,
            unit: '',
            status: FAIL,
            reason: `${address} is on ${holders.map(({ name }) => name).join(' and ')}`,
          },
        ],
  )
}

export const interfacesCheck = defineCheck({
  name: 'interfaces',
  summary:
    'Every measured interface is up, has an address, its speed and MTU, and no counter of errors or drops grows.',
  invasive: false,
  budgetSeconds: 10,
  parameters,
  requirements: async ({ interfaces }) =>
    interfaces.list().length > 0 ? [] : ['this node has no interface that tests may use'],
  run: async ({ interfaces, clock }, request, signal) => {
    const wanted = request.interfaces
    const links = interfaces.list().filter(({ name }) => wanted.length === 0 || wanted.includes(name))
    const missing = wanted
      .filter((name) => !links.some((link) => link.name === name))
      .map(
        (name): Finding => ({
          subject: name,
          name: 'state',
          value: 'missing',
          unit: '',
          status: FAIL,
          reason: `${name}: there is no such interface`,
        }),
      )
    const before = new Map(links.map(({ name }) => [name, readCounters(name)]))
    await clock.sleep(WATCH_SECONDS, signal)
    const counters = links.flatMap(({ name }) =>
      [...readCounters(name)].map(([counter, value]): Finding => {
        const growth = value - (before.get(name)?.get(counter) ?? value)
        return {
          subject: name,
          name: counter,
          value: growth,
          unit: `in ${WATCH_SECONDS} s`,
          status: growth > 0 ? WARN : PASS,
          reason: growth > 0 ? `${name}: ${counter} grew by ${growth} in ${WATCH_SECONDS} s` : '',
        }
      }),
    )
    const findings = [
      ...missing,
      ...links.flatMap((link) => examine(link, request)),
      ...duplicates(links),
      ...counters,
    ]
    return {
      evidence: findings.map(({ reason: _, ...evidence }) => evidence),
      reasons: findings.map(({ reason }) => reason).filter((reason) => reason !== ''),
    }
  },
})
