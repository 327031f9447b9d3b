/** CPU and memory of an idle agent, of an agent that pings 200 targets each second, and of the collector during that time. */

import { execa } from 'execa'
import { openIndependentClient } from '../testing/independent-client.ts'
import { startTestFleet } from '../testing/test-fleet.ts'
import { costOf, expectAtMost } from './figures.ts'

const SECONDS = 15
const TARGETS = 200

const print = (what: string, cost: Awaited<ReturnType<typeof costOf>>) =>
  console.log(
    `${what}: ${(cost.cpuRatio * 100).toFixed(2)} % of a core, its programs ${(cost.childrenCpuRatio * 100).toFixed(2)} %, ${cost.residentMebibytes.toFixed(0)} MiB resident`,
  )

const fleet = await startTestFleet({ nodes: 2 })
try {
  const agent = await fleet.pidOf('node-1')
  const collector = await fleet.pidOf('collector')
  const idle = await costOf(agent, SECONDS)
  print('idle agent', idle)

  // One host with many addresses is equivalent to many hosts for the pinging agent.
  const [, two] = fleet.lab.nodes
  const network = two!.interfaces[0]!.address.split('.').slice(0, 2).join('.')
  const targets = Array.from({ length: TARGETS }, (_, index) => ({ address: `${network}.1.${index + 1}` }))
  const commands = targets.map(({ address }) => `address add ${address}/22 dev net0`).join('\n')
  await execa('ip', ['netns', 'exec', two!.namespace!, 'ip', '-batch', '-'], { input: commands })

  const client = openIndependentClient(50051, fleet.lab.nodes[0]!.management)
  const stream = client.stream('meshgauge.agent.v1.PingService', 'Ping', {
    targets,
    interface: 'net0',
    continuous: true,
    interval: { seconds: 1 },
  })
  const reading = (async () => {
    for await (const _ of stream);
  })().catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const [pinging, collecting] = await Promise.all([costOf(agent, SECONDS), costOf(collector, SECONDS)])
  stream.cancel()
  await reading
  client.close()
  print(`agent pinging ${TARGETS} targets each second`, pinging)
  print('collector during that time', collecting)
  expectAtMost('idle agent, share of a core', idle.cpuRatio, 0.02)
} finally {
  fleet.client.close()
  await fleet.close()
}
