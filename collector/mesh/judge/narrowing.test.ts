import { expect, test } from 'vitest'
import { CulpritKind, type EndpointPair, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { createNarrowing } from './narrowing.ts'
import { endpointOf } from './verdicts.ts'

const { CULPRIT_KIND_NODE: NODE, CULPRIT_KIND_INTERFACE: INTERFACE, CULPRIT_KIND_LINK: LINK } = CulpritKind
const verdict = (kind: CulpritKind, fields: Partial<Verdict>) =>
  Verdict.fromPartial({ kind, confidence: 0.9, ...fields })
const pair = (source: string, destination: string): EndpointPair => ({
  source: endpointOf(source, 'net0'),
  destination: endpointOf(destination, 'net0'),
})

test('what is left of a fault at its end is no fault of its own, unless it stays', () => {
  const narrowing = createNarrowing()
  const node = verdict(NODE, { node: 'n4' })
  const part = verdict(INTERFACE, { node: 'n4', interface: 'net1' })
  expect(narrowing([part], [node], 1000)).toEqual([node])
  expect(narrowing([part], [node], 5000)).toEqual([node])
  expect(narrowing([part], [node], 6000)).toEqual([part])
  // Once said it stays said.
  expect(narrowing([part], [part], 7000)).toEqual([part])
  // The next time is another time.
  expect(narrowing([part], [node], 20_000)).toEqual([node])
  expect(narrowing([], [node], 21_000)).toEqual([])
})

test('a link of an interface, and a link of a rack, are parts of them; what is elsewhere is not', () => {
  const link = verdict(LINK, { node: 'n1', peer: 'n4', interface: 'net0', pairsFor: [pair('n1', 'n4')] })
  const own = verdict(INTERFACE, { node: 'n4', interface: 'net0' })
  expect(createNarrowing()([link], [own], 0)).toEqual([own])
  const other = verdict(INTERFACE, { node: 'n4', interface: 'net1' })
  expect(createNarrowing()([link], [other], 0)).toEqual([link])
  const rack = verdict(CulpritKind.CULPRIT_KIND_RACK_UPLINK, {
    rack: 'r1',
    pairsFor: [pair('n1', 'n4'), pair('n4', 'n1')],
  })
  expect(createNarrowing()([link], [rack], 0)).toEqual([rack])
  expect(createNarrowing()([{ ...link, pairsFor: [pair('n1', 'n5')] }], [rack], 0)).toHaveLength(1)
})

test('a fault that is still there stands beside what is new', () => {
  const own = verdict(INTERFACE, { node: 'n4', interface: 'net0' })
  const link = verdict(LINK, { node: 'n1', peer: 'n4', interface: 'net0' })
  expect(createNarrowing()([own, link], [own], 0)).toEqual([own, link])
})
