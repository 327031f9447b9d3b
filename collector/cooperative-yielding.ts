import { type Clock, systemClock } from '../lib/clock.ts'

/** Long work holds the event loop for so long at a time. */
const TURN_MS = 4
/** Of the time that all others took meanwhile, so much belongs to the work: it comes to its end under any load. */
const SHARE = 0.25
/**
 * But no turn is longer, whatever the others took: of many works at a time each takes the turns of all the others for a
 * reason to have a longer one itself, and after a process was stopped for an hour a turn would be a quarter of it.
 */
const LONGEST_TURN_MS = 250

/**
 * Takes long work apart, so that the event loop is not held. Slices of a fixed length starve when each of them waits for
 * a turn of a busy event loop; these grow with what the others take, up to a bound.
 */
export const createCooperativeYielding = (clock: Pick<Clock, 'monotonicSeconds' | 'yield'> = systemClock) => {
  const nowMs = () => clock.monotonicSeconds() * 1000
  let beganMs = nowMs()
  let lengthMs = TURN_MS
  const isOver = (): boolean => nowMs() - beganMs >= lengthMs
  const pass = async (): Promise<void> => {
    const passedMs = nowMs()
    await clock.yield()
    beganMs = nowMs()
    lengthMs = Math.min(LONGEST_TURN_MS, Math.max(TURN_MS, SHARE * (beganMs - passedMs)))
  }
  return {
    /** Whether it is the others' turn. */
    isOver,
    /** Lets the others have their turn. */
    pass,
    /** Both in one, to be called often. */
    yieldIfDue: async (): Promise<void> => {
      if (isOver()) await pass()
    },
  }
}
