import type { Clock } from '../../../lib/clock.ts'
import { findLocalEvidence, type LocalEvidence } from '../../diagnosis/local-evidence.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import type { FleetPlanner } from '../assign/planner.ts'

/** Agents report their interfaces every 10 s. */
const MAX_AGE_SECONDS = 5

/** What agents report about the interfaces of the meshes. */
export type ReportedInterfaces = {
  /** What is wrong with them. */
  evidence(): readonly LocalEvidence[]
  /** Size of the largest IP packets that the meshes send. */
  packetBytes(): number
}

const HEADER_BYTES = 28

export const createReportedInterfaces = (
  clock: Clock,
  fleet: Pick<Fleet, 'nodes'>,
  planner: Pick<FleetPlanner, 'meshes'>,
): ReportedInterfaces => {
  let evidence: readonly LocalEvidence[] = []
  let dueSeconds = Number.NEGATIVE_INFINITY
  return {
    evidence: () => {
      const nowSeconds = clock.monotonicSeconds()
      if (nowSeconds < dueSeconds) return evidence
      const members = [...planner.meshes()].map((mesh) => mesh.members)
      const nodes = new Set(members.flatMap((each) => each.nodes))
      const endpoints = members.flatMap((each) =>
        [...each.endpoints.values()].flatMap((own) => [...own.values()]),
      )
      const names = new Set(endpoints.map((each) => each.interface))
      evidence = findLocalEvidence(
        fleet.nodes().filter(({ name }) => nodes.has(name)),
        names,
      )
      dueSeconds = nowSeconds + MAX_AGE_SECONDS
      return evidence
    },
    packetBytes: () =>
      [...planner.meshes()].reduce(
        (largest, { spec }) => Math.max(largest, HEADER_BYTES + (spec.sizeBytes ?? 0)),
        0,
      ),
  }
}
