import { afterEach, describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { healthyNetwork, type SimulatedNetwork } from './agents.ts'
import { iperfMesh, pingMesh, type Simulation, startSimulation } from './simulation.ts'

let simulation: Simulation
const start = async (count: number, network: SimulatedNetwork) => {
  simulation = await startSimulation(count, network)
  return simulation
}
afterEach(() => simulation.close())

describe('a simulated fleet', () => {
  test('32 nodes, 992 pairs: all measured, one result each, nobody blamed', async () => {
    const { run, results } = await start(32, healthyNetwork)
    const done = await run(iperfMesh)
    expect(done.state).toBe(RunState.RUN_STATE_COMPLETED)
    expect(done.plan).toMatchObject({ pairCount: 992, roundCount: 31, lowerBound: 31, certified: true })
    expect(done.progress).toMatchObject({ doneCount: 992, measuredCount: 992 })
    const stored = await results(done)
    expect(stored).toHaveLength(992)
    expect(new Set(stored.map(({ outcome }) => outcome))).toEqual(new Set([Outcome.OUTCOME_MEASURED]))
    expect(done.verdicts).toEqual([])
  })

  test('a slow sender, a slow receiver and a lossy node are named, each on its own interface, and nobody else', async () => {
    const { run } = await start(24, {
      sends: (node, name) => (node === 3 && name === 'net1' ? 4e9 : 10e9),
      receives: (node, name) => (node === 17 && name === 'net0' ? 5e9 : 10e9),
      loses: (source, destination, name) => (name === 'net0' && [source, destination].includes(8) ? 0.2 : 0),
    })
    const throughput = await run({ ...iperfMesh, interfaces: [] })
    const blamed = throughput.verdicts.map(
      ({ node, interface: name, direction }) => `${node} ${name} ${direction}`,
    )
    expect(blamed.sort()).toEqual(['s17 net0 2', 's3 net1 1'])
    const loss = await run(pingMesh(50))
    expect(loss.verdicts.map(({ node, interface: name }) => `${node} ${name}`)).toEqual(['s8 net0'])
  })

  test('a rack uplink takes no more flows than its cap', async () => {
    const { run } = await start(24, healthyNetwork)
    const done = await run({
      ...iperfMesh,
      caps: { perNodeCount: 0, perUplinkCount: 4, totalCount: 0, exclusiveNodes: false },
    })
    expect(done.plan!.bottleneck).toMatch(/rack/)
    expect(done.plan!.ratio).toBeGreaterThanOrEqual(0.95)
    expect(done.progress!.measuredCount).toBe(24 * 23)
  })
})
