import type { MeshProblem } from '#proto/meshgauge/agent/v1/ping.ts'
import type { MeshPlan, MeshPlanGroup } from './assignment.ts'
import { createProber, type Prober, type ProberDeps } from './prober.ts'

/** A new prober has results of all its targets after two rounds, a timeout and this time for its start. */
const TAKE_OVER_MARGIN_SECONDS = 5

/** Time between two checks for replaced probers that can end. */
const RETIRE_INTERVAL_SECONDS = 0.2

type Retiring = { prober: Prober; until: number }

type Options = {
  /** Position of this node in every round, 0 to 1. */
  phase: number
  slotsOf: (group: MeshPlanGroup) => number[]
  /** Calls `act` after this time, unless the session has ended. */
  later: (seconds: number, act: () => void) => Promise<void>
}

/**
 * The probers of a session, one for each group of its plan. A prober that a new plan replaces continues until its
 * successor has results of the targets, so that no probe is missing.
 */
export const createProberSet = (deps: ProberDeps, { phase, slotsOf, later }: Options) => {
  const { clock } = deps
  let probers: Prober[] = []
  /** The positions of their groups in the assignment. */
  let indices: number[] = []
  let retiring: Retiring[] = []
  let nextId = 1
  let isRetireScheduled = false

  /**
   * Ends replaced probers that own no target, that have a problem, or whose successors had enough time. Without the
   * second rule, they would accumulate on an interface that stays down.
   */
  const retire = () => {
    const now = clock.monotonicSeconds()
    const successorsWork = probers.every((prober) => prober.problem() === '')
    const isOver = ({ prober, until }: Retiring) =>
      prober.problem() !== '' || prober.ownedCount() === 0 || (now > until && successorsWork)
    const over = retiring.filter(isOver)
    retiring = retiring.filter((one) => !over.includes(one))
    for (const { prober } of over) void prober.end()
    if (retiring.length === 0 || isRetireScheduled) return
    isRetireScheduled = true
    void later(RETIRE_INTERVAL_SECONDS, () => {
      isRetireScheduled = false
      retire()
    })
  }
  const all = (): Prober[] => [...probers, ...retiring.map(({ prober }) => prober)]

  return {
    /** Starts a prober for each group that has none yet, and retires those without a group. */
    apply: ({ groups }: MeshPlan): void => {
      const isFirst = nextId === 1
      indices = groups.map(({ index }) => index)
      const unused = new Set(probers)
      probers = groups.map((group) => {
        const same = [...unused].find((prober) => prober.group.key === group.key)
        if (same) {
          unused.delete(same)
          return same
        }
        const delaySeconds = isFirst ? phase * Math.min(1, group.intervalSeconds) : 0
        return createProber(deps, { id: nextId++, group, slots: slotsOf(group), delaySeconds })
      })
      const rounds = groups.map((group) => 2 * group.intervalSeconds + group.timeoutSeconds)
      const until = clock.monotonicSeconds() + Math.max(0, ...rounds) + TAKE_OVER_MARGIN_SECONDS
      retiring.push(...[...unused].map((prober) => ({ prober, until })))
      retire()
    },
    /** Stops recording for these slots, whose targets are no longer assigned. */
    forget: (slots: ReadonlySet<number>): void => {
      for (const prober of all()) prober.forget(slots)
    },
    problems: (): MeshProblem[] =>
      probers.flatMap((prober, position) => {
        const reason = prober.problem()
        const groupIndex = indices[position]!
        return reason === ''
          ? []
          : [
              {
                groupIndex,
                reason,
                interface: prober.group.request.interface,
                targetIds: [],
                programFault: prober.programFault(),
              },
            ]
      }),
    end: async (): Promise<void> => {
      const ending = all()
      probers = []
      retiring = []
      await Promise.all(ending.map((prober) => prober.end()))
    },
  }
}
