import { createHash } from 'node:crypto'

/** Where a node's checks lie within an interval, 0 to 1: always the same, and spread evenly over a fleet. */
export const phaseOf = (node: string, check: string): number =>
  createHash('sha256').update(`${node}\0${check}`).digest().readUInt32BE(0) / 2 ** 32

/** What a fleet does not know of itself at the start it learns within this time. */
const FIRST_SECONDS = 60

/**
 * When a periodic check is first due, as Unix time. One that was run within its interval keeps its place, so that a
 * restart of the collector repeats nothing; one that was not is run soon, but not at the same moment everywhere.
 */
export const firstDue = (now: number, every: number, phase: number, last: number | undefined): number =>
  last !== undefined && last > now - every && last <= now
    ? nextDue(now, every, phase)
    : now + phase * Math.min(every, FIRST_SECONDS)

/** The next moment after `now` that is `phase` of an interval after a multiple of it. */
export const nextDue = (now: number, every: number, phase: number): number => {
  const shift = phase * every
  const due = (Math.floor((now - shift) / every) + 1) * every + shift
  // Rounding may give the very moment that has just been.
  return due > now ? due : due + every
}
