import { CulpritKind, FaultDirection, type Verdict } from '#proto/meshgauge/collector/v1/result.ts'

/** What became of the probes that others sent to a node in some time while they lost some of them. */
export type EchoBalance = {
  /** Probes that others sent to it, over all its interfaces. */
  readonly sentCount: number
  /** Of these, probes without an answer. */
  readonly lostCount: number
  /** Echo requests that the node's own kernel has received in that time. */
  readonly receivedCount: number
  /** By how many the counts may be off, because they were not taken at the same moment. */
  readonly uncertainCount: number
}

/** Below this many times the uncertainty, what is lost says nothing. */
const MIN_CERTAINTY = 4

/** Where at least this share of the lost probes lies is where they are lost. */
const CLEAR_SHARE = 0.75

/**
 * A lost probe is a lost request or a lost answer, and a ping cannot tell which. The kernel of the node that is probed
 * can: requests that it received and that were not answered to their sender were lost on the way back.
 * @returns `rx` when requests do not reach the node, `tx` when its answers are lost, `both` when each has a part in
 * it, undefined when the counts cannot tell
 */
export const directionOf = ({
  sentCount,
  lostCount,
  receivedCount,
  uncertainCount,
}: EchoBalance): 'rx' | 'tx' | 'both' | undefined => {
  if (lostCount === 0 || lostCount < MIN_CERTAINTY * uncertainCount) return undefined
  const missing = (sentCount - receivedCount) / lostCount
  const margin = uncertainCount / lostCount
  // Far outside of 0 to 1 someone else pings the node too, or its counter was reset.
  if (missing < -margin || missing > 1 + margin) return undefined
  if (missing >= CLEAR_SHARE) return 'rx'
  return missing <= 1 - CLEAR_SHARE ? 'tx' : 'both'
}

const DIRECTIONS = {
  rx: FaultDirection.FAULT_DIRECTION_RX,
  tx: FaultDirection.FAULT_DIRECTION_TX,
  both: FaultDirection.FAULT_DIRECTION_BOTH,
} as const

const CONCLUSIONS = {
  rx: 'what is sent to it does not arrive',
  tx: 'what it sends gets lost',
  both: 'it loses both ways',
} as const

/** The same verdict with the way in which a node or interface is bad, where its kernel's count of echo requests tells. */
export const withDirection = (verdict: Verdict, balance: EchoBalance | undefined): Verdict => {
  const isEnd =
    verdict.kind === CulpritKind.CULPRIT_KIND_NODE || verdict.kind === CulpritKind.CULPRIT_KIND_INTERFACE
  if (!balance || !isEnd || verdict.direction !== FaultDirection.FAULT_DIRECTION_BOTH) return verdict
  const direction = directionOf(balance)
  if (!direction) return verdict
  const { sentCount, lostCount, receivedCount } = balance
  const counts = `Of ${sentCount} probes sent to it ${lostCount} had no answer, and its kernel received ${receivedCount}`
  return {
    ...verdict,
    direction: DIRECTIONS[direction],
    message: `${verdict.message} ${counts}: ${CONCLUSIONS[direction]}.`,
  }
}
