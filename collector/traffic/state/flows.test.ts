import { expect, test } from 'vitest'
import { IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import { parseIpPrefix } from '../../../lib/ip-address.ts'
import type { PreparedTraffic } from '../assign/prepare.ts'
import { Flows } from './flows.ts'

/** A full mesh of nodes on one network. The flows are not sorted. */
const meshOf = (names: readonly string[]): PreparedTraffic => {
  const endpoints = names.map((node) => ({
    node,
    interface: 'net0',
    addresses: [parseIpPrefix('10.0.0.1/24')],
  }))
  const pairs = names.flatMap((_, shift) =>
    shift === 0 ? [] : names.map((_, source) => [source, (source + shift) % names.length] as const),
  )
  return {
    endpoints,
    nodes: names,
    sources: Int32Array.from(pairs, ([source]) => source),
    destinations: Int32Array.from(pairs, ([, destination]) => destination),
    spec: { intervalSeconds: 1, options: { family: 0 } },
  } as unknown as PreparedTraffic
}

const setUp = (names: readonly string[]) => new Flows(meshOf(names), { monotonicSeconds: () => 100 })

const pagesOf = (flows: ReturnType<typeof setUp>, node: string, size: number) => {
  const pages: string[][] = []
  for (let offset = 0; ; offset += size) {
    const page = flows.page({ node, offset, size })
    pages.push(page.flows.map(({ source, destination }) => `${source!.node}>${destination!.node}`))
    if (page.isLast) return pages
  }
}

test('pages contain the flows that do not move first, then sort by name with numbers in numeric order', () => {
  const flows = setUp(['n10', 'n2', 'n1'])
  for (let flow = 0; flow < flows.count; flow++) {
    const { flows: all } = flows.page({ node: '', offset: 0, size: 100 })
    expect(all).toHaveLength(6)
    if (flow !== 1) flows.onReceived(flow, IperfSample.fromPartial({ bytes: 1 }))
  }
  expect(pagesOf(flows, '', 4)).toEqual([
    ['n2>n1', 'n1>n2', 'n1>n10', 'n2>n10'],
    ['n10>n1', 'n10>n2'],
  ])
  expect(pagesOf(flows, 'n10', 2)).toEqual([
    ['n1>n10', 'n2>n10'],
    ['n10>n1', 'n10>n2'],
  ])
  expect(pagesOf(flows, 'other', 2)).toEqual([[]])
})
