import type { Verdict } from './verdict.ts'

/** Counts of the probes that peers sent to a node within some time, while some were lost. */
export type EchoBalance = {
  /** Probes that peers sent to all its interfaces. */
  readonly sentCount: number
  /** Probes of these without an answer. */
  readonly lostCount: number
  /** Echo requests that the node's kernel received in this time. */
  readonly receivedCount: number
  /** Possible error of the counts, because they were not read at the same moment. */
  readonly uncertainCount: number
}

/** The loss is evidence only from this multiple of the uncertainty. */
const MIN_CERTAINTY = 4

/** Both directions lose probes only if that stays true when the counts change by this multiple of the uncertainty. */
const SURE_MARGINS = 2

/** A direction with at least this ratio of the lost probes is the faulty one. */
const CLEAR_SHARE = 0.75

/**
 * Returns the direction in which a node loses probes. A lost probe is a lost request or a lost answer, and a ping does
 * not show which. The kernel of the probed node counts the requests that it received: when the sender of such a request
 * gets no answer, the answer was lost.
 * @returns `rx` when requests do not reach the node, `tx` when its answers are lost, `both` when both happen, undefined
 * when the counts are not conclusive
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
  // Outside of 0 to 1 another program pings the node, or its counter was reset.
  if (missing < -margin || missing > 1 + margin) return undefined
  if (missing >= CLEAR_SHARE) return 'rx'
  if (missing <= 1 - CLEAR_SHARE) return 'tx'
  const isSure = missing + SURE_MARGINS * margin < 1 && missing - SURE_MARGINS * margin > 0
  return isSure ? 'both' : undefined
}

const CONCLUSIONS = {
  rx: 'what is sent to it does not arrive',
  tx: 'what it sends gets lost',
  both: 'it loses both ways',
} as const

/** The counts about a node or interface that loses probes. */
export type EchoEvidence = {
  /** The probes that peers sent to it. */
  readonly to: EchoBalance
  /** The probes that it sent to its peers, summed over the peers' kernels. */
  readonly from: EchoBalance | undefined
  /** Ratio of the probes to it without an answer, 0 to 1. */
  readonly lossRatio: number
}

/**
 * From this loss ratio on, too few requests arrive to measure the loss of answers. And peers forget the node's hardware
 * address (RFC 1122: within a minute) and then send nothing, so that both directions look bad when one is.
 */
export const MUCH_LOSS = 0.5

/**
 * With little loss in both directions, the direction of each lost probe is random: of 40 lost probes, 34 are very rarely
 * in the same direction.
 */
const LEAST_LOST = 40
const SURE_SHARE = 0.85

const mayBeChance = ({ sentCount, receivedCount, lostCount }: EchoBalance): boolean => {
  const missing = (sentCount - receivedCount) / lostCount
  return lostCount < LEAST_LOST || (missing < SURE_SHARE && missing > 1 - SURE_SHARE)
}

const conclusiveDirectionOf = ({ to, from, lossRatio }: EchoEvidence): 'rx' | 'tx' | 'both' | undefined => {
  const direction = directionOf(to)
  if (lossRatio < MUCH_LOSS) return direction !== 'both' && mayBeChance(to) ? undefined : direction
  if (direction === 'tx') return direction
  // The probes that it sent show its other direction: if they reached the peers, their answers were lost.
  return direction === 'rx' && from && directionOf(from) === 'tx' ? 'rx' : undefined
}

/** Returns the verdict with the direction of the loss, when the kernels' counts of echo requests show it. */
export const withDirection = (verdict: Verdict, evidence: EchoEvidence | undefined): Verdict => {
  const isNodeOrInterface = verdict.kind === 'node' || verdict.kind === 'interface'
  if (!evidence || !isNodeOrInterface || verdict.direction !== 'both') return verdict
  const direction = conclusiveDirectionOf(evidence)
  if (!direction) return verdict
  const { sentCount, lostCount, receivedCount } = evidence.to
  const counts = `Of ${sentCount} probes sent to it ${lostCount} had no answer, and its kernel received ${receivedCount}`
  return {
    ...verdict,
    direction,
    message: `${verdict.message} ${counts}: ${CONCLUSIONS[direction]}.`,
  }
}

/** Whether the evidence shows the direction. */
export const isConclusive = (evidence: EchoEvidence): boolean => conclusiveDirectionOf(evidence) !== undefined
