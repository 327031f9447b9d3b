import type { Fault } from './faults.ts'
import { type Shape, shapeLines } from './shaping.ts'
import { type LabNode, portName, uplinkPort } from './topology.ts'

/** What one interface of one node is to be like. */
type InterfaceEffect = {
  node: LabNode
  interface: string
  port: string
  isDown: boolean
  transmit: Shape
  receive: Shape
  /** False: its offloaded packets are cut up before they leave, so that a filter sees what a wire would carry. */
  offloads: boolean
}

/** Lines for one namespace's `ip -batch` and `tc -batch`. */
export type NamespaceChange = { namespace: string; ip: string[]; tc: string[] }

const effectOf = (
  node: LabNode,
  name: string,
  faults: readonly Fault[],
  rate: number | 'unlimited',
): InterfaceEffect => {
  const own = faults.filter(
    (fault) => fault.node === node.name && fault.peer === undefined && fault.interface === name,
  )
  const find = (kind: Fault['kind'], direction: 'tx' | 'rx') =>
    own.find((fault) => fault.kind === kind && fault.direction === direction)
  const receiveMtu = find('mtu', 'rx')?.value
  return {
    node,
    interface: name,
    port: portName(node.name, name),
    isDown: find('cut', 'tx') !== undefined && find('cut', 'rx') !== undefined,
    transmit: { rate: find('rate', 'tx')?.value ?? rate },
    receive: {
      rate: find('rate', 'rx')?.value ?? rate,
      ...(receiveMtu === undefined ? {} : { maxPacketBytes: receiveMtu }),
    },
    offloads: find('mtu', 'tx') === undefined,
  }
}

/** What must change in the namespaces for `after` to hold where `before` held. Untouched interfaces stay untouched. */
export const deviceChanges = (
  nodes: readonly LabNode[],
  center: string,
  rate: number | 'unlimited',
  before: readonly Fault[],
  after: readonly Fault[],
): NamespaceChange[] => {
  const atSwitch: NamespaceChange = { namespace: center, ip: [], tc: [] }
  const changes = [atSwitch]
  for (const node of nodes) {
    const atNode: NamespaceChange = { namespace: node.namespace ?? '', ip: [], tc: [] }
    for (const { name } of node.interfaces) {
      const old = effectOf(node, name, before, rate)
      const next = effectOf(node, name, after, rate)
      if (old.isDown !== next.isDown) atSwitch.ip.push(`link set ${next.port} ${next.isDown ? 'down' : 'up'}`)
      if (JSON.stringify(old.receive) !== JSON.stringify(next.receive)) {
        atSwitch.tc.push(...shapeLines(next.port, next.receive))
      }
      if (JSON.stringify(old.transmit) !== JSON.stringify(next.transmit)) {
        atNode.tc.push(...shapeLines(name, next.transmit))
      }
      if (old.offloads !== next.offloads) {
        atNode.ip.push(`link set ${name} gso_max_segs ${next.offloads ? 65535 : 1}`)
      }
    }
    changes.push(atNode)
  }
  return changes.filter(({ ip, tc }) => ip.length + tc.length > 0)
}

const PARTS_IN_ALL = 1_000_000

/** What nftables is to match: packets at a node's port or a rack's uplink, of one peer once for each IP version. */
const matchesOf = (fault: Fault, nodes: readonly LabNode[]): string[] => {
  const { node, peer, interface: name, direction } = fault
  if (!nodes.some((candidate) => candidate.name === node)) {
    return [`${direction === 'tx' ? 'oifname' : 'iifname'} "${uplinkPort(node, name)}"`]
  }
  const port = `${direction === 'tx' ? 'iifname' : 'oifname'} "${portName(node, name)}"`
  if (peer === undefined) return [port]
  const end = nodes.find((candidate) => candidate.name === peer)
  const { address, address6 } = end?.interfaces.find((candidate) => candidate.name === name) ?? {}
  const field = direction === 'tx' ? 'daddr' : 'saddr'
  return [
    ...(address === undefined ? [] : [`${port} ip ${field} ${address}`]),
    ...(address6 === undefined ? [] : [`${port} ip6 ${field} ${address6}`]),
  ]
}

/**
 * The switch's nftables rules for these faults; loading them replaces what was there. In the bridge's forward hook
 * both directions of a port are seen, and the nodes cannot tell why a packet did not come.
 */
export const filterRules = (faults: readonly Fault[], nodes: readonly LabNode[]): string => {
  const rulesOf = (kind: Fault['kind'], end: (fault: Fault) => string) =>
    faults
      .filter((fault) => fault.kind === kind)
      .flatMap((fault) => matchesOf(fault, nodes).map((match) => `${match} ${end(fault)}`))
  const cuts = rulesOf('cut', () => 'drop')
  const losses = rulesOf('loss', ({ value = 0 }) => {
    const parts = Math.round(value * PARTS_IN_ALL)
    // nftables compares with what the generator can yield, and with nothing above.
    if (parts >= PARTS_IN_ALL) return 'drop'
    return `numgen random mod ${PARTS_IN_ALL} < ${parts} drop`
  })
  const mtus = faults
    .filter(({ kind, direction }) => kind === 'mtu' && direction === 'tx')
    .flatMap((fault) => matchesOf(fault, nodes).map((match) => `${match} meta length > ${fault.value} drop`))
  // A lost question about an address is repeated after a whole second, in which everything else is lost as well:
  // the loss measured would not be the loss that was set.
  const resolution =
    losses.length > 0
      ? ['ether type arp accept', 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept']
      : []
  const rules = [...cuts, ...mtus, ...resolution, ...losses]
  const table = ['table bridge meshgauge', 'delete table bridge meshgauge']
  if (rules.length === 0) return `${table.join('\n')}\n`
  return `${[
    ...table,
    'table bridge meshgauge {',
    '  chain forward {',
    '    type filter hook forward priority 0; policy accept;',
    ...rules.map((rule) => `    ${rule}`),
    '  }',
    '}',
  ].join('\n')}\n`
}
