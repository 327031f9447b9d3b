import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { hostOf } from '../../lib/credentials.ts'
import { peersOf, type Target } from '../health/assign/check-parameters.ts'
import type { Asked } from './check.ts'
import { runIperf } from './iperf.ts'
import { runOnNode, statusOf } from './local.ts'
import { float, pprint, reprList } from './python.ts'
import { listOf, type Query, type Selection, selectByQuery } from './query.ts'
import type { GatewayDeps, Request } from './request.ts'

const RULE = '-------------------------------------'

/** Whom a node's ping is to reach: the nodes that were named, unless that leaves nobody. */
const targetsOf = (
  node: Node,
  fleet: readonly Node[],
  allowed: ReadonlySet<string>,
): Target[] | undefined => {
  if (allowed.size === 0 || (allowed.size === 1 && allowed.has(node.name))) return undefined
  return peersOf(node, fleet).filter((peer) => allowed.has(peer.node))
}

/** The nodes that pings are limited to; none means no limit. */
export const pingNodes = (query: Query, fleet: readonly Node[], selection: Selection): Set<string> => {
  const named = listOf(query.text('pingnodes', 'all'))
  if (named.includes('all')) return new Set(selection.isPart ? selection.nodes.map(({ name }) => name) : [])
  const known = new Set(fleet.map(({ name }) => name))
  for (const name of named)
    if (!known.has(name)) query.refuse(`pingnodes: "${name.slice(0, 80)}" names no node of the fleet`)
  return new Set(named)
}

/** Where the same answer can be had again for one node, as the old script asked the daemon of that node. */
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

type Fan = {
  nodes: readonly Node[]
  checks: readonly string[]
  batch: number
  askedOf(node: Node): Asked
  urlOf(node: Node): string
}

/** What runHealthchecks.py printed: every node's reply, then the summary. */
async function* fanOut(deps: GatewayDeps, fan: Fan, signal: AbortSignal): AsyncGenerator<string> {
  const start = deps.clock.monotonicSeconds()
  const replies: string[] = []
  const batch = fan.batch === 0 ? fan.nodes.length : fan.batch
  for (let first = 0; first < fan.nodes.length; first += batch) {
    const nodes = fan.nodes.slice(first, first + batch)
    for (const node of nodes) yield `Initiated connection to ${reprList([fan.urlOf(node)])}.\n`
    const ran = nodes.map((node) => runOnNode(deps, node, fan.checks, fan.askedOf(node), signal))
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

/** `/status`: checks, and iperf, on the nodes that are named. */
export const answerStatus = (deps: GatewayDeps, { query, base, signal }: Request): AsyncGenerator<string> => {
  const fleet = deps.fleet.nodes()
  const selection = selectByQuery(query, fleet)
  const asked = query.text('check', 'all')
  const batch = query.integer('batch', 0, 0, Number.MAX_SAFE_INTEGER)
  const level = query.integer('r', 1, 1, 4)
  const pinged = pingNodes(query, fleet, selection)
  const names = listOf(asked).flatMap((name) => (name === 'all' ? deps.options.checks : [name]))
  const checks = [...new Set(names)].filter((name) => name !== 'iperf')
  const iperf = names.includes('iperf') ? runIperf(deps, query, selection, signal) : undefined
  query.throwIfWrong()
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
    const fan: Fan = {
      nodes,
      checks,
      batch,
      askedOf: (node) => {
        const targets = targetsOf(node, fleet, pinged)
        return { level, bw: deps.options.bw, ...(targets ? { targets } : {}) }
      },
      urlOf: (node) => urlOf(base, node.name, asked, String(level), query),
    }
    yield* fanOut(deps, fan, signal)
  })()
}

/** `/pciebw`, `/dcgm` and the like: one check on the nodes that are named, the replies one after the other. */
export const answerCheck =
  (check: string, header: (deps: GatewayDeps) => string) =>
  (deps: GatewayDeps, { query, signal }: Request): AsyncGenerator<string> => {
    const fleet = deps.fleet.nodes()
    // The old /ping runs everywhere, and host says whom it reaches.
    const isPing = check === 'ping'
    const selection = selectByQuery(query, fleet)
    const level = query.integer('r', 1, 1, 4)
    const pinged = new Set(isPing && selection.isPart ? selection.nodes.map(({ name }) => name) : [])
    const nodes = isPing ? fleet : selection.nodes
    query.throwIfWrong()
    return (async function* () {
      yield header(deps)
      if (selection.nodes.length === 0) {
        yield `No node is labeled with ${selection.nodelabel}  - ABORT.\n`
        return
      }
      const ran = nodes.map((node) => {
        const targets = targetsOf(node, fleet, pinged)
        const asked = { level, bw: deps.options.bw, ...(targets ? { targets } : {}) }
        return runOnNode(deps, node, [check], asked, signal)
      })
      // One that fails must not stay unheard while another is waited for.
      const replies = Promise.allSettled(ran)
      for (const [index, reply] of ran.entries()) {
        const text = await reply
        yield index < ran.length - 1 && !text.endsWith('\n') ? `${text}\n` : text
      }
      await replies
    })()
  }
