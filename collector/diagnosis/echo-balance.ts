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

/** Each way has a part in it for sure where so many times the uncertainty more or less would leave it one. */
const SURE_MARGINS = 2

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
  if (missing <= 1 - CLEAR_SHARE) return 'tx'
  const isSure = missing + SURE_MARGINS * margin < 1 && missing - SURE_MARGINS * margin > 0
  return isSure ? 'both' : undefined
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

/** What is known of a node or interface whose probes get lost. */
export type EchoEvidence = {
  /** Of the probes that others sent to it. */
  readonly to: EchoBalance
  /** Of the probes that it sent to others: what their kernels received, all together. */
  readonly from: EchoBalance | undefined
  /** Share of the probes to it that have no answer, 0 to 1. */
  readonly lossRatio: number
}

/**
 * From here on a request that is lost leaves hardly any answer to be lost, so that nothing is known of answers. And
 * neighbours forget its hardware address after a while (RFC 1122: within a minute), so that they send it nothing at
 * all: what looks then as if both ways were bad need not be.
 */
export const MUCH_LOSS = 0.5

/**
 * Where little is lost, which way each probe was lost is a toss of a coin: of 40 that are lost both ways hardly ever
 * 34 are lost one way.
 */
const LEAST_LOST = 40
const SURE_SHARE = 0.85

const isChance = ({ sentCount, receivedCount, lostCount }: EchoBalance): boolean => {
  const missing = (sentCount - receivedCount) / lostCount
  return lostCount < LEAST_LOST || (missing < SURE_SHARE && missing > 1 - SURE_SHARE)
}

const wayOf = ({ to, from, lossRatio }: EchoEvidence): 'rx' | 'tx' | 'both' | undefined => {
  const way = directionOf(to)
  if (lossRatio < MUCH_LOSS) return way !== 'both' && isChance(to) ? undefined : way
  if (way === 'tx') return way
  // Its own probes say what became of what it sends: those that reached others were lost on their way back to it.
  return way === 'rx' && from && directionOf(from) === 'tx' ? 'rx' : undefined
}

/** The same verdict with the way in which a node or interface is bad, where kernels' counts of echo requests tell. */
export const withDirection = (verdict: Verdict, evidence: EchoEvidence | undefined): Verdict => {
  const isEnd =
    verdict.kind === CulpritKind.CULPRIT_KIND_NODE || verdict.kind === CulpritKind.CULPRIT_KIND_INTERFACE
  if (!evidence || !isEnd || verdict.direction !== FaultDirection.FAULT_DIRECTION_BOTH) return verdict
  const direction = wayOf(evidence)
  if (!direction) return verdict
  const { sentCount, lostCount, receivedCount } = evidence.to
  const counts = `Of ${sentCount} probes sent to it ${lostCount} had no answer, and its kernel received ${receivedCount}`
  return {
    ...verdict,
    direction: DIRECTIONS[direction],
    message: `${verdict.message} ${counts}: ${CONCLUSIONS[direction]}.`,
  }
}

/** Whether the evidence names a way. */
export const isConclusive = (evidence: EchoEvidence): boolean => wayOf(evidence) !== undefined
