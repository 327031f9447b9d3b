import type { Diagnosis } from './diagnosis.ts'
import { isBad, isRetested, type Sample } from './samples.ts'
import { createVerdict, MAX_LISTED_PAIRS, type Verdict } from './verdict.ts'
import { toPair } from './verdicts.ts'
import { figureOf, mainFault } from './wording.ts'

/** Something is wrong with these pairs, also after the retest. Chance is not excluded as it is for a culprit. */
const UNATTRIBUTED_CONFIDENCE = 0.9

const FACTS = { failed: 'fail', slow: 'are slow', lossy: 'lose packets', late: 'answer late' } as const
const ONE = { failed: 'fails', slow: 'is slow', lossy: 'loses packets', late: 'answers late' } as const

/** Returns what all pairs have in common: `All are from or to node-3.`, or ''. */
const sharedBy = (pairs: readonly Sample[], rackOf: ReadonlyMap<string, string>): string => {
  if (pairs.length < 2) return ''
  const [first] = pairs as [Sample]
  const node = [first.source, first.destination].find((name) =>
    pairs.every(({ source, destination }) => source === name || destination === name),
  )
  if (node) return ` All are from or to ${node}.`
  const [from, to] = [rackOf.get(first.source), rackOf.get(first.destination)]
  const isOneWay = pairs.every(
    ({ source, destination }) => rackOf.get(source) === from && rackOf.get(destination) === to,
  )
  if (!from || !to || !isOneWay) return ''
  return from === to ? ` All are inside rack ${from}.` : ` All are from rack ${from} to rack ${to}.`
}

const retestText = (pairs: readonly Sample[]): string => {
  const count = pairs.filter(isRetested).length
  if (count === 0) return ' They were not measured again.'
  return count === pairs.length
    ? ' Retested on new ports: the same.'
    : ` ${count} of them were retested on new ports: the same.`
}

/** Returns one verdict for each fabric with bad pairs that no culprit explains. It counts all of them. */
export const unattributedVerdicts = (
  { unexplained }: Diagnosis,
  rackOf: ReadonlyMap<string, string>,
  advice: string,
): Verdict[] =>
  unexplained.map(({ fabric, pairs }) => {
    const name = pairs[0]!.sourceInterface
    const fault = mainFault(pairs)
    const good = fabric.samples.filter((sample) => !isBad(sample))
    const what = pairs.length === 1 ? `1 pair ${ONE[fault]}` : `${pairs.length} pairs ${FACTS[fault]}`
    const figure = fault === 'failed' ? '' : figureOf(pairs, fault)
    const usual = fault === 'failed' ? '' : figureOf(good, fault)
    const figures = figure ? `: ${figure}${usual ? ` where others have ${usual}` : ''}` : ''
    const first = toPair(pairs[0]!)
    const example = pairs.length === 1 ? ` (${first.source.node} → ${first.destination.node})` : ''
    return createVerdict({
      kind: 'unattributed',
      interface: name,
      confidence: UNATTRIBUTED_CONFIDENCE,
      message: `${what} on ${name}${example} and no culprit explains ${pairs.length === 1 ? 'it' : 'them'}${figures}.${sharedBy(pairs, rackOf)}${retestText(pairs)}${advice}`,
      pairsFor: pairs.slice(0, MAX_LISTED_PAIRS).map(toPair),
      pairCount: pairs.length,
      retested: pairs.some(isRetested),
    })
  })
