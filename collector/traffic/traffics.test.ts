import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { TrafficSpec as TrafficSpecMessage } from '#proto/meshgauge/collector/v1/traffic.ts'
import { systemClock } from '../../lib/clock.ts'
import { createLogger } from '../../lib/logging.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import { createNode, type FleetNode } from '../inventory/node.ts'
import { createTrafficInterfaces } from '../runs/traffic-interfaces.ts'
import { trafficSpecOf } from './assign/traffic-spec-message.ts'
import { Traffics } from './traffics.ts'

const nodeOf = (name: string): FleetNode => createNode({ name, state: 'ready', interfaces: ['net0'] })
const spec = trafficSpecOf(
  TrafficSpecMessage.fromPartial({ topology: { kind: TopologyKind.TOPOLOGY_KIND_RING } }),
)

/**
 * A fleet whose interfaces have no addresses, so that traffic fails at once. It ends when `labels`, the labels that the
 * agents report, does not contain its id.
 */
const setUp = () => {
  const labels: string[] = []
  const agent = { describe: async () => ({ sustainedLabels: labels }) } as unknown as AgentConnection['agent']
  const nodes = [nodeOf('a'), nodeOf('b')]
  const traffics = new Traffics({
    clock: systemClock,
    random: Math.random,
    randomBytes,
    logger: createLogger('test', 'silent'),
    fleet: {
      nodes: () => nodes,
      connection: () => ({ agent }) as AgentConnection,
      refresh: async () => undefined,
    },
    runs: { findByInterface: () => undefined },
    interfaces: createTrafficInterfaces(),
    observe: () => undefined,
  })
  return { labels, traffics }
}

test('lists contain active traffic even after more than 100 others have ended', async () => {
  const { labels, traffics } = setUp()
  const first = await traffics.start(spec)
  labels.push(first.id)
  for (let count = 0; count < 110; count++) {
    const { id } = await traffics.start(spec)
    await traffics.stop(id)
  }
  const list = traffics.list()
  expect(list.length).toBeLessThanOrEqual(100)
  expect(list.at(-1)).toMatchObject({ id: first.id, endTime: undefined })
  labels.length = 0
  await traffics.close()
})

test('a duration of 0 is refused', async () => {
  const { traffics } = setUp()
  const wrong = { ...spec, options: { ...spec.options, durationSeconds: 0 } }
  await expect(traffics.start(wrong)).rejects.toMatchObject({
    violations: [{ field: 'options.duration', description: 'must be more than 0' }],
  })
  await traffics.close()
})
