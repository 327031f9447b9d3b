/** Derives the figures of one end of a test from what iperf3 printed, where they are possible. Pure. */

import { plausible } from '../../plausibility.ts'
import type { Figure } from './output-events.ts'

/** Of the printed bytes, in powers of 1024. */
export const BYTE_PREFIXES = ['', 'K', 'M', 'G', 'T']

/** The printed values that were possible each. */
export type Parts = {
  seconds: number | undefined
  bitsPerSecond: number | undefined
  bytes: number | undefined
}

/** Largest difference between a printed rate and the rate of the printed bytes, which may be rounded to three digits. */
const MAX_RATE_ERROR = 0.1
/** In a shorter time, the rounding of the time itself changes the rate by more. */
const MIN_RATE_SECONDS = 0.05

/** Returns undefined when a value is missing, or when rate, bytes and time contradict each other. */
export const figureOf = ({
  seconds,
  bitsPerSecond,
  bytes,
}: Parts): Pick<Figure, 'seconds' | 'bitsPerSecond' | 'bytes'> | undefined => {
  if (seconds === undefined || bitsPerSecond === undefined || bytes === undefined || seconds < 0)
    return undefined
  const difference = Math.abs(bitsPerSecond * seconds - bytes * 8)
  if (seconds >= MIN_RATE_SECONDS && difference > MAX_RATE_ERROR * bytes * 8 + 8) return undefined
  return { seconds, bitsPerSecond: Math.round(bitsPerSecond), bytes }
}

/** Lost datagrams divided by all; undefined when that is impossible, such as 30 of 10. */
export const ratioOf = (lostText: unknown, totalText: unknown): number | undefined => {
  const lost = plausible('iperf3.lost_packets', lostText)
  const total = plausible('iperf3.packets', totalText)
  return lost === undefined || total === undefined ? undefined : plausible('iperf3.loss_ratio', lost / total)
}
