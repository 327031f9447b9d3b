import { hostOf } from '../../lib/credentials.ts'
import { peersOf, type Target } from '../health/assign/check-parameters.ts'
import type { FleetNode } from '../inventory/node.ts'
import type { RequestParameters } from './check.ts'
import { runIperf } from './iperf.ts'
import { runOnNode, statusOf } from './node-reply.ts'
import { float, pprint, reprList } from './python.ts'
import { listOf, type Query, type Selection, selectByQuery } from './query.ts'
import type { GatewayDeps, Request } from './request.ts'

const RULE = '-------------------------------------'

/** The peers that a node pings; undefined for all peers, also when the node itself is the only allowed one. */
const targetsOf = (
  node: FleetNode,
  fleet: readonly FleetNode[],
  allowed: ReadonlySet<string>,
): Target[] | undefined => {
  if (allowed.size === 0 || (allowed.size === 1 && allowed.has(node.name))) return undefined
  return peersOf(node, fleet).filter((peer) => allowed.has(peer.node))
}

/** The names of the nodes that pings are limited to; empty for no limit. */
export const pingNodes = (query: Query, fleet: readonly FleetNode[], selection: Selection): Set<string> => {
  const names = listOf(query.text('pingnodes', 'all'))
  if (names.includes('all')) return new Set(selection.isPart ? selection.nodes.map(({ name }) => name) : [])
  const known = new Set(fleet.map(({ name }) => name))
  for (const name of names)
    if (!known.has(name)) query.refuse(`pingnodes: "${name.slice(0, 80)}" names no node of the fleet`)
  return new Set(names)
}

/** The URL that returns the reply of one node only. In Autopilot it is the URL of the node's daemon. */
const urlOf = (base: string, node: string, checks: string, level: string, query: Query): string => {
  if (listOf(checks).includes('all')) return `${base}/status?host=${node}`
  const extra = [
    ...(checks.includes('ping') && query.text('nodelabel', 'None') !== 'None'
      ? [`&nodelabel=${query.text('nodelabel', 'None')}`]
      : []),
    ...(checks.includes('ping') && query.text('host', 'all') !== 'all'
      ? [`&pingnodes=${query.text('host', 'all')}`]
      : []),
    ...(checks.includes('dcgm') ? [`&r=${level}`] : []),
  ]
  return `${base}/status?host=${node}&check=${checks}${extra.join('')}`
}

type FanOut = {
  nodes: readonly FleetNode[]
  checks: readonly string[]
  batch: number
  parametersOf(node: FleetNode): RequestParameters
  urlOf(node: FleetNode): string
}

/** The output of Autopilot's runHealthchecks.py: the reply of every node, then the summary. */
async function* runFanOut(deps: GatewayDeps, fan: FanOut, signal: AbortSignal): AsyncGenerator<string> {
  const start = deps.clock.monotonicSeconds()
  const replies: string[] = []
  const batch = fan.batch === 0 ? fan.nodes.length : fan.batch
  for (let first = 0; first < fan.nodes.length; first += batch) {
    const nodes = fan.nodes.slice(first, first + batch)
    for (const node of nodes) yield `Initiated connection to ${reprList([fan.urlOf(node)])}.\n`
    const ran = nodes.map((node) => runOnNode(deps, node, fan.checks, fan.parametersOf(node), signal))
    replies.push(...(await Promise.all(ran)))
  }
  const statuses = new Map<string, string[]>()
  for (const [index, node] of fan.nodes.entries()) {
    const reply = replies[index]!
    const status = statusOf(reply)
    statuses.set(node.name, status)
    yield `\nAutopilot Endpoint: ${hostOf(node.address)}\nNode: ${node.name}\nurl(s): ${fan.urlOf(node)}`
    yield `\nResponse:\n${reply}\nNode Status: ${status.join(', ')}\n${RULE}\n\n`
  }
  yield `Node Summary:\n\n${pprint(statuses)}\n`
  yield `\nruntime: ${float(deps.clock.monotonicSeconds() - start)} sec\n`
}

/** `/status`: checks and iperf on the selected nodes. */
export const answerStatus = (deps: GatewayDeps, { query, base, signal }: Request): AsyncGenerator<string> => {
  const fleet = deps.fleet.nodes()
  const selection = selectByQuery(query, fleet)
  const requestedChecks = query.text('check', 'all')
  const batch = query.integer('batch', 0, 0, Number.MAX_SAFE_INTEGER)
  const level = query.integer('r', 1, 1, 4)
  const pinged = pingNodes(query, fleet, selection)
  const names = listOf(requestedChecks).flatMap((name) => (name === 'all' ? deps.options.checks : [name]))
  const checks = [...new Set(names)].filter((name) => name !== 'iperf')
  const iperf = names.includes('iperf') ? runIperf(deps, query, selection, signal) : undefined
  query.throwIfInvalid()
  const { host, nodelabel, job, nodes } = selection
  return (async function* () {
    if (nodes.length === 0) {
      yield `No node is labeled with ${nodelabel}  - ABORT.\n`
      return
    }
    if (iperf) {
      yield `Running iperf3 on hosts ${host} or job ${job}\n\n`
      yield* iperf
    }
    if (checks.length === 0) return
    yield `Asking to run on remote node(s) ${host} or with node label ${nodelabel}\n\n`
    const fan: FanOut = {
      nodes,
      checks,
      batch,
      parametersOf: (node) => {
        const targets = targetsOf(node, fleet, pinged)
        return { level, bw: deps.options.bw, ...(targets ? { targets } : {}) }
      },
      urlOf: (node) => urlOf(base, node.name, requestedChecks, String(level), query),
    }
    yield* runFanOut(deps, fan, signal)
  })()
}

/**
 * The endpoints of single checks, such as `/pciebw`: one check on the selected nodes, the replies one after the other. In
 * Autopilot one daemon replies, so some texts do not name their node: with several nodes a line before them does.
 */
export const answerCheck =
  (check: string, header: (deps: GatewayDeps) => string) =>
  (deps: GatewayDeps, { query, signal }: Request): AsyncGenerator<string> => {
    const fleet = deps.fleet.nodes()
    // As in Autopilot, /ping runs on all nodes, and `host` selects its targets.
    const isPing = check === 'ping'
    const selection = selectByQuery(query, fleet)
    const level = query.integer('r', 1, 1, 4)
    const pinged = new Set(isPing && selection.isPart ? selection.nodes.map(({ name }) => name) : [])
    const nodes = isPing ? fleet : selection.nodes
    query.throwIfInvalid()
    return (async function* () {
      yield header(deps)
      if (selection.nodes.length === 0) {
        yield `No node is labeled with ${selection.nodelabel}  - ABORT.\n`
        return
      }
      const ran = nodes.map((node) => {
        const targets = targetsOf(node, fleet, pinged)
        const requested = { level, bw: deps.options.bw, ...(targets ? { targets } : {}) }
        return runOnNode(deps, node, [check], requested, signal)
      })
      // Handles a rejection that occurs while an earlier reply is awaited.
      const replies = Promise.allSettled(ran)
      for (const [index, reply] of ran.entries()) {
        const { name } = nodes[index]!
        const text = await reply
        if (nodes.length > 1 && !text.includes(name)) yield `Node: ${name}\n`
        yield index < ran.length - 1 && !text.endsWith('\n') ? `${text}\n` : text
      }
      await replies
    })()
  }
