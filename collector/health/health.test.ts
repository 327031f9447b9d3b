import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import { systemClock } from '../../lib/clock.ts'
import { createLogger } from '../../lib/logging.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import type { PeriodicCheck } from '../inventory/config.ts'
import { openSqliteStore } from '../store/sqlite/store.ts'
import type { Store } from '../store/store.ts'
import { createHealth, type Health } from './health.ts'
import { checkResult } from './testing/samples.ts'

type Call = { node: string; check: string; parameters: Record<string, unknown> }

let store: Store
let calls: Call[]
let overlaps: string[]
let [running, mostAtOnce] = [0, 0]
let listed = 0
let answer: (call: Call) => CheckResult | Promise<CheckResult>
const opened: Health[] = []

beforeEach(() => {
  store = openSqliteStore(':memory:')
  calls = []
  overlaps = []
  running = 0
  mostAtOnce = 0
  listed = 0
  answer = ({ check }) => checkResult(check, 'pass')
})
afterEach(async () => {
  for (const health of opened.splice(0)) await health.close()
  store.close()
})

const connection = (node: string): AgentConnection =>
  ({
    check: {
      listChecks: async () => {
        listed++
        return { checks: ['interfaces', 'ping'].map((name) => ({ name, invasive: false, reasons: [] })) }
      },
      runCheck: async ({ check, parameters }: Call) => {
        const call = { node, check, parameters }
        calls.push(call)
        mostAtOnce = Math.max(mostAtOnce, ++running)
        try {
          return { result: await answer(call) }
        } finally {
          running--
        }
      },
    },
  }) as unknown as AgentConnection

const node = (name: string, state: NodeState = NodeState.NODE_STATE_READY): Node =>
  Node.fromPartial({
    name,
    state,
    interfaces: ['net0'],
    labels: { zone: name === 'a' ? 'x' : 'y' },
    description: { interfaces: [{ name: 'net0', addresses: [`10.0.0.${name.charCodeAt(0)}/24`] }] },
  })

