/** Expectations and their results, as sentences and as a table. */

import type { EndpointPair, ExpectationResult } from '#proto/meshgauge/collector/v1/result.ts'
import { formatExpected, isMinimum } from '../../lib/expectations.ts'
import { counted, formatCount } from '../../lib/units.ts'
import { type Paint, sanitize } from './paint.ts'
import { renderTable } from './table.ts'

const pairText = (pair: EndpointPair | undefined): string => {
  const { source, destination } = pair ?? {}
  const on = source?.interface ? ` ${source.interface}` : ''
  return sanitize(`${source?.node} → ${destination?.node}${on}`)
}

const NAMED_PAIRS = 3

const limitText = ({ expectation }: ExpectationResult): string => {
  const { name, limit } = expectation ?? { name: '', limit: 0 }
  return `${isMinimum(name) ? 'at least' : 'at most'} ${formatExpected(name, limit)}`
}

const valueText = (result: ExpectationResult, value: number | undefined): string =>
  value === undefined ? 'not measured' : formatExpected(result.expectation?.name ?? '', value)

/** `✘ throughput_min, at least 9.00 Gbit/s: 3 of 12 pairs miss it: node-3 → node-1 net1 48.0 Mbit/s, …` */
const renderMissed = (result: ExpectationResult): string => {
  const { failed, failedCount, passedCount, fleetValue } = result
  const head = `✘ ${sanitize(result.expectation?.name ?? '')}, ${limitText(result)}`
  if (failedCount === 0) return `${head}: the value of the fleet is ${valueText(result, fleetValue)}.`
  const named = failed
    .slice(0, NAMED_PAIRS)
    .map(({ pair, value }) => `${pairText(pair)} ${valueText(result, value)}`)
  const rest = failedCount > named.length ? `, and ${formatCount(failedCount - named.length)} more` : ''
  const all = failedCount + passedCount
  return `${head}: ${formatCount(failedCount)} of ${counted(all, 'pair')} ${failedCount === 1 ? 'misses' : 'miss'} it: ${named.join(', ')}${rest}.`
}

/** One line for each expectation that was not met. */
export const renderMisses = (results: readonly ExpectationResult[], paint: Paint): string[] =>
  results.filter(({ passed }) => !passed).map((result) => paint('red', renderMissed(result)))

/** A table of all expectations: limit, worst pair, value of the fleet, and number of pairs that meet it. */
export const renderExpectations = (results: readonly ExpectationResult[], paint: Paint): string =>
  renderTable(
    ['', 'EXPECTED', 'LIMIT', 'WORST PAIR', 'FLEET', 'PAIRS'],
    results.map((result) => [
      result.passed ? paint('green', '✔') : paint('red', '✘'),
      sanitize(result.expectation?.name ?? ''),
      limitText(result),
      result.worst ? `${valueText(result, result.worst.value)}  ${pairText(result.worst.pair)}` : '-',
      valueText(result, result.fleetValue),
      `${formatCount(result.passedCount)} of ${formatCount(result.passedCount + result.failedCount)}`,
    ]),
    paint,
  )

export const missedCount = (results: readonly ExpectationResult[]): number =>
  results.filter(({ passed }) => !passed).length
