import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeLab } from '../testing/lab.ts'
import { IPERF_MESH, LAB_RATE, startTestFleet } from '../testing/test-fleet.ts'

/** Paths of other iperf3 programs than the installed one, joined by colons: text output before 3.17, JSON after. */
const others = (process.env.MESHGAUGE_TEST_IPERF3 ?? '').split(':').filter((path) => path !== '')

if (others.length === 0) {
  describe('other versions of iperf3', () => {
    test.skip('skipped: MESHGAUGE_TEST_IPERF3 names none', () => undefined)
  })
}

for (const path of others) {
  describeLab(`a mesh with ${path}`, () => {
    test('is measured, and a slow sender is named', async () => {
      const fleet = await startTestFleet({
        nodes: 4,
        environment: async () => ({ PATH: `${dirname(path)}:${process.env.PATH}` }),
      })
      try {
        await fleet.fault('rate:node-2:net0:tx:30mbit')
        const document = await fleet.json(...IPERF_MESH, '--interface', 'net0')
        expect(document.pairs.map(({ outcome }) => outcome)).toEqual(Array(12).fill('measured'))
        expect(document.summary.verdicts).toEqual([
          expect.objectContaining({ node: 'node-2', interface: 'net0', direction: 'tx' }),
        ])
        console.log(`${path}: ${document.pairs[0]!.engine!.version}`)
        for (const { source, iperf } of document.pairs) {
          expect(iperf!.bitsPerSecond / (source.node === 'node-2' ? 30e6 : LAB_RATE)).toBeGreaterThan(0.85)
          expect(iperf!.intervals!.length).toBeGreaterThan(0)
        }
      } finally {
        fleet.client.close()
        await fleet.close()
      }
    })
  })
}
