import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import { type AutopilotCheck, evidenceOf, hasVerdict, lines, type Sample } from '../check.ts'

type ProbedAddress = { node: string; address: string; interface: string; isUnreachable: boolean }

/** Each probed address. An address is unreachable when all packets are lost; partial loss is a WARN of the check. */
const probedAddressesOf = (result: CheckResult): ProbedAddress[] =>
  result.evidence
    .filter(({ name }) => name === 'loss')
    .map(({ subject, value }) => {
      const [address = '', name = ''] = subject.split('%')
      const node = evidenceOf(result, subject, 'node')?.value as unknown
      return {
        node: typeof node === 'string' ? node : '',
        address,
        interface: name || 'default',
        isUnreachable: Number(value) >= 1,
      }
    })

const samplesOf = (result: CheckResult): Sample[] => {
  const peers = new Map<string, number>()
  for (const { node, isUnreachable } of probedAddressesOf(result))
    if (node !== '') peers.set(node, Math.max(peers.get(node) ?? 0, isUnreachable ? 1 : 0))
  return [...peers].map(([deviceId, value]) => ({ deviceId, value }))
}

export const ping: AutopilotCheck = {
  name: 'ping',
  health: 'ping',
  isFlag: true,
  // A request without targets probes all peers.
  hasAllDevices: ({ targets }) => targets === undefined,
  parameters: ({ targets }) => (targets === undefined ? {} : { targets }),
  text: (node, result) => {
    const begin = [`[PING] Pod running ping:  ${node}`, '[PING] Starting: collecting node list']
    const listed = 'Creating a list of interfaces and IPs'
    const probed = probedAddressesOf(result)
    if (probed.length === 0 || !hasVerdict(result)) {
      const hasNoTargets = result.reasons.some((reason) => reason.startsWith('no targets were given'))
      if (hasNoTargets) return lines(...begin, listed, '[PING] No nodes found. ABORT')
      return lines(...begin, `[PING] ${result.reasons.join('; ')}. ABORT`)
    }
    return lines(
      ...begin,
      listed,
      '[PING] Running ping tests for every interface',
      ...probed.map(
        (each) => `Node ${each.node} ${each.address} ${each.interface} ${each.isUnreachable ? 1 : 0}`,
      ),
      probed.some(({ isUnreachable }) => isUnreachable)
        ? '[PING] At least one node unreachable. FAIL'
        : '[PING] all nodes reachable. success',
    )
  },
  log: (_node, result) => {
    if (!hasVerdict(result)) return []
    const unreachable = probedAddressesOf(result).filter(({ isUnreachable }) => isUnreachable)
    return [
      ...unreachable.map((each) => `Observation: ${each.node} ${each.address} ${each.interface} Unreachable`),
      `Unreachable nodes count: ${new Set(unreachable.map(({ node }) => node)).size}`,
    ]
  },
  samples: (result) => (hasVerdict(result) ? samplesOf(result) : []),
}
