/** Wall time of an iperf mesh of 8 hosts with tests of 2 s, compared with rounds × 2 s. */

import { startTestFleet } from '../testing/test-fleet.ts'
import { expectAtLeast } from './figures.ts'

const fleet = await startTestFleet({ nodes: 8 })
try {
  const document = await fleet.json(
    'run',
    'mesh',
    '--test',
    'iperf',
    '--duration',
    '2s',
    '--interface',
    'net0',
  )
  const seconds = (Date.parse(document.run.endTime) - Date.parse(document.run.startTime)) / 1000
  const measured = document.pairs.filter(({ outcome }) => outcome === 'measured').length
  console.log(
    `${measured} of ${document.pairs.length} pairs in ${document.plan.rounds} rounds: ${seconds.toFixed(2)} s`,
  )
  expectAtLeast('pairs measured', measured / document.pairs.length, 1)
  expectAtLeast('rounds × 2 s over wall time', (document.plan.rounds * 2) / seconds, 0.85)
} finally {
  fleet.client.close()
  await fleet.close()
}
