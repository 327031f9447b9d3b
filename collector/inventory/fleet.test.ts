import { expect, test } from 'vitest'
import { DescribeResponse } from '#proto/meshgauge/agent/v1/agent.ts'
import { ClientError, Status } from '../../lib/errors.ts'
import { createLogger } from '../../lib/logging.ts'
import { createFakeClock } from '../../lib/testing/fake-clock.ts'
import type { AgentConnection } from './agents.ts'
import type { InventoryNode } from './config.ts'
import { createFleet } from './fleet.ts'
import type { NodeState } from './node.ts'

/** A fleet whose agents fail until `agents.refuse` calls have failed; `askedIn` counts the calls in some seconds. */
const setUp = (size: number) => {
  const { clock, pass } = createFakeClock()
  let asked = 0
  const agents = { refuse: Number.POSITIVE_INFINITY }
  const describe = async () => {
    asked++
    if (agents.refuse-- <= 0) return DescribeResponse.fromPartial({})
    throw new ClientError('/describe', Status.UNAVAILABLE, 'no route to host')
  }
  const connection = { agent: { describe }, close: () => undefined, state: () => 'idle' }
  const fleet = createFleet(
    {
      clock,
      logger: createLogger('test', 'silent'),
      connect: () => connection as unknown as AgentConnection,
      lastMeasured: () => new Map(),
    },
    Array.from({ length: size }, (_, index) => {
      const node = { name: `n${index}`, address: `10.0.0.1:${index}`, labels: {}, rack: '', interfaces: [] }
      return node as unknown as InventoryNode
    }),
  )
  const askedIn = async (seconds: number) => {
    const before = asked
    await pass(seconds, 1)
    return asked - before
  }
  return { fleet, askedIn, agents }
}

test('a silent node is asked every 2 s, and thousands of them 100 times per second in total', async () => {
  const few = setUp(20)
  await few.askedIn(10)
  expect(await few.askedIn(60)).toBe(20 * 30)
  await few.fleet.close()
  const many = setUp(3000)
  await many.askedIn(60)
  const asked = await many.askedIn(300)
  expect(asked).toBeGreaterThan(300 * 80)
  expect(asked).toBeLessThan(300 * 130)
  await many.fleet.close()
})

test('one refused call does not make a node silent, two in a row do', async () => {
  const { fleet, askedIn, agents } = setUp(1)
  const states: NodeState[] = []
  fleet.onChange(([node]) => states.push(node!.state))
  agents.refuse = 0
  await askedIn(30)
  expect(states.splice(0).at(-1)).toBe('ready')
  agents.refuse = 1
  await askedIn(30)
  expect(agents.refuse).toBeLessThan(0)
  expect(states).toEqual([])
  agents.refuse = 2
  await askedIn(30)
  expect(states).toEqual(['silent', 'ready'])
  await fleet.close()
})

/** A fleet of nodes a and b, whose agents report what `reported` contains by address. */
const fleetReporting = (reported: Record<string, { node: string; interfaces: string[] }>) => {
  const { clock, pass } = createFakeClock()
  const connect = (address: string) => ({
    agent: {
      describe: async () => {
        const { node, interfaces } = reported[address]!
        return DescribeResponse.fromPartial({
          identity: { node, hostname: node },
          interfaces: interfaces.map((name) => ({
            name,
            addresses: [`10.1.0.${address.at(-1)}/24`],
            state: 'up',
          })),
        })
      },
    },
    close: () => undefined,
    state: () => 'idle',
  })
  const fleet = createFleet(
    {
      clock,
      logger: createLogger('test', 'silent'),
      connect: connect as unknown as (address: string) => AgentConnection,
      lastMeasured: () => new Map(),
    },
    ['a', 'b'].map((name, index) => ({
      name,
      address: `10.0.0.9:${index}`,
      labels: {},
      rack: '',
      interfaces: [],
    })),
  )
  return { fleet, pass }
}

test('the agent of another node is named, and what it reports is not taken for the node', async () => {
  const reported = {
    '10.0.0.9:0': { node: 'a', interfaces: ['net0'] },
    '10.0.0.9:1': { node: 'a', interfaces: ['net0'] },
  }
  const { fleet, pass } = fleetReporting(reported)
  await pass(20, 1)
  const [a, b] = fleet.nodes()
  expect(a).toMatchObject({ state: 'ready', interfaces: ['net0'], hasForeignAgent: false })
  expect(b).toMatchObject({ state: 'silent', interfaces: [], description: undefined, hasForeignAgent: true })
  expect(b!.stateReason).toMatch(/^the agent at 10\.0\.0\.9:1 is that of a, not of b/)
  reported['10.0.0.9:1'].node = 'b'
  await pass(20, 1)
  expect(fleet.nodes()[1]).toMatchObject({ state: 'ready', hasForeignAgent: false })
  await fleet.close()
})

test('an interface that the agent no longer reports leaves the node at the next call', async () => {
  const reported = {
    '10.0.0.9:0': { node: 'a', interfaces: ['net0', 'docker0'] },
    '10.0.0.9:1': { node: 'b', interfaces: ['net0'] },
  }
  const { fleet, pass } = fleetReporting(reported)
  await pass(20, 1)
  expect(fleet.nodes()[0]!.interfaces).toEqual(['net0', 'docker0'])
  reported['10.0.0.9:0'].interfaces = ['eth9']
  await pass(20, 1)
  expect(fleet.nodes()[0]!.interfaces).toEqual(['eth9'])
  await fleet.close()
})
