/** Where good ends. Absolute ones are the operator's; the others are relative to what the run itself shows. */
export type Thresholds = {
  /** Throughput below this is bad, whatever the others reach, in bits per second. 0: only what is learned counts. */
  readonly minBitsPerSecond: number
  /** Throughput below this share of its link class is bad. Noise of 15 % either way stays far above it. */
  readonly slowRatio: number
  /** Loss is bad when it is above this share for sure (the lower end of its 99 % Wilson interval). */
  readonly lossRatio: number
  /** A median round-trip time is bad when it is above so many times that of its link class ... */
  readonly lateFactor: number
  /** ... and at least so many seconds above it. */
  readonly lateSeconds: number
  /** Nobody is blamed with less confidence than this, 0 to 1. It bounds the share of false verdicts to 1 minus it. */
  readonly minConfidence: number
}

export const defaultThresholds: Thresholds = {
  minBitsPerSecond: 0,
  slowRatio: 0.7,
  lossRatio: 0.005,
  lateFactor: 3,
  lateSeconds: 0.001,
  minConfidence: 0.9,
}
