import { OperatingError } from '../../../lib/errors.ts'
import { createCooperativeYielding } from '../../cooperative-yielding.ts'
import { createKnownAddresses, type PersistedState } from '../agents/persisted-state.ts'
import type { MeshesDeps } from '../deps.ts'
import { createPlanner, type NodePlan } from './planner.ts'

type Deps = Pick<MeshesDeps, 'clock' | 'fleet' | 'store'> & {
  keeping: PersistedState
  apply: (node: string, plan: NodePlan | undefined) => void
  /** The fleet has changed, and these are its nodes now. */
  onFleet: (members: ReadonlySet<string>) => void
}

/** Keeps what the agents probe up to date with the meshes that are wanted and with the fleet. */
export const createPlanning = ({ clock, fleet, store, keeping, apply, onFleet }: Deps) => {
  const planner = createPlanner(store.pathId, createKnownAddresses(keeping))
  /** Planned, and not given out yet: the numbers of its paths could not be kept. */
  const waiting = new Map<string, NodePlan | undefined>()
  let revision: number | undefined
  let racks: ReadonlyMap<string, string> = new Map()
  let problem = ''
  // Agents go on with what they probe meanwhile; a list of only those peers that have answered yet would end the others.
  let isSettled = false
  void fleet.settled.then(() => {
    isSettled = true
  })

  const follow = (): void => {
    const current = fleet.revision()
    if (current === revision) return
    const nodes = fleet.nodes()
    racks = new Map(nodes.flatMap(({ name, rack }) => (rack === '' ? [] : [[name, rack]])))
    planner.setFleet(nodes)
    onFleet(new Set(nodes.map(({ name }) => name)))
    revision = current
  }

  /** An agent may hold windows of a path for minutes: its number must be the same after a crash of the collector. */
  const giveOut = (): void => {
    store.keepPaths()
    for (const [node, plan] of waiting) {
      waiting.delete(node)
      apply(node, plan)
    }
  }

  const plan = async (signal: AbortSignal): Promise<void> => {
    const turns = createCooperativeYielding(clock)
    follow()
    for (const { node, plan: next } of planner.changes(clock.now().getTime() / 1000)) {
      waiting.set(node, next)
      if (!turns.isOver()) continue
      giveOut()
      await turns.pass()
      if (signal.aborted) return
    }
    giveOut()
  }

  return {
    set: planner.set,
    meshes: planner.meshes,
    extents: planner.extents,
    problemsOf: planner.problemsOf,
    racks: (): ReadonlyMap<string, string> => racks,
    /** What keeps new paths from being probed; empty when nothing does. */
    problem: (): string => problem,
    tick: async (signal: AbortSignal): Promise<void> => {
      if (!isSettled) return
      try {
        await plan(signal)
        problem = ''
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error
        problem = `new paths cannot be planned: ${error.message}`
      }
    },
  }
}

export type Planning = ReturnType<typeof createPlanning>
