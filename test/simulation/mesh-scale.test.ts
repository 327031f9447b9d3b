import { expect, test } from 'vitest'
import type { PingMeshResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import { createSqliteStore } from '../../collector/store/sqlite/store.ts'
import { type Harness, inWorld } from './harness.ts'

const figureOf = async ({ collector }: Harness, name: string): Promise<number> => {
  const text = await collector.parts().metrics.registry.metrics()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}
const numberOf = (end: Endpoint | undefined): number => Number(end?.node.slice(1))

test('50 of 100 nodes die and come back at once: each is seen, some are named, queues stay short, and all recovers', async () => {
  const [COUNT, PEERS] = [100, 3]
  // Each node has 3 peers at a time, and the same ones for the whole test.
  const mesh = { fullMeshLimit: 1, shiftCount: PEERS, epochSeconds: 86_400, intervalSeconds: 1 }
  await inWorld({ nodes: COUNT, mesh }, async (harness) => {
    const { agents, collector, events, fabric, until, verdicts } = harness
    await until('all paths are up', () => harness.mesh().upCount === COUNT * PEERS)
    events.length = 0
    const isDead = (node: number) => node % 2 === 1
    const dead = agents.filter(({ node }) => isDead(node))
    for (const { node, link } of dead) {
      fabric.setFault({ node, interface: 0 }, { sendLossRatio: 1, receiveLossRatio: 1 })
      link.cut()
    }
    const paths = () => [...collector.parts().meshes.paths()]
    await until('every path of a dead node is stale, and every path of a living one to it is down', () => {
      expect(paths()).toHaveLength(COUNT * PEERS)
      return paths().every(({ path, state }) => {
        if (isDead(numberOf(path.source))) return state === PathState.PATH_STATE_STALE
        return !isDead(numberOf(path.destination)) || state === PathState.PATH_STATE_DOWN
      })
    })
    await until('some are named', () => verdicts().length > 0)
    // One event of each agent, and one of each path to it that a living one probes: no more than that.
    const silences = () => events.filter(({ destination }) => !destination)
    await until('each silence is reported', () => silences().length >= COUNT / 2)
    expect(silences()).toHaveLength(COUNT / 2)
    expect(events.length - silences().length).toBeLessThanOrEqual((COUNT / 2) * PEERS)
    // Each verdict is about a dead node or the path to one.
    for (const { node, peer, message } of verdicts())
      expect([message, [node, peer].some((name) => isDead(Number(name.slice(1))))]).toEqual([message, true])
    // The other nodes are still measured, and no queue grows.
    const before = await figureOf(harness, 'meshgauge_mesh_windows_total')
    await harness.clock.sleep(60)
    expect(await figureOf(harness, 'meshgauge_mesh_windows_total')).toBeGreaterThan(before + COUNT / 2)
    expect(await figureOf(harness, 'meshgauge_mesh_waiting_windows')).toBeLessThan(COUNT * PEERS)

    for (const { node, link } of dead) {
      fabric.setFault({ node, interface: 0 }, undefined)
      link.heal()
    }
    await until('all paths are up again', () => harness.mesh().upCount === COUNT * PEERS)
    await until('no verdict is left', () => verdicts().length === 0)
    // What they measured while they were cut off came late, with its own times: DOWN and UP of each of their paths.
    const late = () =>
      events.filter(
        ({ source, destination, state }) =>
          destination && isDead(numberOf(source)) && state === PathState.PATH_STATE_DOWN,
      )
    await until('that is reported', () => late().length >= (COUNT / 2) * PEERS)
    expect(late()).toHaveLength((COUNT / 2) * PEERS)
    expect(collector.parts().meshes.problems()).toEqual([])
  })
})

test('a collector that is killed before its first window is stored: numbers of paths stay what they were', () =>
  // Its first window is a minute away.
  inWorld({ nodes: 4, mesh: { windowSeconds: 60, intervalSeconds: 1 } }, async (harness) => {
    const { collector, disk, until } = harness
    await until('the agents have their targets', () => harness.mesh().streamingCount === 4)
    collector.kill()
    const killed = createSqliteStore(disk.open())
    const numbers = new Map([...killed.paths()].map(([id, key]) => [JSON.stringify(key), id]))
    // The order of the requests does not change the numbers.
    for (const [key, id] of [...numbers].reverse()) expect(killed.pathId(JSON.parse(key))).toBe(id)
    expect(numbers.size).toBe(12)
    for (const id of killed.paths().keys()) expect(killed.history(id, 0, 1e15, 0).windows).toEqual([])
    expect(killed.meshEvents({ fromMs: 0, toMs: 4e12 }, { size: 10, token: '' }).events).toEqual([])
  }))

test('the ledger knows what the mesh measured, also after a restart', () =>
  inWorld({ nodes: 5, mesh: {} }, async (harness) => {
    const { collector, disk, until, startCollector } = harness
    const startMs = collector.clock().now().getTime()
    await until('all paths are up', () => harness.mesh().upCount === 20)
    await collector.shutDown()
    const measured = new Map(createSqliteStore(disk.open()).coverage('ping'))
    startCollector()
    expect(measured.size).toBe(20)
    for (const milliseconds of measured.values()) {
      expect(milliseconds).toBeGreaterThanOrEqual(startMs)
      expect(milliseconds).toBeLessThanOrEqual(collector.clock().now().getTime())
    }
  }))

test('windows that an agent has discarded are counted once, also by a collector that was restarted', () => {
  let discarded = 0
  const observer = {
    tamper: (_call: unknown, message: unknown) => {
      const { event } = message as PingMeshResponse
      if (event?.$case !== 'batch') return [message]
      return [{ event: { ...event, value: { ...event.value, droppedCount: discarded } } }]
    },
  }
  return inWorld({ nodes: 2, mesh: {}, observer }, async (harness) => {
    const { collector, until, clock, startCollector } = harness
    const counted = () => figureOf(harness, 'meshgauge_mesh_windows_dropped_total')
    await until('all paths are up', () => harness.mesh().upCount === 2)
    discarded = 3
    await clock.sleep(15)
    // Both agents report 3.
    expect(await counted()).toBe(6)
    await collector.shutDown()
    discarded = 5
    startCollector()
    await clock.sleep(30)
    expect(await counted()).toBe(4)
  })
})
