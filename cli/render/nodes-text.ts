import type { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import { type Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import { counted } from '../../lib/units.ts'
import { wordOf } from './enum-words.ts'
import { ago } from './figures.ts'
import { metadataDocument } from './host-document.ts'
import { type Paint, sanitize } from './paint.ts'
import { renderTable } from './table.ts'

const stateWord = wordOf(NodeState, 'NODE_STATE_')

const stateOf = (node: Node): string => stateWord(node.state)

const speedText = ({ speedBitsPerSecond, state }: Interface): string => {
  const speed = speedBitsPerSecond ? ` ${Number((speedBitsPerSecond / 1e9).toPrecision(3))}G` : ''
  return state === 'down' ? `${speed} down` : speed
}

const interfacesText = (node: Node): string => {
  const described = new Map((node.description?.interfaces ?? []).map((each) => [each.name, each]))
  const names = node.interfaces.length > 0 ? node.interfaces : [...described.keys()]
  return names
    .map((name) => `${sanitize(name)}${speedText(described.get(name) ?? ({} as Interface))}`)
    .join('  ')
}

/** The engines of iperf tests, and the one that pings: fping if it is available. */
const enginesText = (node: Node): string => {
  const available = (node.description?.engines ?? []).filter((engine) => engine.available)
  const [pinger] = available.filter(({ test }) => test === 'ping')
  return available
    .filter((engine) => engine.test !== 'ping' || engine === pinger)
    .map(({ name, version }) => sanitize(`${name} ${version}`))
    .join('  ')
}

const rowOf = (node: Node, now: Date, paint: Paint): string[] => {
  const name = sanitize(node.name)
  const version = sanitize(node.description?.agentVersion ?? '')
  const known = [version || '…', interfacesText(node) || '…', enginesText(node) || '…']
  const ping = ago(fromTimestamp(node.lastPingTime), now)
  if (node.state === NodeState.NODE_STATE_SILENT) {
    const reason = `✘ ${sanitize(node.stateReason) || 'the agent does not answer'}`
    return [name, paint('red', stateOf(node)), ...known, ping, paint('red', reason)]
  }
  const colour = node.state === NodeState.NODE_STATE_READY ? 'green' : 'yellow'
  return [name, paint(colour, stateOf(node)), ...known, ping, ago(fromTimestamp(node.lastIperfTime), now)]
}

/** Engines that cannot run, each reason with its nodes. */
const missingEngines = (nodes: readonly Node[]): string[] => {
  const missing = new Map<string, { engine: string; reason: string; names: string[] }>()
  for (const node of nodes) {
    for (const engine of node.description?.engines ?? []) {
      if (engine.available) continue
      const reason = sanitize(engine.reasons.join('; '))
      const key = JSON.stringify([engine.name, reason])
      const entry = missing.get(key) ?? { engine: sanitize(engine.name), reason, names: [] }
      entry.names.push(sanitize(node.name))
      missing.set(key, entry)
    }
  }
  return [...missing.values()].map(({ engine, reason, names }) => {
    const where =
      names.length === nodes.length && names.length > 1 ? 'all nodes' : names.slice(0, 5).join(', ')
    const rest = where !== 'all nodes' && names.length > 5 ? ` and ${names.length - 5} more` : ''
    return `no ${engine} on ${where}${rest}: ${reason}`
  })
}

/** The nodes as a table, then what is missing, and the collector that was asked. */
export const renderNodes = (nodes: readonly Node[], collector: string, now: Date, paint: Paint): string => {
  if (nodes.length === 0) return `The fleet of the collector at ${collector} has no nodes.`
  const table = renderTable(
    ['NODE', 'STATE', 'AGENT', 'INTERFACES', 'ENGINES', 'LAST PING', 'LAST IPERF'],
    nodes.map((node) => rowOf(node, now, paint)),
    paint,
  )
  const silent = nodes.filter(({ state }) => state === NodeState.NODE_STATE_SILENT).length
  const notes = missingEngines(nodes)
  if (silent > 0)
    notes.unshift(
      paint('red', `${silent} of ${counted(nodes.length, 'node')} ${silent === 1 ? 'is' : 'are'} silent`),
    )
  const ready = nodes.filter(({ state }) => state === NodeState.NODE_STATE_READY).length
  notes.push(`${ready} of ${counted(nodes.length, 'node')} ready; collector ${collector}`)
  return [table, ...notes].join('\n')
}

/** `nodes --json` */
export const nodesDocument = (nodes: readonly Node[]) => ({
  nodes: nodes.map((node) => ({
    name: node.name,
    address: node.address,
    state: stateOf(node),
    stateReason: node.stateReason || undefined,
    rack: node.rack || undefined,
    labels: node.labels,
    agentVersion: node.description?.agentVersion,
    hostname: node.description?.hostname,
    metadata: node.description?.metadata && metadataDocument(node.description.metadata),
    testInterfaces: node.interfaces,
    excludedInterfaces: node.description?.excludedInterfaces ?? [],
    interfaces: (node.description?.interfaces ?? []).map((each) => ({
      ...each,
      driver: each.driver || undefined,
      driverVersion: each.driverVersion || undefined,
      firmwareVersion: each.firmwareVersion || undefined,
      busInfo: each.busInfo || undefined,
      duplex: each.duplex || undefined,
    })),
    engines: node.description?.engines ?? [],
    lastSeenTime: fromTimestamp(node.lastSeenTime)?.toISOString(),
    lastPingTime: fromTimestamp(node.lastPingTime)?.toISOString(),
    lastIperfTime: fromTimestamp(node.lastIperfTime)?.toISOString(),
  })),
})
