import { LOST_PEER_SECONDS } from '../../../lib/serving.ts'
import type { RandomSource } from './random.ts'
import type { VirtualTime } from './virtual-time.ts'

/** One way delay of a message over a healthy link, in seconds. */
const DELAY_SECONDS = { least: 0.000_1, most: 0.002 }
/** gRPC keepalive: both ends give up a connection that is silent for this time. */
export const KEEPALIVE_SECONDS = LOST_PEER_SECONDS

/** The way between the collector and one agent. A cut link loses nothing at once: TCP sends again until it heals. */
export type Link = {
  /** Delivers in order, after the delay of the link. */
  send(lane: Lane, deliver: () => void): void
  cut(): void
  heal(): void
  isCut(): boolean
  /** Holds back everything that is sent until the time has passed. */
  delay(seconds: number): void
  /** Calls back when the link has been cut for the keepalive time without a break. Returns what ends that. */
  onSilent(listener: () => void): () => void
}

/** One direction of one connection: its messages stay in order. */
export type Lane = { lastSeconds: number }

export const createLane = (): Lane => ({ lastSeconds: 0 })

export const createLink = (time: VirtualTime, random: RandomSource): Link => {
  let isCut = false
  let cuts = 0
  let heldUntilSeconds = 0
  let parked: (() => void)[] = []
  const listeners = new Set<() => void>()

  const arrive = (deliver: () => void): void => {
    if (isCut) parked.push(deliver)
    else deliver()
  }
  return {
    send: (lane, deliver) => {
      const delay = random.between(DELAY_SECONDS.least, DELAY_SECONDS.most)
      const at = Math.max(time.seconds() + delay, lane.lastSeconds, heldUntilSeconds)
      lane.lastSeconds = at
      time.schedule(at - time.seconds(), () => arrive(deliver))
    },
    cut: () => {
      if (isCut) return
      isCut = true
      const current = ++cuts
      time.schedule(KEEPALIVE_SECONDS, () => {
        if (isCut && cuts === current) for (const listener of [...listeners]) listener()
      })
    },
    heal: () => {
      isCut = false
      const due = parked
      parked = []
      for (const deliver of due) time.schedule(DELAY_SECONDS.most, () => arrive(deliver))
    },
    isCut: () => isCut,
    delay: (seconds) => {
      heldUntilSeconds = Math.max(heldUntilSeconds, time.seconds() + seconds)
    },
    onSilent: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
