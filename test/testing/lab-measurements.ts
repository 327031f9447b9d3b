import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import type { Lab } from '../../deploy/local/lab.ts'

// Measurements by fping and iperf3 directly, without meshgauge: the reference for what meshgauge measures.

type LabPlace = { node: string; network: string }
export type LabPair = { source: string; destination: string; network: string }

const nodeOf = (lab: Lab, name: string) => {
  const node = lab.nodes.find((candidate) => candidate.name === name)
  if (!node?.namespace) throw new Error(`the lab has no node ${name}`)
  return { ...node, namespace: node.namespace }
}

export const addressOf = (
  lab: Lab,
  { node, network }: LabPlace,
  pick: 'address' | 'address6' = 'address',
): string => {
  const address = nodeOf(lab, node).interfaces.find((candidate) => candidate.name === network)?.[pick]
  if (!address) throw new Error(`${node} has no ${pick} on ${network}`)
  return address
}

/** The command that runs a program on a node. */
export const onNode = (lab: Lab, node: string, ...command: string[]): [string, string[]] => [
  'ip',
  ['netns', 'exec', nodeOf(lab, node).namespace, ...command],
]

/** All directed pairs of the lab on one network. */
export const meshPairs = (lab: Lab, network: string): LabPair[] =>
  lab.nodes.flatMap(({ name: source }) =>
    lab.nodes
      .filter(({ name }) => name !== source)
      .map(({ name: destination }) => ({ source, destination, network })),
  )

/** Round-trip loss from one node to others, by fping: `count` packets each. */
export const ping = async (
  lab: Lab,
  pairs: readonly LabPair[],
  { count = 1, pick = 'address' as 'address' | 'address6' } = {},
): Promise<(LabPair & { lossRatio: number })[]> => {
  const [first] = pairs
  if (!first) return []
  const targets = pairs.map(({ destination, network }) =>
    addressOf(lab, { node: destination, network }, pick),
  )
  const args = ['fping', '-q', '-c', String(count), '-p', '1', '-i', '0', '-t', '1500', ...targets]
  const [program, command] = onNode(lab, first.source, ...args)
  const { stderr } = await execa(program, command, { reject: false, timeout: 60_000 })
  return pairs.map((pair, position) => {
    const line = stderr.split('\n').find((candidate) => candidate.startsWith(`${targets[position]} `))
    const [, sent, received] = /xmt\/rcv\/%loss = (\d+)\/(\d+)\//.exec(line ?? '') ?? []
    if (!sent || !received) throw new Error(`fping has no result for ${targets[position]}: ${stderr}`)
    return { ...pair, lossRatio: 1 - Number(received) / Number(sent) }
  })
}

/** A counter of a node's kernel, such as `Icmp InEchos`. */
const counter = async (lab: Lab, node: string, group: string, name: string): Promise<number> => {
  const { stdout } = await execa(...onNode(lab, node, 'cat', '/proc/net/snmp'))
  const [names, values] = stdout.split('\n').filter((line) => line.startsWith(`${group}: `))
  return Number(values?.split(' ')[names?.split(' ').indexOf(name) ?? -1])
}

/**
 * Number of lost packets from source to destination, without the way back: echo requests of fping that the destination's
 * kernel has not counted. (iperf3's UDP test measures this too, but often fails to start over a lossy path.)
 */
export const lostRequests = async (lab: Lab, pair: LabPair, count: number): Promise<number> => {
  const arrived = () => counter(lab, pair.destination, 'Icmp', 'InEchos')
  const before = await arrived()
  await ping(lab, [pair], { count })
  return count - ((await arrived()) - before)
}

/** Pings every pair on both networks with one packet. */
export const pingAll = async (lab: Lab, pick: 'address' | 'address6' = 'address') => {
  const pairs = ['net0', 'net1'].flatMap((network) => meshPairs(lab, network))
  const results = await Promise.all(
    lab.nodes.flatMap(({ name }) =>
      ['net0', 'net1'].map((network) =>
        ping(
          lab,
          pairs.filter((pair) => pair.source === name && pair.network === network),
          { pick },
        ),
      ),
    ),
  )
  return results.flat()
}

type IperfReport = {
  error?: string
  end: {
    sum_received?: { bits_per_second: number }
  }
}

export type IperfFigures = LabPair & { bitsPerSecond: number }

const FIRST_PORT = 5400

/** Measures these pairs with iperf3 at the same time. The results are in the order of the pairs. */
export const iperf = async (
  lab: Lab,
  pairs: readonly LabPair[],
  ...args: string[]
): Promise<IperfFigures[]> => {
  const tests = pairs.map((pair, position) => ({ pair, port: String(FIRST_PORT + position) }))
  const servers = tests.map(({ pair, port }) =>
    execa(...onNode(lab, pair.destination, 'iperf3', '-s', '-1', '-p', port), { reject: false }),
  )
  try {
    await Promise.all(tests.map(({ pair, port }) => waitUntilListening(lab, pair.destination, port)))
    return await Promise.all(tests.map(({ pair, port }) => measure(lab, pair, port, args)))
  } finally {
    for (const server of servers) server.kill()
    await Promise.all(servers)
  }
}

const waitUntilListening = async (lab: Lab, node: string, port: string): Promise<void> => {
  for (let attempt = 0; attempt < 500; attempt++) {
    const { stdout } = await execa(...onNode(lab, node, 'ss', '-Htln', `sport = :${port}`))
    if (stdout) return
    await sleep(10)
  }
  throw new Error(`iperf3 on ${node} does not listen on ${port}`)
}

const measure = async (
  lab: Lab,
  pair: LabPair,
  port: string,
  args: readonly string[],
): Promise<IperfFigures> => {
  const { source, destination, network } = pair
  const addresses = [
    ...['-c', addressOf(lab, { node: destination, network }), '-p', port],
    ...['-B', addressOf(lab, { node: source, network })],
  ]
  const [program, command] = onNode(lab, source, 'iperf3', '-J', ...addresses, ...args)
  const { stdout } = await execa(program, command, { reject: false, timeout: 60_000 })
  const report = JSON.parse(stdout) as IperfReport
  if (report.error) throw new Error(`iperf3 ${source} to ${destination} on ${network}: ${report.error}`)
  return {
    ...pair,
    bitsPerSecond: report.end.sum_received?.bits_per_second ?? 0,
  }
}

/** Allowed deviation of a measured ratio: 4 standard deviations of a binomial distribution, exceeded once in 16,000 tests. */
export const binomialMargin = (ratio: number, count: number): number =>
  4 * Math.sqrt((ratio * (1 - ratio)) / count)
