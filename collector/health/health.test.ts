import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { createLogger } from '../../lib/logging.ts'
import { createFakeClock, type FakeClock } from '../../lib/testing/fake-clock.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import type { PeriodicCheck } from '../inventory/config.ts'
import type { FleetNode, NodeState } from '../inventory/node.ts'
import { sampleNode } from '../inventory/testing/nodes.ts'
import { openSqliteStore } from '../store/sqlite/store.ts'
import type { Store } from '../store/store.ts'
import { Health } from './health.ts'
import { checkResult } from './testing/samples.ts'

type Call = { node: string; check: string; parameters: Record<string, unknown> }

let time: FakeClock
let store: Store
let calls: Call[]
let overlaps: string[]
let [activeCount, maxActiveCount] = [0, 0]
let listCount = 0
let answer: (call: Call) => CheckResult | Promise<CheckResult>
const opened: Health[] = []

beforeEach(() => {
  time = createFakeClock(Date.parse('2026-01-02T04:00:00Z'))
  store = openSqliteStore(':memory:')
  calls = []
  overlaps = []
  activeCount = 0
  maxActiveCount = 0
  listCount = 0
  answer = ({ check }) => checkResult(check, 'pass')
})
afterEach(async () => {
  for (const health of opened.splice(0)) await finish(health.close())
  store.close()
})

const connection = (node: string): AgentConnection =>
  ({
    check: {
      listChecks: async () => {
        listCount++
        return { checks: ['interfaces', 'ping'].map((name) => ({ name, invasive: false, reasons: [] })) }
      },
      runCheck: async ({ check, parameters }: Call) => {
        const call = { node, check, parameters }
        calls.push(call)
        maxActiveCount = Math.max(maxActiveCount, ++activeCount)
        try {
          return { result: await answer(call) }
        } finally {
          activeCount--
        }
      },
    },
  }) as unknown as AgentConnection

const node = (name: string, state: NodeState = 'ready'): FleetNode =>
  sampleNode(
    name,
    { net0: [`10.0.0.${name.charCodeAt(0)}/24`] },
    { state, labels: { zone: name === 'a' ? 'x' : 'y' } },
  )

const healthOf = (periodic: PeriodicCheck[] = [], nodes = [node('a'), node('b')]): Health => {
  const health = new Health(
    {
      clock: time.clock,
      logger: createLogger('test', 'silent'),
      fleet: { nodes: () => nodes, settled: Promise.resolve(), onChange: () => undefined, connection },
      store,
      observer: {
        observeCheck: () => undefined,
        observeRecord: () => undefined,
        observeOverlap: (name, check) => overlaps.push(`${name} ${check}`),
      },
    },
    periodic,
  )
  opened.push(health)
  return health
}

const signal = new AbortController().signal
/** Advances the time until the work has ended. */
const finish = async <T>(work: Promise<T>): Promise<T> => {
  let isOver = false
  const over = () => {
    isOver = true
  }
  work.then(over, over)
  while (!isOver) await time.pass(0.1)
  return work
}
const runAll = async (health: Health, request: Partial<Parameters<Health['run']>[0]>) => {
  const all = []
  for await (const each of health.run({ nodes: [], checks: ['ping'], parameters: {}, ...request }, signal))
    all.push(each)
  return all
}

/** As runAll, and advances the time until it has ended. */
const runNow = (health: Health, request: Partial<Parameters<Health['run']>[0]>) =>
  finish(runAll(health, request))
const gateNow = (health: Health, ...request: Parameters<Health['gate']>) => finish(health.gate(...request))

describe('a check runs on a node only once at a time', () => {
  test('10,000 overlapping requests run it once per node; the other starts are dropped and counted', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    answer = async ({ check }) => {
      await released
      return checkResult(check, 'pass')
    }
    const health = healthOf()
    const requests = Array.from({ length: 10_000 }, () => runAll(health, {}))
    for (let turn = 0; turn < 100 && overlaps.length < 2 * 9_999; turn++) await time.settle()
    expect(overlaps).toHaveLength(2 * 9_999)
    expect(calls).toHaveLength(2)
    expect(listCount).toBe(2)
    expect(health.list([node('a')])[0]!.runningChecks).toEqual(['ping'])
    release()
    const results = (await finish(Promise.all(requests))).flat()
    const dropped = results.filter(({ result }) => result.status === CheckStatus.CHECK_STATUS_ERROR)
    expect(dropped).toHaveLength(2 * 9_999)
    expect(dropped[0]!.result.reasons).toEqual([
      expect.stringMatching(/^ping runs on [ab] already; this start was dropped$/),
    ])
    // A dropped start is not stored as a result.
    expect(store.checks().map(({ record }) => record.result!.status)).toEqual([
      CheckStatus.CHECK_STATUS_PASS,
      CheckStatus.CHECK_STATUS_PASS,
    ])
    expect(health.list([node('a')])[0]!.runningChecks).toEqual([])
    await runNow(health, {})
    expect(calls).toHaveLength(4)
  })

  test('a periodic check that takes longer than its interval drops the starts in between', async () => {
    answer = async ({ check }) => {
      await time.clock.sleep(2.5)
      return checkResult(check, 'pass')
    }
    healthOf([{ check: 'ping', every: 1, nodes: ['a'], parameters: {} }])
    await time.pass(12)
    expect(calls.length).toBeGreaterThanOrEqual(3)
    expect(maxActiveCount).toBe(1)
    expect(overlaps.length).toBeGreaterThanOrEqual(6)
    expect(new Set(overlaps)).toEqual(new Set(['a ping']))
  })
})

