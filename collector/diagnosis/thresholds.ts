/** Where good ends. Each can be set; the learned ones come from the run's own medians. */
export type Thresholds = {
  /** Throughput below this is bad, whatever the others reach, in bits per second. 0: only what is learned. */
  readonly minBitsPerSecond: number
}
