import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { directedKey } from '../inventory/keys.ts'
import { indexByName, notAmong, type Topology, toNodePairs, type Violation } from './topology.ts'

export const pairs: Topology = {
  name: 'pairs',
  description: 'A list of pairs.',
  kind: TopologyKind.TOPOLOGY_KIND_PAIRS,
  uses: ['pairs'],
  requires: { pairs: 'the list of pairs is empty' },
  participants: ({ pairs: list = [] }) => list.flatMap(({ source, destination }) => [source, destination]),
  check: (input) => {
    const { nodes, pairs: list = [] } = input
    const known = indexByName(nodes)
    const violations: Violation[] = []
    const seen = new Map<string, number>()
    for (const [index, { source, destination }] of list.entries()) {
      const field = `pairs[${index}]`
      for (const [role, name] of Object.entries({ source, destination })) {
        if (!known.has(name)) {
          violations.push({ field: `${field}.${role}`, description: notAmong(name, input) })
        }
      }
      if (source === destination) {
        violations.push({ field, description: `${source} is paired with itself` })
        continue
      }
      const key = directedKey(source, destination)
      const first = seen.get(key)
      if (first === undefined) seen.set(key, index)
      else violations.push({ field, description: `${source} → ${destination} is also pairs[${first}]` })
    }
    return violations
  },
  pairs: ({ nodes, pairs: list = [] }) => {
    const known = indexByName(nodes)
    return toNodePairs(
      list.map(({ source }) => known.get(source)!),
      list.map(({ destination }) => known.get(destination)!),
    )
  },
}
