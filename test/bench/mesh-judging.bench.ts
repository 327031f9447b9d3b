/** Time to evaluate the mesh of a large fleet of which half is bad. The evaluation blocks the event loop. */

import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Verdict } from '../../collector/diagnosis/verdict.ts'
import { createDirections } from '../../collector/mesh/judge/directions.ts'
import { createPathResults } from '../../collector/mesh/judge/path-results.ts'
import { createBroadVerdictHold } from '../../collector/mesh/judge/recovering-verdicts.ts'
import { judgeMesh } from '../../collector/mesh/judge/verdicts.ts'
import { createInterfaceStates, type LossyInterface } from '../../collector/mesh/state/interface-state.ts'
import { createPaths, type MeasuredPath } from '../../collector/mesh/state/paths.ts'
import { expectAtMost } from './figures.ts'

const NODES = Number(process.env.NODES ?? 3000)
const PEERS = 21
const NOW_MS = 1_800_000_000_000
const SECOND = NOW_MS / 1000 - 1
const SENT = 60
const GOAL_SECONDS = 1

/** Every second node is dead, has an interface down or loses 10 %, or every second path is cut. */
const KINDS = ['dead', 'interface', 'lossy', 'paths'] as const
type Kind = (typeof KINDS)[number]

const nameOf = (index: number) => `node-${index}`
const isBad = (node: string) => Number(node.slice(5)) % 2 === 0

const fleetOf = (kind: Kind) => {
  const paths = createPaths({ random: () => 0.5, initialState: () => undefined })
  const given = { mesh: 'mesh', staleAfterMs: 30_000, intervalSeconds: 1, echoesPerSecond: 1 }
  for (let id = 0; id < NODES * PEERS; id++) {
    const [index, shift] = [Math.floor(id / PEERS), (id % PEERS) + 1]
    const key = {
      source: nameOf(index),
      destination: nameOf((index + shift * 7) % NODES),
      interface: 'net0',
    }
    paths.add(id, { key, from: '', address: '' }, given)
  }
  const measured: MeasuredPath[] = []
  for (const path of paths.all()) {
    const [isFromBad, isToBad] = [isBad(path.source.node), isBad(path.destination.node)]
    const isMute = (kind === 'dead' || kind === 'interface') && isFromBad
    if (isMute) continue
    const isDown = kind === 'paths' ? path.id % 2 === 0 : kind !== 'lossy' && isToBad
    const lost = isDown ? SENT : kind === 'lossy' && (isFromBad || isToBad) ? SENT / 10 : 0
    Object.assign(path.health, { sentNow: SENT, lastEndMs: NOW_MS })
    if (lost > 0)
      Object.assign(path.health, { lostNow: lost, lossMs: NOW_MS, trailingLost: isDown ? lost : 1 })
    const state = isDown
      ? PathState.PATH_STATE_DOWN
      : lost > 0
        ? PathState.PATH_STATE_LOSSY
        : PathState.PATH_STATE_UP
    path.health.state = state
    path.sourceWindow.add('tx', SECOND, SENT, lost, isDown ? 0 : lost)
    path.destinationWindow.add('rx', SECOND, SENT, lost, isDown ? 0 : lost)
    measured.push({ path, state, isLoaded: false })
  }
  return { paths, measured }
}

const judge = (kind: Kind): { seconds: number; verdicts: number } => {
  const { paths, measured } = fleetOf(kind)
  const silent = new Set(
    kind === 'dead' ? Array.from({ length: NODES }, (_, i) => nameOf(i)).filter(isBad) : [],
  )
  const interfaceProblem = (node: string) => (kind === 'interface' && isBad(node) ? 'net0 is down' : '')
  const lost = measured
    .filter(({ state }) => state === PathState.PATH_STATE_LOSSY)
    .slice(0, 20_000)
    .map(({ path: { id, source, destination } }) => {
      const ends = { source: source.node, destination: destination.node, interface: source.interface }
      return { path: id, ...ends, second: SECOND, count: SENT / 10 }
    })
  const figures = { sentCount: 2520, lostCount: 252, peerCount: PEERS, seconds: 60, holdSeconds: 60 }
  const times = { seenSecond: SECOND, lossSecond: SECOND }
  const lossy: LossyInterface[] = Array.from({ length: kind === 'lossy' ? NODES / 2 : 0 }, (_, index) => ({
    node: nameOf(2 * index),
    interface: 'net0',
    ...figures,
    ...times,
  }))
  const directions = createDirections({
    paths: paths.all,
    interfaces: paths.interfaces,
    echoes: { between: (_node, fromMs, toMs) => ({ fromMs, toMs, count: 1000 }) },
    delivers: (node) => !silent.has(node),
    interfaceProblem,
  })
  const racks = new Map(
    Array.from({ length: NODES }, (_, index) => [nameOf(index), `r${Math.floor(index / 40)}`]),
  )
  const states = createInterfaceStates()
  const holdBroadVerdicts = createBroadVerdictHold()
  let found: Verdict[] = []
  const start = process.cpuUsage().user
  const rounds = 2
  for (let round = 0; round < rounds; round++) {
    states.update(paths.interfaces(), () => lost, SECOND + 1)
    const given = {
      measured,
      // New in each round: every path has changed since the last one.
      results: createPathResults(paths.recent),
      silent,
      interfaceProblem,
      lossy,
      lossSince: () => undefined,
      shiftMs: 0,
      racks,
      previous: found,
      nowMs: NOW_MS,
    }
    found = holdBroadVerdicts(judgeMesh(given), found, NOW_MS)
    directions.addTo(found, NOW_MS)
  }
  return { seconds: (process.cpuUsage().user - start) / 1e6 / rounds, verdicts: found.length }
}

for (const kind of KINDS) {
  const { seconds, verdicts } = judge(kind)
  expectAtMost(
    `${NODES} nodes, half bad (${kind}), ${verdicts} verdicts: CPU of a judgement`,
    seconds,
    GOAL_SECONDS,
    ' s',
  )
}
