import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import { createRotation } from '../../collector/mesh/assign/rotation.ts'
import { openSqliteStore } from '../../collector/store/sqlite/store.ts'
import { type MeshSimulation, startMeshSimulation } from './mesh-simulation.ts'

let simulation: MeshSimulation
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-mesh-'))
})
afterEach(async () => {
  await simulation?.close()
  rmSync(folder, { recursive: true, force: true })
})

const figureOf = async (name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await simulation.metrics())?.[1] ?? Number.NaN)

const DAY_SECONDS = 86_400
/** Longer than the test takes, whatever the machine. */
const QUIET_SECONDS = 1200

/**
 * A moment, in Unix milliseconds, after which no node goes over to other peers for a while. Each does so once an epoch,
 * at a time of its own; one that is cut off then has new paths that nothing has been measured of, where this test
 * counts the ones that it had.
 */
const quietMoment = (count: number): number => {
  const rotation = createRotation({ shiftCount: 1, epochSeconds: DAY_SECONDS })
  const nodes = Array.from({ length: count }, (_, node) => `s${node}`)
  rotation.setMembers(nodes)
  const isQuiet = (from: number) =>
    nodes.every((node) => rotation.epochOf(node, from) === rotation.epochOf(node, from + QUIET_SECONDS))
  let seconds = Math.ceil(Date.now() / 1000)
  while (!isQuiet(seconds)) seconds += 10
  return seconds * 1000
}

const numberOf = (end: Endpoint | undefined): number => Number(end?.node.slice(1))

test('half of 100 agents die at once and come back at once: seen, named, bounded, and over again', async () => {
  const [COUNT, PEERS] = [100, 3]
  // A fleet that takes turns: each node has 3 peers at a time.
  simulation = await startMeshSimulation(COUNT, {
    factor: 2,
    startMs: quietMoment(COUNT),
    spec: { fullMeshLimit: 1, shiftCount: PEERS, epoch: { seconds: DAY_SECONDS, nanos: 0 } },
  })
  const { agents, events, until, setFault, mesh, client } = simulation
  await until('all paths are up', async () => (await mesh()).upCount === COUNT * PEERS)
  events.length = 0
  const isDead = (node: number) => node % 2 === 1
  setFault((from, to) => (isDead(from) || isDead(to) ? 'lost' : undefined))
  await Promise.all(agents.filter((_, node) => isDead(node)).map((agent) => agent.cutOff()))
  await until(
    'every path of a dead node is stale, and every path of a living one to it is down',
    async () => {
      const { paths } = await client().listPaths({ pageSize: 5000 })
      expect(paths).toHaveLength(COUNT * PEERS)
      return paths.every(({ source, destination, state }) => {
        if (isDead(numberOf(source))) return state === PathState.PATH_STATE_STALE
        return !isDead(numberOf(destination)) || state === PathState.PATH_STATE_DOWN
      })
    },
  )
  await until('some are named', async () => (await simulation.verdicts()).length > 0)
  // One event of each agent, and one of each path to it that a living one probes: no more than that.
  const silences = () => events.filter(({ destination }) => !destination)
  await until('each silence is told', () => silences().length >= COUNT / 2)
  const silent = silences()
  expect(silent).toHaveLength(COUNT / 2)
  expect(events.length - silent.length).toBeLessThanOrEqual((COUNT / 2) * PEERS)
  // A dead node, or the path to one: nobody who lives is blamed.
  for (const { node, peer, message } of await simulation.verdicts())
    expect([message, [node, peer].some((name) => isDead(Number(name.slice(1))))]).toEqual([message, true])
  // The living ones go on being measured, and nothing piles up.
  const before = await figureOf('meshgauge_mesh_windows_total')
  await until(
    'more is measured',
    async () => (await figureOf('meshgauge_mesh_windows_total')) > before + COUNT / 2,
  )
  expect(await figureOf('meshgauge_mesh_waiting_windows')).toBeLessThan(COUNT * PEERS)

  setFault(() => undefined)
  await Promise.all(agents.filter((_, node) => isDead(node)).map((agent) => agent.restore()))
  await until('all paths are up again', async () => (await mesh()).upCount === COUNT * PEERS)
  await until('what they held is safe', () => agents.every((agent) => agent.mesh().heldCount() <= 3))
  await until('nobody is blamed any more', async () => (await simulation.verdicts()).length === 0)
  // What they measured while they were cut off came late, with its own times: DOWN and UP of each of their paths.
  const late = () =>
    events.filter(
      ({ source, destination, state }) =>
        destination && isDead(numberOf(source)) && state === PathState.PATH_STATE_DOWN,
    )
  await until('that is told', () => late().length >= (COUNT / 2) * PEERS)
  expect(late()).toHaveLength((COUNT / 2) * PEERS)
  expect(simulation.collector().meshes.problems()).toEqual([])
})

test('a collector that is killed before its first window is stored: numbers of paths stay what they were', async () => {
  const file = join(folder, 'store.db')
  // Its first window is a minute away.
  const spec = { window: { seconds: 60, nanos: 0 } }
  simulation = await startMeshSimulation(4, { store: file, factor: 1, spec })
  const { agents, until, client } = simulation
  await until('the agents have their targets', () =>
    agents.every((agent) => agent.mesh().targetCount() === 3),
  )
  // What a kill leaves: the file and its log as they are now.
  const copy = join(folder, 'killed.db')
  copyFileSync(file, copy)
  copyFileSync(`${file}-wal`, `${copy}-wal`)
  const killed = openSqliteStore(copy)
  const numbers = new Map([...killed.paths()].map(([id, key]) => [JSON.stringify(key), id]))
  // Whoever asks first in another order gets the same numbers all the same.
  for (const [key, id] of [...numbers].reverse()) expect(killed.pathId(JSON.parse(key))).toBe(id)
  expect(numbers.size).toBe(12)
  expect([...killed.paths().keys()].every((id) => killed.history(id, 0, 1e15, 0).windows.length === 0)).toBe(
    true,
  )
  killed.close()
  expect((await client().listMeshEvents({})).events).toEqual([])
})

test('the ledger knows what the mesh measured, also after a restart', async () => {
  const file = join(folder, 'store.db')
  const startMs = Date.now()
  simulation = await startMeshSimulation(5, { store: file, startMs })
  await simulation.until('all paths are up', async () => (await simulation.mesh()).upCount === 20)
  await simulation.stopCollector()
  const store = openSqliteStore(file)
  const measured = new Map(store.coverage('ping'))
  store.close()
  await simulation.startCollector()
  expect(measured.size).toBe(20)
  const now = simulation.clock.now().getTime()
  for (const milliseconds of measured.values()) {
    expect(milliseconds).toBeGreaterThanOrEqual(startMs)
    expect(milliseconds).toBeLessThanOrEqual(now)
  }
})

test('what an agent has thrown away is told of once, also by a collector that was restarted', async () => {
  simulation = await startMeshSimulation(2, { store: join(folder, 'store.db') })
  const { agents, until } = simulation
  const dropped = () => figureOf('meshgauge_mesh_windows_dropped_total')
  await until('all paths are up', async () => (await simulation.mesh()).upCount === 2)
  agents[0]!.mesh().drop(5)
  await until('it is told', async () => (await dropped()) === 5)
  await simulation.stopCollector()
  agents[0]!.mesh().drop(2)
  await simulation.startCollector()
  await until('what came meanwhile is told, and no more', async () => (await dropped()) > 0)
  expect(await dropped()).toBe(2)
})
