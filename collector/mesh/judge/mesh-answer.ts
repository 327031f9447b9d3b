import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { formatCount } from '../../../lib/units.ts'
import { type Judgement, judge } from '../../diagnosis/judgement.ts'
import type { LocalEvidence } from '../../diagnosis/local-evidence.ts'
import { localNotes } from '../../diagnosis/local-verdicts.ts'
import type { Verdict } from '../../diagnosis/verdict.ts'
import type { PathCounts } from '../state/paths.ts'

/** What the answer of the ping meshes is computed from, summed over all meshes. */
export type MeshAnswerInput = {
  readonly verdicts: readonly Verdict[]
  readonly counts: Readonly<PathCounts>
  /** Interfaces of which no path is observed in a direction, such as `node-3 net1 sends`. */
  readonly unobserved: readonly string[]
  /** What is wrong with the interfaces, as their agents report it. */
  readonly local?: readonly LocalEvidence[]
  /** Why parts of the fleet are left out of the meshes. */
  readonly leftOut: readonly string[]
}

const MARKED: readonly PathState[] = [PathState.PATH_STATE_LOSSY, PathState.PATH_STATE_DOWN]

/** Whether a path in this state is marked as bad. */
export const isMarkedPath = (state: PathState): boolean => MARKED.includes(state)

/** Returns the answer of the ping meshes. A path is observed while it is UP, LOSSY or DOWN. */
export const answerOfMeshes = ({
  verdicts,
  counts,
  unobserved,
  local = [],
  leftOut,
}: MeshAnswerInput): Judgement => {
  const markedCount = counts[PathState.PATH_STATE_LOSSY] + counts[PathState.PATH_STATE_DOWN]
  const requestedCount = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const observedCount = counts[PathState.PATH_STATE_UP] + markedCount
  return judge({
    verdicts,
    notes: localNotes(verdicts, local),
    coverage: { requestedCount, observedCount, unobserved },
    markedCount,
    missedExpectationCount: 0,
    incomplete: leftOut.map((text) => `${text}.`).join(' '),
    subject: 'path',
    healthy: `Healthy. All ${formatCount(requestedCount)} paths are up.`,
  })
}
