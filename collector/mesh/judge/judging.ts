import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { MeshAgents } from '../agents/mesh-agents.ts'
import type { MeshesDeps } from '../deps.ts'
import type { statesBefore } from '../state/events.ts'
import type { Ingest } from '../state/ingest.ts'
import { createInterfaceStates, type LossyInterface } from '../state/interface-state.ts'
import type { OwnLoad } from '../state/own-load.ts'
import { clearWithInterface } from '../state/path-state.ts'
import type { Paths } from '../state/paths.ts'
import { createDirections } from './directions.ts'
import type { EventPublisher } from './event-publisher.ts'
import { createJudgement } from './judgement.ts'
import { createStates } from './states.ts'

type Deps = Pick<MeshesDeps, 'clock' | 'observer'> & {
  before: Pick<ReturnType<typeof statesBefore>, 'lossyInterfaces'>
  paths: Paths
  agents: MeshAgents
  ingest: Pick<Ingest, 'lostSince'>
  ownLoad: OwnLoad
  telling: Pick<EventPublisher, 'ofInterface' | 'ofPath'>
  racks: () => ReadonlyMap<string, string>
}

/** What the windows mean: how paths and interfaces are, and who is to blame. */
export const createJudging = (deps: Deps) => {
  const { clock, observer, before, paths, agents, ingest, ownLoad, telling } = deps
  const secondOf = (milliseconds: number) => Math.floor(milliseconds / 1000)
  const nowSecond = () => secondOf(clock.now().getTime())
  const states = createStates({ clock, paths, agents, ownLoad })
  const interfaces = createInterfaceStates()
  for (const { node, interface: name, timeMs } of before.lossyInterfaces) {
    interfaces.restore(node, name, secondOf(timeMs), nowSecond())
  }
  const clearPathsOf = ({ node, interface: name, lossSecond }: LossyInterface): void => {
    const nowMs = clock.now().getTime()
    for (const path of paths.all()) {
      const { source, destination, health } = path
      if (source.interface !== name || (source.node !== node && destination.node !== node)) continue
      const change = clearWithInterface(health, (lossSecond + 1) * 1000, nowMs)
      if (change) telling.ofPath(path, change.timeMs, change, '')
    }
  }
  const directions = createDirections({ ...agents, paths: paths.all, ends: paths.ends })
  const judgement = createJudgement(
    { clock, recent: paths.recent, onVerdicts: observer.observeVerdicts },
    {
      hasBad: states.hasBad,
      measured: states.measured,
      silent: agents.silent,
      troubleOf: agents.troubleOf,
      lossy: interfaces.lossy,
      racks: deps.racks,
      directed: directions.name,
    },
  )
  return {
    states,
    lossy: interfaces.lossy,
    worsened: judgement.worsened,
    verdicts: judgement.verdicts,
    judgeInterfaces: (): void => {
      if (paths.count() === 0) return
      for (const change of interfaces.judge(paths.ends(), ingest, nowSecond())) {
        telling.ofInterface(change)
        if (change.state === PathState.PATH_STATE_UP) clearPathsOf(change.lossy)
      }
    },
    judge: judgement.tick,
  }
}

export type Judging = ReturnType<typeof createJudging>
