import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Endpoint, PairResult, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { MIN_GOOD_PEERS } from './culprits.ts'

/** Who a verdict blames. */
export type Accused = Pick<Verdict, 'node' | 'interface' | 'peer' | 'rack'>

/** Whether a completed run could have blamed someone anew: then an earlier verdict of the same test has gone. */
export const createClearedVerdicts = (results: readonly PairResult[]): ((accused: Accused) => boolean) => {
  /** By node, interface and direction, the nodes at the other end of measured pairs. */
  const peers = new Map<string, Set<string>>()
  const links = new Set<string>()
  const add = (end: Endpoint, direction: string, peer: string) => {
    const key = [end.node, end.interface, direction].join('\0')
    const known = peers.get(key)
    if (known) known.add(peer)
    else peers.set(key, new Set([peer]))
  }
  for (const { source, destination, outcome } of results) {
    if (!source || !destination || outcome !== Outcome.OUTCOME_MEASURED) continue
    add(source, 'tx', destination.node)
    add(destination, 'rx', source.node)
    links.add([source.node, source.interface, destination.node].join('\0'))
  }
  // Fewer peers cannot accuse a node, so they cannot acquit it either: a ring leaves a mesh's verdict.
  const judged = [...peers].filter(([, { size }]) => size >= MIN_GOOD_PEERS).map(([key]) => key.split('\0'))
  const nodes = new Set(judged.map(([node]) => node))
  const interfaces = new Set(judged.map(([node, name]) => `${node}\0${name}`))
  return ({ node, interface: name, peer, rack }) => {
    if (rack !== '') return nodes.size > 0
    const isJudged = name === '' ? nodes.has(node) : interfaces.has(`${node}\0${name}`)
    return isJudged && (peer === '' || links.has([node, name, peer].join('\0')))
  }
}
