import type { Fault } from './faults.ts'
import { type Shape, shapeLines } from './shaping.ts'
import { type LabNode, portName, uplinkPort } from './topology.ts'

/** How one interface of one node is configured. */
type InterfaceEffect = {
  node: LabNode
  interface: string
  port: string
  isDown: boolean
  transmit: Shape
  receive: Shape
  /** False disables segmentation offload, so that the switch's filter sees packets as large as on a real wire. */
  hasOffload: boolean
}

/** Lines for one namespace's `ip -batch` and `tc -batch`. */
export type NamespaceChange = { namespace: string; ip: string[]; tc: string[] }

const effectOf = (
  node: LabNode,
  name: string,
  faults: readonly Fault[],
  rate: number | 'unlimited',
): InterfaceEffect => {
  const faultsHere = faults.filter(
    (fault) => fault.node === node.name && fault.peer === undefined && fault.interface === name,
  )
  const find = (kind: Fault['kind'], direction: 'tx' | 'rx') =>
    faultsHere.find((fault) => fault.kind === kind && fault.direction === direction)
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
    hasOffload: find('mtu', 'tx') === undefined,
  }
}

/** The commands that change the devices from the faults `before` to the faults `after`. None for unaffected interfaces. */
export const deviceChanges = (
  nodes: readonly LabNode[],
  switchName: string,
  rate: number | 'unlimited',
  before: readonly Fault[],
  after: readonly Fault[],
): NamespaceChange[] => {
  const atSwitch: NamespaceChange = { namespace: switchName, ip: [], tc: [] }
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
      if (old.hasOffload !== next.hasOffload) {
        atNode.ip.push(`link set ${name} gso_max_segs ${next.hasOffload ? 65535 : 1}`)
      }
    }
    changes.push(atNode)
  }
  return changes.filter(({ ip, tc }) => ip.length + tc.length > 0)
}

/** nftables draws a whole number below this one for each packet: a loss is a multiple of one in a million. */
const LOSS_RESOLUTION = 1_000_000

/** The nftables matches of a fault: a node's port or a rack's uplink; with a peer, one match for each IP version. */
const matchesOf = (fault: Fault, nodes: readonly LabNode[]): string[] => {
  const { node, peer, interface: name, direction } = fault
  if (!nodes.some((candidate) => candidate.name === node)) {
    return [`${direction === 'tx' ? 'oifname' : 'iifname'} "${uplinkPort(node, name)}"`]
  }
  const port = `${direction === 'tx' ? 'iifname' : 'oifname'} "${portName(node, name)}"`
  if (peer === undefined) return [port]
  const peerNode = nodes.find((candidate) => candidate.name === peer)
  const { address, address6 } = peerNode?.interfaces.find((candidate) => candidate.name === name) ?? {}
  const field = direction === 'tx' ? 'daddr' : 'saddr'
  return [
    ...(address === undefined ? [] : [`${port} ip ${field} ${address}`]),
    ...(address6 === undefined ? [] : [`${port} ip6 ${field} ${address6}`]),
  ]
}

/**
 * The switch's nftables ruleset for these faults. Loading it replaces the previous one. The bridge's forward hook sees
 * both directions of a port, and the nodes have no trace of the drop.
 */
export const filterRules = (faults: readonly Fault[], nodes: readonly LabNode[]): string => {
  const rulesOf = (kind: Fault['kind'], action: (fault: Fault) => string) =>
    faults
      .filter((fault) => fault.kind === kind)
      .flatMap((fault) => matchesOf(fault, nodes).map((match) => `${match} ${action(fault)}`))
  const cuts = rulesOf('cut', () => 'drop')
  const losses = rulesOf('loss', ({ value = 0 }) => {
    const parts = Math.round(value * LOSS_RESOLUTION)
    // nftables rejects a comparison with a number that the generator cannot return.
    if (parts >= LOSS_RESOLUTION) return 'drop'
    return `numgen random mod ${LOSS_RESOLUTION} < ${parts} drop`
  })
  const mtus = faults
    .filter(({ kind, direction }) => kind === 'mtu' && direction === 'tx')
    .flatMap((fault) => matchesOf(fault, nodes).map((match) => `${match} meta length > ${fault.value} drop`))
  // ARP and neighbour discovery are exempt from loss. They retry only after a second, in which all packets to that
  // address are lost, so the measured loss would exceed the configured loss.
  const addressResolution =
    losses.length > 0
      ? ['ether type arp accept', 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept']
      : []
  const rules = [...cuts, ...mtus, ...addressResolution, ...losses]
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
