import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'

/**
 * A result without what its hosts did meanwhile, which can be megabytes a pair: wherever many results are held at once.
 * The store keeps it, and listResults gives it.
 */
export const withoutHosts = (result: PairResult): PairResult => ({
  ...result,
  sourceHost: undefined,
  destinationHost: undefined,
})
