/**
 * Injects faults into a lab, one after the other, and prints the times until detection, verdict and recovery, and the
 * verdicts. `node test/bench/faults.bench.ts [nodes] [rounds] [parts of names, as a,b]`.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { startTestFleet } from '../testing/test-fleet.ts'
import { printGaps, printSeries } from './fault-aftermath.ts'
import { watchDashboard } from './fault-dashboard.ts'
import { type Figures, runTrial, type Trial, tableOf } from './fault-trial.ts'
import { isHealthy, watchMesh } from './fault-watch.ts'
import { expectAtMost } from './figures.ts'

const [nodes = 6, rounds = 2] = process.argv.slice(2, 4).map(Number)
const only = (process.argv[4] ?? '').split(',')
const SETTLE_SECONDS = 20
const FLAP_SECONDS = 5

const fleet = await startTestFleet({ nodes, racks: 2, settings: { default_schedules: true } })
const watch = watchMesh(fleet)
const dashboard = await watchDashboard(fleet.http)

const flap = async (text: string, seconds: number) => {
  for (let at = 0; at < seconds; at += 2 * FLAP_SECONDS) {
    await fleet.fault(text)
    await sleep(FLAP_SECONDS * 1000)
    await fleet.heal()
    await sleep(FLAP_SECONDS * 1000)
  }
}
const kill = async (name: string, signal: NodeJS.Signals) => process.kill(await fleet.pidOf(name), signal)

type Place = { node: string; name: string; peer: string; rack: string }

const faults = ({ node, name, peer, rack }: Place): Trial[] => {
  const own = { kind: 'INTERFACE', node, interface: name } as const
  const broken = (
    what: string,
    text: string,
    given: Partial<Trial> & Pick<Trial, 'holdSeconds' | 'withinSeconds'>,
  ): Trial => ({
    name: what,
    inject: () => fleet.fault(text),
    undo: () => fleet.heal(),
    expected: own,
    ...given,
  })
  const short = { holdSeconds: 12, withinSeconds: 20 }
  const directed = { holdSeconds: 30, withinSeconds: 30, isDirected: true }
  const lossy = { holdSeconds: 45, withinSeconds: 90 }
  return [
    broken('cut, link down', `cut:${node}:${name}:both`, short),
    broken('cut, dropped both ways', `loss:${node}:${name}:both:100%`, short),
    broken('cut, tx only', `cut:${node}:${name}:tx`, { ...directed, expected: { ...own, direction: 'TX' } }),
    broken('cut, rx only', `cut:${node}:${name}:rx`, { ...directed, expected: { ...own, direction: 'RX' } }),
    broken('loss 20 % both', `loss:${node}:${name}:both:20%`, lossy),
    broken('loss 20 % tx', `loss:${node}:${name}:tx:20%`, {
      ...lossy,
      holdSeconds: 75,
      isDirected: true,
      expected: { ...own, direction: 'TX' },
    }),
    broken('loss 20 % rx', `loss:${node}:${name}:rx:20%`, {
      ...lossy,
      holdSeconds: 75,
      isDirected: true,
      expected: { ...own, direction: 'RX' },
    }),
    broken('loss 5 % both', `loss:${node}:${name}:both:5%`, lossy),
    broken('loss 1 % both', `loss:${node}:${name}:both:1%`, { holdSeconds: 45, withinSeconds: 90 }),
    broken('loss 1 % rx', `loss:${node}:${name}:rx:1%`, { holdSeconds: 45, withinSeconds: 90 }),
    broken('one path cut', `cut:${node}/${peer}:${name}:both`, {
      ...short,
      expected: { kind: 'LINK', node, peer },
    }),
    broken('rack uplink cut', `cut:${rack}:${name}:both`, { ...short, expected: { kind: 'RACK_UPLINK' } }),
    broken('slow path, 1 Mbit/s', `rate:${node}:${name}:both:1M`, { ...short, expected: undefined }),
    {
      name: 'flap 5 s on, 5 s off',
      inject: () => flap(`cut:${node}:${name}:both`, 60),
      undo: () => fleet.heal(),
      expected: own,
      ...short,
    },
    {
      name: 'agent killed, restarted',
      inject: () => kill(node, 'SIGKILL'),
      undo: () => fleet.restartAgent(node),
      ...short,
    },
    {
      name: 'node down',
      inject: async () => {
        for (const each of ['net0', 'net1']) await fleet.fault(`cut:${node}:${each}:both`)
        await kill(node, 'SIGKILL')
      },
      undo: async () => {
        await fleet.heal()
        await fleet.restartAgent(node)
      },
      expected: { kind: 'NODE', node },
      ...short,
      holdSeconds: 20,
    },
    {
      name: 'collector stopped 20 s',
      inject: () => kill('collector', 'SIGSTOP'),
      undo: () => kill('collector', 'SIGCONT'),
      ...short,
      holdSeconds: 20,
    },
    {
      name: 'collector kill -9, 30 s',
      inject: () => kill('collector', 'SIGKILL'),
      undo: () => fleet.restartCollector(),
      ...short,
      holdSeconds: 30,
    },
    {
      name: 'collector SIGTERM',
      inject: () => kill('collector', 'SIGTERM'),
      undo: () => fleet.restartCollector(),
      ...short,
      holdSeconds: 10,
    },
    {
      name: 'Prometheus stopped 30 s',
      inject: () => dashboard.stop(),
      undo: () => dashboard.restart(),
      ...short,
      holdSeconds: 30,
    },
  ]
}

const placeOf = (count: number): Place => {
  const number = (count % nodes) + 1
  const peer = `node-${((number + (nodes >> 1) - 1) % nodes) + 1}`
  return { node: `node-${number}`, name: `net${count % 2}`, peer, rack: `rack-${(count % 2) + 1}` }
}

const results = new Map<string, Figures[]>()
const begun: { name: string; atMs: number }[] = []
try {
  const up = await watch.until(isHealthy, 60)
  if (!up) throw new Error('the mesh did not come up')
  await sleep(SETTLE_SECONDS * 1000)
  const names = faults(placeOf(0)).flatMap(({ name }) =>
    only.some((part) => name.includes(part)) ? [name] : [],
  )
  for (let round = 0; round < rounds; round++) {
    // A path that was bad recently recovers later, so each fault gets a place that was healthy for some time.
    for (const [index, name] of names.entries()) {
      const place = placeOf(round + index)
      const trial = faults(place).find((each) => each.name === name)!
      console.log(`${trial.name}: ${place.node} ${place.name} (towards ${place.peer}, ${place.rack})`)
      begun.push({ name, atMs: Date.now() })
      results.set(name, [...(results.get(name) ?? []), await runTrial(fleet, watch, dashboard, trial)])
    }
    const heads = `${nodes} nodes, 2 interfaces, 2 racks, default mesh; seconds as min/median/max`
    console.log(`\n${heads}, after round ${round + 1}\n${tableOf(results)}\n`)
  }
  await printGaps(fleet, begun)
  await printSeries(fleet)
  const dead = [...results].filter(([name]) => name.startsWith('cut,')).flatMap(([, all]) => all)
  if (dead.length > 0)
    expectAtMost('detection of a dead path', Math.max(...dead.map(({ seen }) => seen ?? 99)), 3, ' s')
  const wrong = [...results.values()].flat().filter(({ isRight }) => !isRight)
  expectAtMost('trials with wrong verdicts', wrong.length, 0)
} finally {
  await watch.close()
  await dashboard.close()
  fleet.client.close()
  await fleet.close()
}
