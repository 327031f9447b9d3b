/** What good pairs of a link class reach, and the limits between good and bad values. */

import { median, quantileOf, robustDeviation, upperMedian, wilsonLower } from '../../lib/statistics.ts'
import { isBad, isRetested, type Sample } from './samples.ts'
import { defaultHeuristics, type Parameters } from './thresholds.ts'

/** The level that the nodes of a link class reach, and its robust standard deviation. */
type Level = { readonly level: number; readonly deviation: number }

/** What each node can send and receive: a quantile of its pairs. */
export type Abilities = { readonly tx: ReadonlyMap<string, number>; readonly rx: ReadonlyMap<string, number> }

type Figure = (sample: Sample) => number | undefined

const append = (rows: Map<string, number[]>, name: string, value: number): void => {
  const row = rows.get(name)
  if (row) row.push(value)
  else rows.set(name, [value])
}

const quantiles = (rows: ReadonlyMap<string, readonly number[]>, quantile: number): Map<string, number> =>
  new Map([...rows].map(([name, row]) => [name, quantileOf(row, quantile)!]))

/**
 * Returns what each node can do. A pair reaches the lesser of what its two interfaces can do, so an interface can do what
 * it reaches in its better pairs: the upper quartile of its row or column.
 */
export const abilitiesOf = (
  samples: readonly Sample[],
  figureOf: Figure,
  quantile = defaultHeuristics.abilityQuantile,
): Abilities => {
  const sent = new Map<string, number[]>()
  const received = new Map<string, number[]>()
  for (const sample of samples) {
    const value = figureOf(sample)
    if (value === undefined) continue
    append(sent, sample.source, value)
    append(received, sample.destination, value)
  }
  return { tx: quantiles(sent, quantile), rx: quantiles(received, quantile) }
}

export const rateOf: Figure = ({ bitsPerSecond }) => bitsPerSecond

/**
 * Returns what a good pair of a link class reaches. The median of the abilities of all interfaces is right while most of
 * them are good, even when bad nodes affect more than half of the pairs.
 */
const levelOf = (samples: readonly Sample[], figureOf: Figure, quantile: number): Level => {
  const { tx, rx } = abilitiesOf(samples, figureOf, quantile)
  const abilities = [...tx.values(), ...rx.values()]
  if (abilities.length === 0) return { level: Number.NaN, deviation: 0 }
  const level = upperMedian(abilities)!
  return { level, deviation: robustDeviation(abilities, level) }
}

/**
 * Returns the rate below which noise explains none of these rates. The noise is the root mean square of what is above the
 * median, because bad pairs are below it.
 */
const noiseLimit = (rates: readonly number[], minDeviations: number): number => {
  const middle = median(rates) ?? 0
  const above = rates.filter((rate) => rate >= middle)
  const square = above.reduce((sum, rate) => sum + (rate - middle) ** 2, 0) / Math.max(1, above.length)
  return middle - minDeviations * Math.sqrt(square)
}

/**
 * Returns the rate below which a pair stands out alone. The good pairs have less noise than all pairs when the limit cuts
 * off a part of the noise, and more when most pairs are bad; the lower limit of both is certain.
 */
const limitAlone = (rates: readonly number[], good: readonly number[], minDeviations: number): number =>
  Math.min(noiseLimit(good, minDeviations), noiseLimit(rates, minDeviations))

/** Marks the slow pairs of a link class, and those that stand out alone. */
export const judgeRates = (samples: readonly Sample[], parameters: Parameters): void => {
  const { slowRatio, leastSlowRatio, minDeviations, minBitsPerSecond, abilityQuantile } = parameters
  const { level, deviation } = levelOf(samples, rateOf, abilityQuantile)
  const learned = Math.min(slowRatio * level, level - minDeviations * deviation)
  const limit = Math.max(minBitsPerSecond, leastSlowRatio * level, learned)
  const rates = samples.flatMap(({ bitsPerSecond }) => bitsPerSecond ?? [])
  const good = rates.filter((rate) => rate >= limit)
  const far = Math.max(minBitsPerSecond, leastSlowRatio * (median(good) ?? 0))
  const alone = Math.max(far, Math.min(limit, limitAlone(rates, good, minDeviations)))
  for (const sample of samples) {
    if (sample.bitsPerSecond === undefined) continue
    if (sample.bitsPerSecond < limit) sample.fault = 'slow'
    sample.standsOut = sample.bitsPerSecond < alone
    sample.isFar = sample.bitsPerSecond < far
  }
}

