import { createHash } from 'node:crypto'

/**
 * The position of a node's check within its interval, 0 to 1. It is always the same for the same check and node, and
 * evenly spread over a fleet.
 */
export const phaseOf = (node: string, check: string): number =>
  createHash('sha256').update(`${node}\0${check}`).digest().readUInt32BE(0) / 2 ** 32

/** After a start of the collector, all checks that are due run within this time. */
const FIRST_SECONDS = 60

/**
 * When a periodic check is first due, as Unix time. A check that ran within its interval keeps its position, so that a
 * restart of the collector repeats nothing. Other checks run soon, at different times on different nodes.
 * @param last when the check last ran, as Unix time
 */
export const firstDue = (now: number, every: number, phase: number, last: number | undefined): number =>
  last !== undefined && last > now - every && last <= now
    ? nextDue(now, every, phase)
    : now + phase * Math.min(every, FIRST_SECONDS)

/** The next time after `now` that is `phase` of an interval after a multiple of it, as Unix time. */
export const nextDue = (now: number, every: number, phase: number): number => {
  const shift = phase * every
  const due = (Math.floor((now - shift) / every) + 1) * every + shift
  // Due to rounding, the result may equal `now`.
  return due > now ? due : due + every
}
