import { expect, test } from 'vitest'
import { Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { TrafficSpec } from '#proto/meshgauge/collector/v1/traffic.ts'
import { systemClock } from '../../lib/clock.ts'
import { createLogger } from '../../lib/logging.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import { createTrafficInterfaces } from '../runs/traffic-interfaces.ts'
import { createTraffics } from './traffics.ts'

const nodeOf = (name: string): Node =>
  Node.fromPartial({ name, state: NodeState.NODE_STATE_READY, interfaces: ['net0'] })
const spec = TrafficSpec.fromPartial({ topology: { kind: TopologyKind.TOPOLOGY_KIND_RING } })

/** A fleet whose interfaces have no addresses, so that traffic fails at once; it ends when no label of it is left. */
const setUp = () => {
  const left: string[] = []
  const agent = { describe: async () => ({ sustainedLabels: left }) } as unknown as AgentConnection['agent']
  const nodes = [nodeOf('a'), nodeOf('b')]
  const traffics = createTraffics({
    clock: systemClock,
    random: Math.random,
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
  return { left, traffics }
}

test('what goes on is listed however many others have ended since', async () => {
  const { left, traffics } = setUp()
  const first = await traffics.start(spec)
  left.push(first.id)
  for (let count = 0; count < 110; count++) {
    const { id } = await traffics.start(spec)
    await traffics.stop(id)
  }
  const list = traffics.list()
  expect(list.length).toBeLessThanOrEqual(100)
  expect(list.at(-1)).toMatchObject({ id: first.id, endTime: undefined })
  left.length = 0
  await traffics.close()
})

test('a duration that is none is refused, and does not end the traffic at once', async () => {
  const { traffics } = setUp()
  const wrong = TrafficSpec.fromPartial({ ...spec, options: { duration: toDuration(0) } })
  await expect(traffics.start(wrong)).rejects.toMatchObject({
    violations: [{ field: 'options.duration', description: 'must be more than 0' }],
  })
  await traffics.close()
})
