import { expect, test } from 'vitest'
import { type CulpritKind, createVerdict, type Verdict } from '../../diagnosis/verdict.ts'
import type { EndpointPair } from '../../dispatch/pair-result.ts'
import { createBroadVerdictHold } from './recovering-verdicts.ts'

const NODE = 'node'
const INTERFACE = 'interface'
const LINK = 'link'
const verdict = (kind: CulpritKind, fields: Partial<Verdict>) =>
  createVerdict({ kind, confidence: 0.9, ...fields })
const endpointOf = (node: string, name: string) => ({ node, interface: name, address: '' })
const pair = (source: string, destination: string): EndpointPair => ({
  source: endpointOf(source, 'net0'),
  destination: endpointOf(destination, 'net0'),
})

test('a part of a recovering fault becomes a verdict only after 5 s', () => {
  const hold = createBroadVerdictHold()
  const node = verdict(NODE, { node: 'n4' })
  const part = verdict(INTERFACE, { node: 'n4', interface: 'net1' })
  expect(hold([part], [node], 1000)).toEqual([node])
  expect(hold([part], [node], 5000)).toEqual([node])
  expect(hold([part], [node], 6000)).toEqual([part])
  // Once it is a verdict, it stays one.
  expect(hold([part], [part], 7000)).toEqual([part])
  // The next fault is held again.
  expect(hold([part], [node], 20_000)).toEqual([node])
  expect(hold([], [node], 21_000)).toEqual([])
})

test('a link is a part of the verdict on its interface or rack, and of no other', () => {
  const link = verdict(LINK, { node: 'n1', peer: 'n4', interface: 'net0', pairsFor: [pair('n1', 'n4')] })
  const broad = verdict(INTERFACE, { node: 'n4', interface: 'net0' })
  expect(createBroadVerdictHold()([link], [broad], 0)).toEqual([broad])
  const other = verdict(INTERFACE, { node: 'n4', interface: 'net1' })
  expect(createBroadVerdictHold()([link], [other], 0)).toEqual([link])
  const rack = verdict('rack_uplink', {
    rack: 'r1',
    pairsFor: [pair('n1', 'n4'), pair('n4', 'n1')],
  })
  expect(createBroadVerdictHold()([link], [rack], 0)).toEqual([rack])
  expect(createBroadVerdictHold()([{ ...link, pairsFor: [pair('n1', 'n5')] }], [rack], 0)).toHaveLength(1)
})

test('a new verdict is added to a broad one that is still found', () => {
  const broad = verdict(INTERFACE, { node: 'n4', interface: 'net0' })
  const link = verdict(LINK, { node: 'n1', peer: 'n4', interface: 'net0' })
  expect(createBroadVerdictHold()([broad, link], [broad], 0)).toEqual([broad, link])
})