describe('periodic checks', () => {
  test('run on the selected nodes, with their parameters and those that come from the fleet', async () => {
    healthOf([
      { check: 'ping', every: 1, nodes: ['zone=y'], parameters: { count: 5 } },
      { check: 'interfaces', every: 1, nodes: [], parameters: {} },
    ])
    await time.pass(3)
    const callCount = (name: string, check: string) =>
      calls.filter((call) => call.node === name && call.check === check).length
    for (const [name, check] of [
      ['b', 'ping'],
      ['a', 'interfaces'],
      ['b', 'interfaces'],
    ] as const)
      expect(callCount(name, check)).toBeGreaterThanOrEqual(2)
    expect(callCount('a', 'ping')).toBe(0)
    expect(calls.find(({ check }) => check === 'ping')!.parameters).toEqual({
      count: 5,
      targets: [{ node: 'a', address: '10.0.0.97', interface: 'net0' }],
    })
    expect(calls.find(({ check }) => check === 'interfaces')!.parameters).toEqual({ interfaces: ['net0'] })
    expect(
      store.checks('b').find(({ record }) => record.result!.check === 'ping')!.record.parameters,
    ).toEqual({
      count: 5,
    })
  })

  test('do not run on silent nodes', async () => {
    const nodes = [node('a'), node('b', 'silent')]
    healthOf([{ check: 'ping', every: 1, nodes: [], parameters: {} }], nodes)
    await time.pass(3)
    expect(calls.length).toBeGreaterThanOrEqual(2)
    expect(calls.map((call) => call.node)).not.toContain('b')
  })
})

describe('the gate', () => {
  const options = { maxAgeSeconds: 60, runMissing: false, checks: [] }

  test('requires the checks that can run on a node, and runs missing ones with run_missing', async () => {
    const health = healthOf()
    const nodes = [node('a'), node('b')]
    const before = await gateNow(health, nodes, options, signal)
    expect(before).toMatchObject({ open: false, nodes: [{ unknown: true }, { unknown: true }] })
    expect(before.nodes[0]!.reasons).toEqual([
      'check interfaces has not been run',
      'check ping has not been run',
    ])
    expect(calls).toEqual([])
    answer = ({ node: name, check }) => checkResult(check, name === 'b' && check === 'ping' ? 'fail' : 'pass')
    const after = await gateNow(health, nodes, { ...options, runMissing: true }, signal)
    expect(after.nodes).toMatchObject([
      { node: 'a', open: true },
      { node: 'b', open: false, unknown: false, reasons: ['check ping fails: ping says fail'] },
    ])
    expect(calls).toHaveLength(4)
    await gateNow(health, nodes, { ...options, runMissing: true }, signal)
    expect(calls, 'no check is missing any more').toHaveLength(4)
  })

  test('requires the checks of the config if it has any', async () => {
    const health = healthOf([{ check: 'ping', every: 86_400, nodes: ['zone=x'], parameters: { count: 3 } }])
    const gate = await gateNow(health, [node('a'), node('b')], { ...options, runMissing: true }, signal)
    expect(gate.open).toBe(true)
    expect(calls.map(({ node: name, check, parameters }) => [name, check, parameters.count])).toContainEqual([
      'a',
      'ping',
      3,
    ])
    expect(calls.map((call) => call.node)).not.toContain('b')
  })

  test('waits for the end of a check that runs for another caller', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    answer = async ({ check }) => {
      await released
      return checkResult(check, 'pass')
    }
    const health = healthOf()
    const running = runAll(health, { nodes: ['a'] })
    await time.settle()
    expect(calls).toHaveLength(1)
    const gate = health.gate([node('a')], { ...options, checks: ['ping'], runMissing: true }, signal)
    await time.settle()
    release()
    await finish(running)
    expect((await finish(gate)).open).toBe(true)
    expect(overlaps).toEqual([])
  })
})

test('a request fails when the store cannot store its results', async () => {
  const health = healthOf()
  store.putChecks = () => {
    throw new Error('the disk is full')
  }
  await expect(runNow(health, {})).rejects.toThrow('the disk is full')
})
