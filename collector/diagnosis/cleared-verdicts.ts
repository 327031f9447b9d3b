import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import { isMeasured } from '../dispatch/outcomes.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { interfaceKey, pathKey } from '../inventory/keys.ts'
import { defaultHeuristics } from './thresholds.ts'
import type { Verdict } from './verdict.ts'

/** The culprit that a verdict names. */
export type Accused = Pick<Verdict, 'node' | 'interface' | 'peer' | 'rack'> & { readonly kind: string }

/**
 * Returns whether a completed run measured enough to accuse a culprit again. If it did and names no such verdict, an
 * earlier verdict about that culprit is cleared.
 */
export const createClearedVerdicts = (results: readonly PairResult[]): ((accused: Accused) => boolean) => {
  const peersByInterface = { tx: new Map<string, Set<string>>(), rx: new Map<string, Set<string>>() }
  const nodeOf = new Map<string, string>()
  const paths = new Set<string>()
  const measuredNames = new Set<string>()
  const add = (endpoint: Endpoint, direction: 'tx' | 'rx', peer: string) => {
    const key = interfaceKey(endpoint)
    nodeOf.set(key, endpoint.node)
    const known = peersByInterface[direction].get(key)
    if (known) known.add(peer)
    else peersByInterface[direction].set(key, new Set([peer]))
  }
  for (const result of results) {
    const { source, destination } = result
    if (!isMeasured(result)) continue
    measuredNames.add(source.interface)
    add(source, 'tx', destination.node)
    add(destination, 'rx', source.node)
    paths.add(pathKey({ source: source.node, destination: destination.node, interface: source.interface }))
  }
  // With fewer peers no node can be accused, so none is cleared either: a ring leaves a mesh's verdict unchanged.
  const judged = [...peersByInterface.tx, ...peersByInterface.rx].filter(
    ([, peers]) => peers.size >= defaultHeuristics.minGoodPeers,
  )
  const interfaces = new Set(judged.map(([key]) => key))
  const nodes = new Set(judged.map(([key]) => nodeOf.get(key)!))
  const judgedNames = new Set(judged.map(([key]) => key.split(' ')[1]!))
  return ({ kind, node, interface: name, peer, rack }) => {
    if (rack !== '') return nodes.size > 0
    // Pairs without a culprit have no peers to count: a run that measures the interface again judges them again.
    if (kind === 'unattributed') return measuredNames.has(name)
    if (kind === 'class') return judgedNames.has(name)
    const isJudged = name === '' ? nodes.has(node) : interfaces.has(interfaceKey({ node, interface: name }))
    return (
      isJudged && (peer === '' || paths.has(pathKey({ source: node, destination: peer, interface: name })))
    )
  }
}
