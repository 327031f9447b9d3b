/** Limits between good and bad values. The absolute ones are the operator's; the others are relative to the run itself. */
export type Thresholds = {
  /** Throughput below this is bad, in bits per second. 0 leaves only the learned limit. */
  readonly minBitsPerSecond: number
  /** Throughput below this ratio of the level of its link class is bad. Noise of 15 % stays far above it. */
  readonly slowRatio: number
  /** A learned limit of throughput never falls below this ratio of the level, even in a noisy class: 0 is always bad. */
  readonly leastSlowRatio: number
  /** A retested pair has the uplink of its rack to itself: then it is bad below this ratio of what is reached inside. */
  readonly leastAloneRatio: number
  /** Loss is bad when the lower end of its 99 % Wilson interval is above this ratio. */
  readonly lossRatio: number
  /** TCP that sends at most this ratio of its segments again, or UDP that loses it, is good in every class ... */
  readonly leastResentRatio: number
  /** ... and bad above this multiple of what this quantile of the pairs of its class has. */
  readonly resentFactor: number
  readonly resentQuantile: number
  /** A median round-trip time is bad when it is above this multiple of the level of its link class ... */
  readonly lateFactor: number
  /** ... and this number of seconds above it. */
  readonly lateSeconds: number
  /** Minimum confidence of a verdict, 0 to 1. At most 1 - minConfidence of all verdicts are expected to be false. */
  readonly minConfidence: number
}

export const defaultThresholds: Thresholds = {
  minBitsPerSecond: 0,
  slowRatio: 0.7,
  leastSlowRatio: 0.3,
  leastAloneRatio: 0.4,
  lossRatio: 0.005,
  leastResentRatio: 0.02,
  resentFactor: 3,
  resentQuantile: 0.7,
  lateFactor: 3,
  lateSeconds: 0.001,
  minConfidence: 0.9,
}

/**
 * Parameters of the heuristics. README.md describes each one and its measured gain. Only the benchmark passes other
 * values, to switch one heuristic off.
 */
export type Heuristics = {
  /** A node is accused only with this number of peers whose other pairs are good. */
  readonly minGoodPeers: number
  /** At least this ratio of a culprit's own pairs is bad. */
  readonly minBadRatio: number
  /** A value is bad only at this number of robust standard deviations from the level. */
  readonly minDeviations: number
  /** Link classes with fewer pairs than this are compared with the whole fabric. */
  readonly minClassSize: number
  /** Pairs across racks are also compared with what their ends reach inside their racks. */
  readonly comparesAcrossRacks: boolean
  /** Nodes that reach the same lower rate in both directions are one slow class. */
  readonly findsClasses: boolean
  /** What an interface can reach is this quantile of its pairs. */
  readonly abilityQuantile: number
  /** Loss is judged over all probes of an interface, not pair by pair. */
  readonly poolsLoss: boolean
  /** An uplink is accused only when several of the rack's nodes suffer, and pairs inside the rack do not. */
  readonly comparesInsideRack: boolean
  /** Broken links that a run is expected to have. Smaller values need more evidence for a link. */
  readonly linksPerRun: number
}

export const defaultHeuristics: Heuristics = {
  minGoodPeers: 3,
  minBadRatio: 0.75,
  minDeviations: 4,
  minClassSize: 4,
  comparesAcrossRacks: true,
  findsClasses: true,
  abilityQuantile: 0.75,
  poolsLoss: true,
  comparesInsideRack: true,
  linksPerRun: 0.1,
}

/** Everything that the diagnosis depends on besides the results. */
export type Parameters = Thresholds & Heuristics