const healthOf = (periodic: PeriodicCheck[] = [], nodes = [node('a'), node('b')]): Health => {
  const health = createHealth(
    {
      clock: systemClock,
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
const runAll = async (health: Health, request: Partial<Parameters<Health['run']>[0]>) => {
  const all = []
  for await (const each of health.run({ nodes: [], checks: ['ping'], parameters: {}, ...request }, signal))
    all.push(each)
  return all
}

describe('never twice at once', () => {
  test('ten thousand overlapping requests run each check once a node; the rest is dropped and counted', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    answer = async ({ check }) => {
      await released
      return checkResult(check, 'pass')
    }
    const health = healthOf()
    const requests = Array.from({ length: 10_000 }, () => runAll(health, {}))
    await expect.poll(() => overlaps.length).toBe(2 * 9_999)
    expect(calls).toHaveLength(2)
    expect(listed).toBe(2)
    expect(health.list([node('a')])[0]!.runningChecks).toEqual(['ping'])
    release()
    const results = (await Promise.all(requests)).flat()
    const dropped = results.filter(({ result }) => result.status === CheckStatus.CHECK_STATUS_ERROR)
    expect(dropped).toHaveLength(2 * 9_999)
    expect(dropped[0]!.result.reasons).toEqual([
      expect.stringMatching(/^ping runs on [ab] already; this start was dropped$/),
    ])
    // What was dropped is nobody's last result.
    expect(store.checks().map(({ record }) => record.result!.status)).toEqual([
      CheckStatus.CHECK_STATUS_PASS,
      CheckStatus.CHECK_STATUS_PASS,
    ])
    expect(health.list([node('a')])[0]!.runningChecks).toEqual([])
    await runAll(health, {})
    expect(calls).toHaveLength(4)
  })

  test('an interval shorter than the check drops what overlaps, and goes on', async () => {
    answer = async ({ check }) => {
      await systemClock.sleep(2.5)
      return checkResult(check, 'pass')
    }
    healthOf([{ check: 'ping', every: 1, nodes: ['a'], parameters: {} }])
    await expect.poll(() => calls.length, { timeout: 15_000, interval: 50 }).toBeGreaterThanOrEqual(2)
    expect(mostAtOnce).toBe(1)
    expect(overlaps.length).toBeGreaterThanOrEqual(1)
    expect(new Set(overlaps)).toEqual(new Set(['a ping']))
  })
})

describe('periodic checks', () => {
  test('run on the nodes that their selectors name, with their parameters and the fleet filled in', async () => {
    healthOf([
      { check: 'ping', every: 1, nodes: ['zone=y'], parameters: { count: 5 } },
      { check: 'interfaces', every: 1, nodes: [], parameters: {} },
    ])
    const seen = (name: string, check: string) =>
      calls.filter((call) => call.node === name && call.check === check).length
    await expect
      .poll(() => [seen('b', 'ping'), seen('a', 'interfaces'), seen('b', 'interfaces')], { timeout: 10_000 })
      .toSatisfy((counts: number[]) => counts.every((count) => count >= 2))
    expect(seen('a', 'ping')).toBe(0)
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

  test('leave silent nodes alone', async () => {
    const nodes = [node('a'), node('b', NodeState.NODE_STATE_SILENT)]
    healthOf([{ check: 'ping', every: 1, nodes: [], parameters: {} }], nodes)
    await expect.poll(() => calls.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2)
    expect(calls.map((call) => call.node)).not.toContain('b')
  })
})

describe('the gate', () => {
  const open = { maxAgeSeconds: 60, runMissing: false, checks: [] }

  test('needs what can run there, runs what is missing when told to, and then answers', async () => {
    const health = healthOf()
    const nodes = [node('a'), node('b')]
    const before = await health.gate(nodes, open, signal)
    expect(before).toMatchObject({ open: false, nodes: [{ unknown: true }, { unknown: true }] })
    expect(before.nodes[0]!.reasons).toEqual([
      'check interfaces has not been run',
      'check ping has not been run',
    ])
    expect(calls).toEqual([])
    answer = ({ node: name, check }) => checkResult(check, name === 'b' && check === 'ping' ? 'fail' : 'pass')
    const after = await health.gate(nodes, { ...open, runMissing: true }, signal)
    expect(after.nodes).toMatchObject([
      { node: 'a', open: true },
      { node: 'b', open: false, unknown: false, reasons: ['check ping fails: ping says fail'] },
    ])
    expect(calls).toHaveLength(4)
    await health.gate(nodes, { ...open, runMissing: true }, signal)
    expect(calls, 'nothing is missing any more').toHaveLength(4)
  })

  test('needs the checks of the config where there are some', async () => {
    const health = healthOf([{ check: 'ping', every: 86_400, nodes: ['zone=x'], parameters: { count: 3 } }])
    const gate = await health.gate([node('a'), node('b')], { ...open, runMissing: true }, signal)
    expect(gate.open).toBe(true)
    expect(calls.map(({ node: name, check, parameters }) => [name, check, parameters.count])).toContainEqual([
      'a',
      'ping',
      3,
    ])
    expect(calls.map((call) => call.node)).not.toContain('b')
  })

  test('waits for a check that is being run rather than dropping its own', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    answer = async ({ check }) => {
      await released
      return checkResult(check, 'pass')
    }
    const health = healthOf()
    const running = runAll(health, { nodes: ['a'] })
    await expect.poll(() => calls.length).toBe(1)
    const gate = health.gate([node('a')], { ...open, checks: ['ping'], runMissing: true }, signal)
    await systemClock.sleep(0.05)
    release()
    await running
    expect((await gate).open).toBe(true)
    expect(overlaps).toEqual([])
  })
})

test('a store that cannot keep a result is told, not hidden', async () => {
  const health = healthOf()
  store.putChecks = () => {
    throw new Error('the disk is full')
  }
  await expect(runAll(health, {})).rejects.toThrow('the disk is full')
})