/**
 * Marks the pairs across racks that reach far less than their ends reach inside their racks. Without this, a fabric of
 * two racks has no good pair across racks to compare with.
 */
export const judgeAcrossRacks = (fabric: readonly Sample[], parameters: Parameters): void => {
  const { tx, rx } = abilitiesOf(
    fabric.filter(({ reach }) => reach === 'inside'),
    rateOf,
    parameters.abilityQuantile,
  )
  for (const sample of fabric) {
    const { source, destination, bitsPerSecond, reach } = sample
    if (reach !== 'across' || bitsPerSecond === undefined) continue
    const inside = Math.min(
      tx.get(source) ?? Number.POSITIVE_INFINITY,
      rx.get(destination) ?? Number.POSITIVE_INFINITY,
    )
    const ratio = isRetested(sample) ? parameters.leastAloneRatio : parameters.leastSlowRatio
    if (!Number.isFinite(inside) || bitsPerSecond >= ratio * inside) continue
    sample.fault = 'slow'
    const isFar = bitsPerSecond < parameters.leastSlowRatio * inside
    sample.standsOut ||= isFar
    sample.isFar ||= isFar
  }
}

/** A pair stands out alone above this multiple of what this quantile of the pairs of its class has. */
const RESENT_ALONE_FACTOR = 2
const RESENT_ALONE_QUANTILE = 0.9

/**
 * Marks the pairs of a link class whose TCP sends far more segments again than that of the others, or whose UDP loses far
 * more. Shaped links lose everywhere, so the limit follows the class. A slow pair stays slow: its queue may be the reason.
 */
export const judgeResent = (samples: readonly Sample[], parameters: Parameters): void => {
  const ratios = samples.flatMap(({ resentRatio }) => resentRatio ?? [])
  const { leastResentRatio, resentFactor, resentQuantile } = parameters
  const usual = quantileOf(ratios, resentQuantile) ?? 0
  const limit = Math.max(leastResentRatio, resentFactor * usual)
  // Bursts in some tests of a healthy class make single pairs look bad; a culprit has several of them.
  const alone = Math.max(limit, RESENT_ALONE_FACTOR * (quantileOf(ratios, RESENT_ALONE_QUANTILE) ?? 0))
  for (const sample of samples) {
    if (isBad(sample) || sample.resentRatio === undefined || sample.resentRatio <= limit) continue
    sample.fault = 'lossy'
    sample.standsOut = sample.resentRatio > alone
  }
}

/** Loss that is certainly above this ratio is no chance, whatever other pairs lose. */
const FAR_LOSS_RATIO = 0.1

/** Marks the lossy and late pairs of a link class. */
export const judgePings = (samples: readonly Sample[], parameters: Parameters): void => {
  // Smaller round-trip times are better, so the level is that of the negative values.
  const { level, deviation } = levelOf(
    samples,
    ({ rttSeconds }) => (rttSeconds === undefined ? undefined : -rttSeconds),
    parameters.abilityQuantile,
  )
  const learned = -level + parameters.minDeviations * deviation
  const limit = Math.max(-parameters.lateFactor * level, -level + parameters.lateSeconds, learned)
  for (const sample of samples) {
    if (isBad(sample)) continue
    const loss = wilsonLower(sample.lostCount, sample.sentCount)
    if (loss > parameters.lossRatio) sample.fault = 'lossy'
    else if (sample.rttSeconds !== undefined && sample.rttSeconds > limit) sample.fault = 'late'
    sample.standsOut = isBad(sample)
    sample.isFar = loss > FAR_LOSS_RATIO
  }
}
