import { expect, test } from 'vitest'
import { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import { NodeHealth } from '#proto/meshgauge/collector/v1/health.ts'
import type { Health } from '../health/health.ts'
import { createNode, type FleetNode } from '../inventory/node.ts'
import { createHealthService } from './health.ts'

const NODES = Array.from({ length: 20 }, (_, index) => createNode({ name: `n${index}` }))

/** A check result of about 1 MB. */
const result = CheckResult.fromPartial({
  check: 'ping',
  evidence: Array.from({ length: 20_000 }, (_, index) => ({
    subject: `10.0.${index >> 8}.${index & 255}`,
    name: 'loss',
    value: 0,
    unit: 'ratio',
  })),
})

const service = createHealthService({
  fleet: { nodes: () => NODES, settled: Promise.resolve(), refresh: async () => undefined },
  health: {
    list: (nodes: readonly FleetNode[]) =>
      nodes.map(({ name }) => NodeHealth.fromPartial({ node: name, checks: [{ result }] })),
  } as unknown as Health,
})

test('ListNodeHealth returns all evidence of all nodes, in pages that fit into messages', async () => {
  const found: string[] = []
  let [pageToken, pages] = ['', 0]
  do {
    const request = { nodes: [], pageSize: 1000, pageToken }
    const page = await service.listNodeHealth(request, undefined as never)
    const nodes = (page.nodes ?? []).map((node) => NodeHealth.fromPartial(node))
    const bytes = nodes.reduce((sum, node) => sum + NodeHealth.encode(node).finish().length, 0)
    expect(bytes).toBeLessThanOrEqual(8 * 1024 * 1024)
    for (const { checks } of nodes) expect(checks[0]!.result!.evidence).toHaveLength(20_000)
    found.push(...nodes.map(({ node }) => node))
    pageToken = page.nextPageToken ?? ''
    pages++
  } while (pageToken !== '')
  expect(found).toEqual(NODES.map(({ name }) => name))
  expect(pages).toBeGreaterThan(1)
})
